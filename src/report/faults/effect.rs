//! Effect of a fault on throughput and latency, and the time to recover from it.

use serde::{Deserialize, Serialize};

use crate::measure::Interval;

/// Length of the reference period before a fault, seconds.
const BEFORE_S: f64 = 5.0;

/// Window of a throughput measurement, seconds.
const WINDOW_S: f64 = 0.5;

/// The records of this many seconds are not a significant backlog.
const NEGLIGIBLE_S: f64 = 0.05;

/// Longest delay between the end of a fault and its first effect, seconds.
const MAX_DELAY_S: f64 = 2.0;

/// Share of the reference throughput that counts as recovered.
const RECOVERED: f64 = 0.9;

/// Counts at one instant of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// Seconds after the first reading's instant.
    pub at_s: f64,
    /// Readings emitted.
    pub emitted: u64,
    /// Documents stored.
    pub stored: u64,
    /// Readings emitted, but neither stored nor dead-lettered.
    pub backlog: u64,
}

/// Measurements before, during and after a fault. It lasts until the run has recovered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Throughput before.
    pub throughput_before_records_per_second: f64,
    /// Throughput during.
    pub throughput_during_records_per_second: f64,
    /// Throughput after, until the last emission; `None` if nothing was emitted.
    pub throughput_after_records_per_second: Option<f64>,
    /// Highest end-to-end p99 of a second before.
    pub end_to_end_latency_p99_before_us: u64,
    /// Highest end-to-end p99 of a second during.
    pub end_to_end_latency_p99_during_us: u64,
    /// Highest end-to-end p99 of a second after; `None` if there was none.
    pub end_to_end_latency_p99_after_us: Option<u64>,
    /// Largest backlog during.
    pub backlog_peak: u64,
    /// Time from the start of the fault until throughput or backlog was back at its level before; 0
    /// if there was no effect, `None` if the run did not recover.
    pub recovered_after_s: Option<f64>,
}

impl Effect {
    /// Compares the seconds before a fault, which lasted from `begin` to `end`, with those during and
    /// after it. Returns `None` if nothing was stored before it.
    pub fn new(begin: f64, end: f64, samples: &[Sample], intervals: &[Interval]) -> Option<Self> {
        let first = samples.iter().find(|sample| sample.stored > 0)?.at_s;
        let before = first.max(begin - BEFORE_S)..begin;
        let level = rate(samples, before.start, before.end).filter(|level| *level > 0.0)?;
        let usual_backlog = usual(samples, before.start, before.end, level);
        let recovered = recovered(begin, end, samples, level, usual_backlog);
        let over = recovered.map_or(f64::INFINITY, |after| (begin + after).max(end));
        let emission_end = emission_end(samples);
        let after = over..emission_end;
        Some(Self {
            throughput_before_records_per_second: level,
            throughput_during_records_per_second: rate(samples, begin, over).unwrap_or_default(),
            throughput_after_records_per_second: rate(samples, after.start, after.end),
            end_to_end_latency_p99_before_us: p99(intervals, before.start, before.end)
                .unwrap_or_default(),
            end_to_end_latency_p99_during_us: p99(intervals, begin, over).unwrap_or_default(),
            // The second of the recovery belongs to the period during.
            end_to_end_latency_p99_after_us: p99(intervals, over.ceil(), emission_end),
            backlog_peak: peak(samples, begin, over),
            recovered_after_s: recovered,
        })
    }
}

/// Returns the time from the start of a fault to the recovery.
fn recovered(
    begin: f64,
    end: f64,
    samples: &[Sample],
    level: f64,
    usual_backlog: f64,
) -> Option<f64> {
    let slow = |at: f64| {
        let rate = rate(samples, at - WINDOW_S, at);
        rate.is_none_or(|rate| rate < level * RECOVERED)
    };
    let backlogged = |sample: &Sample| sample.backlog as f64 > usual_backlog;
    let mut later = samples.iter().filter(|sample| sample.at_s > begin);
    let affected = later.find(|sample| slow(sample.at_s) && backlogged(sample));
    let Some(affected) = affected.filter(|affected| affected.at_s <= end + MAX_DELAY_S) else {
        return Some(0.0);
    };
    let from = affected.at_s.max(end);
    let mut later = samples.iter().filter(|sample| sample.at_s >= from);
    let back = later.find(|sample| !slow(sample.at_s) || !backlogged(sample))?;
    Some(back.at_s - begin)
}

/// Returns records stored per second between two instants; `None` without two samples.
fn rate(samples: &[Sample], from: f64, to: f64) -> Option<f64> {
    let mut within = samples
        .iter()
        .filter(|sample| (from..=to).contains(&sample.at_s));
    let first = within.next()?;
    let last = within.next_back()?;
    let seconds = last.at_s - first.at_s;
    (seconds > 0.0).then(|| last.stored.saturating_sub(first.stored) as f64 / seconds)
}

