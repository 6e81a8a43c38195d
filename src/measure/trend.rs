//! Whether a pipeline keeps up with its load, from the records that wait at the end of each second.

use std::fmt;

use crate::measure::interval::Interval;

/// Seconds that decide.
const SECONDS: usize = 10;

/// Fewer seconds do not tell.
const LEAST_SECONDS: usize = 5;

/// A change of the waiting records per second below this share of the load is noise.
const NOISE: f64 = 0.02;

/// Waiting records below this many seconds of load are on their way.
const ON_THEIR_WAY: f64 = 1.0;

/// Whether a pipeline keeps up with its load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trend {
    /// As many records are stored as are emitted.
    KeepingUp,
    /// More records wait each second.
    FallingBehind {
        /// Records per second.
        by: u64,
    },
    /// Fewer records wait each second.
    CatchingUp {
        /// Records per second.
        by: u64,
    },
    /// Records wait, and their number does not change.
    Behind,
}

impl fmt::Display for Trend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeepingUp => formatter.write_str("keeping up"),
            Self::FallingBehind { by } => write!(formatter, "falling behind by {by} records/s"),
            Self::CatchingUp { by } => write!(formatter, "catching up by {by} records/s"),
            Self::Behind => formatter.write_str("behind"),
        }
    }
}

impl Trend {
    /// Returns the trend of the last seconds; `None` before the fifth, or if it is not known how many
    /// records wait. The lag decides for a process that consumes, otherwise the backlog.
    pub fn of(intervals: &[Interval], consumes: bool) -> Option<Self> {
        let last = &intervals[intervals.len().saturating_sub(SECONDS)..];
        let waiting = |it: &Interval| if consumes { it.lag } else { Some(it.backlog) };
        let waiting: Vec<f64> = last
            .iter()
            .filter_map(waiting)
            .map(|records| records as f64)
            .collect();
        if waiting.len() < LEAST_SECONDS {
            return None;
        }
        let moved = |it: &Interval| if consumes { it.stored } else { it.emitted };
        let load = last.iter().map(moved).sum::<u64>() as f64 / last.len() as f64;
        let slope = slope(&waiting);
        let now = waiting.last().copied().unwrap_or_default();
        if now <= load * ON_THEIR_WAY {
            return Some(Self::KeepingUp);
        }
        Some(match slope {
            slope if slope > load * NOISE => Self::FallingBehind { by: records(slope) },
            slope if slope < -load * NOISE => Self::CatchingUp {
                by: records(-slope),
            },
            _ => Self::Behind,
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of records that is not negative"
)]
fn records(slope: f64) -> u64 {
    slope.round() as u64
}

/// Returns the slope of the line of least squares through equally spaced values.
fn slope(values: &[f64]) -> f64 {
    let middle = (values.len() as f64 - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let offset = |index: usize| index as f64 - middle;
    let products = values.iter().enumerate();
    let products: f64 = products
        .map(|(at, value)| offset(at) * (value - mean))
        .sum();
    let squares: f64 = (0..values.len()).map(|at| offset(at).powi(2)).sum();
    products / squares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(emitted: u64, waiting: impl Fn(u64) -> u64) -> Vec<Interval> {
        let second = |second| Interval {
            emitted,
            stored: emitted,
            backlog: waiting(second),
            lag: Some(waiting(second)),
            ..Interval::default()
        };
        (0..30).map(second).collect()
    }

    #[test]
    fn trend_is_that_of_the_last_seconds() {
        let falling = seconds(1_000, |second| 2_000 + second * 300);
        let catching = seconds(1_000, |second| 50_000 - second * 500);
        let behind = seconds(1_000, |second| 5_000 + second % 2);
        let noise = seconds(1_000, |second| 400 + 300 * (second % 3));
        let late = seconds(1_000, |second| if second < 20 { 90_000 } else { 10 });
        let nothing = seconds(0, |_| 0);
        let expected = [
            (falling, Trend::FallingBehind { by: 300 }),
            (catching, Trend::CatchingUp { by: 500 }),
            (behind, Trend::Behind),
            (noise, Trend::KeepingUp),
            (late, Trend::KeepingUp),
            (nothing, Trend::KeepingUp),
        ];
        for (intervals, trend) in expected {
            for consumes in [false, true] {
                assert_eq!(Trend::of(&intervals, consumes), Some(trend));
            }
        }
    }

    #[test]
    fn trend_is_unknown_without_enough_seconds_or_without_a_lag() {
        let intervals = seconds(10, |_| 0);
        assert_eq!(Trend::of(&intervals[..4], false), None);
        assert!(Trend::of(&intervals[..5], false).is_some());
        assert_eq!(Trend::of(&[], false), None);
        let unknown = vec![Interval::default(); 5];
        assert_eq!(Trend::of(&unknown, true), None);
    }
}
