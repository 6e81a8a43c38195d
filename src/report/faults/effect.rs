//! What a disturbance did to throughput and latency, and how long it was felt.

use serde::{Deserialize, Serialize};

use crate::measure::Interval;

/// How far back the time before a disturbance reaches, seconds.
const BEFORE_S: f64 = 5.0;

/// Length of the window in which throughput is measured, seconds.
const WINDOW_S: f64 = 0.5;

/// Records that flow in so long are no backlog worth telling, seconds.
const MOMENT_S: f64 = 0.05;

/// How long after its end a disturbance may begin to be felt, seconds.
const LATE_S: f64 = 2.0;

/// Share of the throughput before that counts as recovered.
const RECOVERED: f64 = 0.9;

/// Counts at one instant of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// When, seconds after the first reading's instant.
    pub at_s: f64,
    /// Readings emitted so far.
    pub emitted: u64,
    /// Documents stored so far.
    pub stored: u64,
    /// Readings emitted, but neither stored nor set aside.
    pub backlog: u64,
}

/// What was measured before, during and after a disturbance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Records stored per second in the seconds before.
    pub throughput_before_records_per_second: f64,
    /// Records stored per second from its beginning until the run had recovered.
    pub throughput_during_records_per_second: f64,
    /// Records stored per second from then on, as long as readings were emitted; none if none were.
    pub throughput_after_records_per_second: Option<f64>,
    /// Highest end-to-end p99 of the seconds before.
    pub end_to_end_latency_p99_before_us: u64,
    /// Highest end-to-end p99 of the seconds from its beginning until the run had recovered.
    pub end_to_end_latency_p99_during_us: u64,
    /// Highest end-to-end p99 of the seconds after; none if there were none.
    pub end_to_end_latency_p99_after_us: Option<u64>,
    /// Largest backlog from its beginning until the run had recovered.
    pub backlog_peak: u64,
    /// From its beginning until throughput was back at nine tenths of what it was before, or the
    /// backlog at what it was; 0 if it was never felt, none if that did not happen.
    pub recovered_after_s: Option<f64>,
}

impl Effect {
    /// Compares the seconds before a disturbance, which lasted from `begin` to `end`, with those
    /// during and after it. None without a time before it.
    pub fn of(begin: f64, end: f64, samples: &[Sample], intervals: &[Interval]) -> Option<Self> {
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
            // The second in which it recovered belongs to the time during.
            end_to_end_latency_p99_after_us: p99(intervals, over.ceil(), emission_end),
            backlog_peak: peak(samples, begin, over),
            recovered_after_s: recovered,
        })
    }
}

/// Returns how long after its beginning a disturbance was not felt any more.
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
    let behind = |sample: &Sample| sample.backlog as f64 > usual_backlog;
    let mut later = samples.iter().filter(|sample| sample.at_s > begin);
    let felt = later.find(|sample| slow(sample.at_s) && behind(sample));
    let Some(felt) = felt.filter(|felt| felt.at_s <= end + LATE_S) else {
        return Some(0.0);
    };
    let from = felt.at_s.max(end);
    let mut later = samples.iter().filter(|sample| sample.at_s >= from);
    let back = later.find(|sample| !slow(sample.at_s) || !behind(sample))?;
    Some(back.at_s - begin)
}

/// Returns records stored per second between two instants; none where there are not two samples.
fn rate(samples: &[Sample], from: f64, to: f64) -> Option<f64> {
    let mut within = samples
        .iter()
        .filter(|sample| (from..=to).contains(&sample.at_s));
    let first = within.next()?;
    let last = within.next_back()?;
    let seconds = last.at_s - first.at_s;
    (seconds > 0.0).then(|| last.stored.saturating_sub(first.stored) as f64 / seconds)
}

/// Returns the backlog that is nothing unusual: twice its mean, or what flows in a moment.
fn usual(samples: &[Sample], from: f64, to: f64, level: f64) -> f64 {
    let within = samples
        .iter()
        .filter(|sample| (from..=to).contains(&sample.at_s));
    let (sum, count) = within.fold((0.0, 0.0), |(sum, count), sample| {
        (sum + sample.backlog as f64, count + 1.0)
    });
    2.0 * sum / f64::max(count, 1.0) + level * MOMENT_S
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

/// Returns the highest p99 of the seconds that have a part between two instants.
fn p99(intervals: &[Interval], from: f64, to: f64) -> Option<u64> {
    let within = intervals
        .iter()
        .filter(|interval| interval.start_s < to && interval.start_s + 1.0 > from);
    within
        .filter(|interval| interval.stored > 0)
        .map(|interval| interval.end_to_end_latency_p99_us)
        .max()
}

/// Returns when the last reading was emitted.
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
    fn a_stall_is_felt_until_records_flow_again() {
        let intervals = seconds(|second| {
            if (8..11).contains(&second) {
                2_000_000
            } else {
                20_000
            }
        });
        let effect = Effect::of(8.0, 10.0, &run(8.0..10.0), &intervals).unwrap();
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
    fn what_is_never_felt_is_recovered_from_at_once() {
        let effect = Effect::of(8.0, 8.1, &run(30.0..30.0), &seconds(|_| 20_000)).unwrap();
        assert_eq!(effect.recovered_after_s, Some(0.0));
    }

    #[test]
    fn a_run_that_stays_down_has_not_recovered() {
        let effect = Effect::of(8.0, 8.1, &run(8.0..30.0), &seconds(|_| 20_000)).unwrap();
        assert_eq!(effect.recovered_after_s, None);
        assert_eq!(effect.throughput_after_records_per_second, None);
    }

    #[test]
    fn without_a_time_before_there_is_nothing_to_compare_with() {
        assert_eq!(Effect::of(0.0, 1.0, &run(0.0..1.0), &[]), None);
        assert_eq!(Effect::of(1.0, 2.0, &[], &[]), None);
    }
}