/// Returns the largest usual backlog: twice the mean plus the records of [`NEGLIGIBLE_S`].
fn usual(samples: &[Sample], from: f64, to: f64, level: f64) -> f64 {
    let within = samples
        .iter()
        .filter(|sample| (from..=to).contains(&sample.at_s));
    let (sum, count) = within.fold((0.0, 0.0), |(sum, count), sample| {
        (sum + sample.backlog as f64, count + 1.0)
    });
    2.0 * sum / f64::max(count, 1.0) + level * NEGLIGIBLE_S
}

fn peak(samples: &[Sample], from: f64, to: f64) -> u64 {
    let within = samples
        .iter()
        .filter(|sample| (from..=to).contains(&sample.at_s));
    within
        .map(|sample| sample.backlog)
        .max()
        .unwrap_or_default()
}

/// Returns the highest p99 of the seconds that overlap with a period.
fn p99(intervals: &[Interval], from: f64, to: f64) -> Option<u64> {
    let within = intervals
        .iter()
        .filter(|interval| interval.start_s < to && interval.start_s + 1.0 > from);
    within
        .filter(|interval| interval.stored > 0)
        .map(|interval| interval.end_to_end_latency_p99_us)
        .max()
}

/// Returns the instant of the last emission.
fn emission_end(samples: &[Sample]) -> f64 {
    let last = samples.last().map_or(0, |sample| sample.emitted);
    let end = samples.iter().find(|sample| sample.emitted == last);
    end.map_or(0.0, |sample| sample.at_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples of a run of 20 s at 100 records/s that stores nothing between two instants and
    /// catches up at twice its rate afterwards.
    fn run(stall: std::ops::Range<f64>) -> Vec<Sample> {
        let mut stored: f64 = 0.0;
        (0..=200u32)
            .map(|tenth| {
                let at_s = f64::from(tenth) / 10.0;
                let emitted = 100.0 * at_s;
                if !stall.contains(&at_s) {
                    stored = (stored + 20.0).min(emitted);
                }
                let whole = |number: f64| format!("{number:.0}").parse().unwrap();
                Sample {
                    at_s,
                    emitted: whole(emitted),
                    stored: whole(stored),
                    backlog: whole(emitted - stored),
                }
            })
            .collect()
    }

    fn seconds(p99: impl Fn(u32) -> u64) -> Vec<Interval> {
        (0..20)
            .map(|second| Interval {
                start_s: f64::from(second),
                emitted: 100,
                stored: 100,
                end_to_end_latency_p99_us: p99(second),
                ..Interval::default()
            })
            .collect()
    }

    #[test]
    fn stall_lasts_until_throughput_recovers() {
        let intervals = seconds(|second| {
            if (8..11).contains(&second) {
                2_000_000
            } else {
                20_000
            }
        });
        let effect = Effect::new(8.0, 10.0, &run(8.0..10.0), &intervals).unwrap();
        assert!((effect.throughput_before_records_per_second - 100.0).abs() < 5.0);
        assert!(
            effect.throughput_during_records_per_second < 50.0,
            "{effect:?}"
        );
        let recovered = effect.recovered_after_s.unwrap();
        assert!((2.0..3.0).contains(&recovered), "{recovered}");
        assert!((150..=250).contains(&effect.backlog_peak), "{effect:?}");
        assert_eq!(effect.end_to_end_latency_p99_before_us, 20_000);
        assert_eq!(effect.end_to_end_latency_p99_during_us, 2_000_000);
        assert_eq!(effect.end_to_end_latency_p99_after_us, Some(20_000));
    }

    #[test]
    fn fault_without_effect_recovers_after_zero_seconds() {
        let effect = Effect::new(8.0, 8.1, &run(30.0..30.0), &seconds(|_| 20_000)).unwrap();
        assert_eq!(effect.recovered_after_s, Some(0.0));
    }

    #[test]
    fn run_that_stays_down_has_not_recovered() {
        let effect = Effect::new(8.0, 8.1, &run(8.0..30.0), &seconds(|_| 20_000)).unwrap();
        assert_eq!(effect.recovered_after_s, None);
        assert_eq!(effect.throughput_after_records_per_second, None);
    }

    #[test]
    fn fault_without_a_period_before_has_no_effect_section() {
        assert_eq!(Effect::new(0.0, 1.0, &run(0.0..1.0), &[]), None);
        assert_eq!(Effect::new(1.0, 2.0, &[], &[]), None);
    }
}
