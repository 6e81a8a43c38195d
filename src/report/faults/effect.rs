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
    /// Throughput during; `None` if it was too short to measure.
    pub throughput_during_records_per_second: Option<f64>,
    /// Throughput after, until the next fault or the last emission; `None` if nothing was emitted.
    pub throughput_after_records_per_second: Option<f64>,
    /// Highest end-to-end p99 of a second that ended before; `None` if nothing was stored in one.
    pub end_to_end_latency_p99_before_us: Option<u64>,
    /// Highest end-to-end p99 of a second during; `None` if nothing was stored in one.
    pub end_to_end_latency_p99_during_us: Option<u64>,
    /// Highest end-to-end p99 of a second after; `None` if nothing was stored in one.
    pub end_to_end_latency_p99_after_us: Option<u64>,
    /// Largest backlog during.
    pub backlog_peak: u64,
    /// Time from the start of the fault until throughput or backlog was back at its level before; 0
    /// if there was no effect, `None` if the run did not recover.
    pub recovered_after_s: Option<f64>,
}

/// Time of a fault and of its neighbours, in seconds after the first reading's instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// End of the fault before; the period before does not reach into it.
    pub since: f64,
    /// Start of the fault.
    pub begin: f64,
    /// End of the fault.
    pub end: f64,
    /// Start of the next fault; the period after does not reach into it.
    pub until: f64,
}

impl Effect {
    /// Compares the seconds before a fault with those during and after it. Returns `None` if nothing
    /// was stored before it.
    pub fn new(window: Window, samples: &[Sample], intervals: &[Interval]) -> Option<Self> {
        let Window {
            since,
            begin,
            end,
            until,
        } = window;
        let first = samples.iter().find(|sample| sample.stored > 0)?.at_s;
        let before = first.max(begin - BEFORE_S).max(since.min(begin - WINDOW_S))..begin;
        let level = rate(samples, before.start, before.end).filter(|level| *level > 0.0)?;
        let usual_backlog = usual(samples, before.start, before.end, level);
        let recovered = recovered(begin, end, samples, level, usual_backlog);
        let over = recovered.map_or(f64::INFINITY, |after| (begin + after).max(end));
        let after = over..emission_end(samples).min(until);
        Some(Self {
            throughput_before_records_per_second: level,
            throughput_during_records_per_second: rate(samples, begin, over),
            throughput_after_records_per_second: rate(samples, after.start, after.end),
            end_to_end_latency_p99_before_us: p99(within(intervals, before.start, before.end)),
            end_to_end_latency_p99_during_us: p99(overlapping(intervals, begin, over)),
            // The second of the recovery belongs to the period during.
            end_to_end_latency_p99_after_us: p99(within(intervals, after.start.ceil(), after.end)),
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

/// Returns the seconds that overlap with a period.
fn overlapping(intervals: &[Interval], from: f64, to: f64) -> impl Iterator<Item = &Interval> {
    let overlaps = move |it: &&Interval| it.start_s < to.max(from) && it.start_s + 1.0 > from;
    intervals.iter().filter(overlaps)
}

/// Returns the seconds that end in a period and began in it, or began before its first record.
fn within(intervals: &[Interval], from: f64, to: f64) -> impl Iterator<Item = &Interval> {
    let ends = move |it: &&Interval| it.start_s + 1.0 > from && it.start_s + 1.0 <= to;
    intervals.iter().filter(ends)
}

/// Returns the highest p99 of some seconds; `None` if nothing was stored in them.
fn p99<'a>(intervals: impl Iterator<Item = &'a Interval>) -> Option<u64> {
    let latencies = intervals.map(|interval| interval.stages.end_to_end_latency.p99_us);
    latencies.flatten().max()
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
    use crate::measure::{IntervalLatency, Stages};

    /// Only this fault in the run.
    fn alone(begin: f64, end: f64) -> Window {
        Window {
            since: 0.0,
            begin,
            end,
            until: f64::INFINITY,
        }
    }

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
                stages: Stages {
                    end_to_end_latency: IntervalLatency {
                        p99_us: Some(p99(second)),
                        ..IntervalLatency::default()
                    },
                    ..Stages::default()
                },
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
        let effect = Effect::new(alone(8.0, 10.0), &run(8.0..10.0), &intervals).unwrap();
        assert!((effect.throughput_before_records_per_second - 100.0).abs() < 5.0);
        assert!(
            effect.throughput_during_records_per_second.unwrap() < 50.0,
            "{effect:?}"
        );
        let recovered = effect.recovered_after_s.unwrap();
        assert!((2.0..3.0).contains(&recovered), "{recovered}");
        assert!((150..=250).contains(&effect.backlog_peak), "{effect:?}");
        assert_eq!(effect.end_to_end_latency_p99_before_us, Some(20_000));
        assert_eq!(effect.end_to_end_latency_p99_during_us, Some(2_000_000));
        assert_eq!(effect.end_to_end_latency_p99_after_us, Some(20_000));
    }

    #[test]
    fn first_second_of_a_fault_is_not_before_it() {
        let intervals = seconds(|second| if second == 8 { 495_000 } else { 46_000 });
        for begin in [8.0, 8.004, 8.9] {
            let window = alone(begin, begin + 0.5);
            let effect = Effect::new(window, &run(begin..begin + 0.5), &intervals).unwrap();
            let (before, during) = (
                effect.end_to_end_latency_p99_before_us,
                effect.end_to_end_latency_p99_during_us,
            );
            assert_eq!((before, during), (Some(46_000), Some(495_000)), "{begin}");
        }
    }

    #[test]
    fn periods_of_a_fault_end_at_its_neighbours() {
        let intervals = seconds(|second| match second {
            4 | 5 | 14 => 900_000,
            _ => 20_000,
        });
        let window = Window {
            since: 6.0,
            begin: 8.0,
            end: 8.1,
            until: 14.0,
        };
        let effect = Effect::new(window, &run(30.0..30.0), &intervals).unwrap();
        assert_eq!(effect.end_to_end_latency_p99_before_us, Some(20_000));
        assert_eq!(effect.end_to_end_latency_p99_after_us, Some(20_000));
    }

    #[test]
    fn period_in_which_nothing_was_stored_has_no_p99() {
        let mut intervals = seconds(|_| 20_000);
        for interval in &mut intervals[8..10] {
            interval.stages = Stages::default();
        }
        let effect = Effect::new(alone(8.0, 10.0), &run(8.0..30.0), &intervals[..10]).unwrap();
        assert_eq!(effect.end_to_end_latency_p99_during_us, None);
    }

    #[test]
    fn fault_without_effect_recovers_after_zero_seconds() {
        let effect = Effect::new(alone(8.0, 8.1), &run(30.0..30.0), &seconds(|_| 20_000)).unwrap();
        assert_eq!(effect.recovered_after_s, Some(0.0));
    }

    #[test]
    fn run_that_stays_down_has_not_recovered() {
        let effect = Effect::new(alone(8.0, 8.1), &run(8.0..30.0), &seconds(|_| 20_000)).unwrap();
        assert_eq!(effect.recovered_after_s, None);
        assert_eq!(effect.throughput_after_records_per_second, None);
    }

    #[test]
    fn fault_without_a_period_before_has_no_effect_section() {
        assert_eq!(Effect::new(alone(0.0, 1.0), &run(0.0..1.0), &[]), None);
        assert_eq!(Effect::new(alone(1.0, 2.0), &[], &[]), None);
    }
}
