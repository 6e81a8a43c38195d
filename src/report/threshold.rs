//! Limits on measurements that a run must keep to pass.

use serde::{Deserialize, Serialize};

use crate::audit::Verdict;
use crate::report::summary::Summary;

/// Limited quantity, named as its flag with the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdName {
    /// Maximum end-to-end p99, in microseconds.
    MaxEndToEndP99Us,
    /// Minimum throughput.
    MinThroughputRecordsPerSecond,
    /// Maximum number of dead letters.
    MaxDeadLetters,
}

impl ThresholdName {
    /// Returns the flag that sets it.
    pub fn flag(self) -> &'static str {
        match self {
            Self::MaxEndToEndP99Us => "--max-end-to-end-p99",
            Self::MinThroughputRecordsPerSecond => "--min-throughput",
            Self::MaxDeadLetters => "--max-dead-letters",
        }
    }

    /// Compares the measured value with a limit, both in the unit of the name.
    ///
    /// A run that stored nothing fails every threshold.
    pub fn check(self, limit: f64, summary: &Summary, verdict: Option<&Verdict>) -> Threshold {
        let actual = match self {
            Self::MaxEndToEndP99Us => {
                let p99 = summary.stages.end_to_end_latency.p99_us;
                p99.map(|p99| p99 as f64)
            }
            Self::MinThroughputRecordsPerSecond => summary.throughput_records_per_second,
            Self::MaxDeadLetters => verdict.map(|verdict| verdict.dead_lettered as f64),
        };
        let holds = actual.is_some_and(|actual| match self {
            Self::MaxEndToEndP99Us | Self::MaxDeadLetters => actual <= limit,
            Self::MinThroughputRecordsPerSecond => actual >= limit,
        });
        Threshold {
            name: self,
            limit,
            actual,
            passed: holds && summary.records_stored > 0,
        }
    }
}

/// A limit and the measured value, both in the unit of the name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Limited quantity.
    pub name: ThresholdName,
    /// Requested limit.
    pub limit: f64,
    /// Measured value; `None` if nothing was measured.
    pub actual: Option<f64>,
    /// Whether the limit held.
    pub passed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_that_stored_nothing_fails_every_threshold() {
        let nothing = Summary::default();
        let threshold = ThresholdName::MaxEndToEndP99Us.check(250_000.0, &nothing, None);
        assert!(!threshold.passed);
        assert_eq!(threshold.actual, None);
    }

    #[test]
    fn all_dead_letters_count_towards_the_limit() {
        let summary = Summary {
            records_stored: 10,
            ..Summary::default()
        };
        let verdict = Verdict {
            dead_lettered: 3,
            ..Verdict::default()
        };
        let passes = |limit| ThresholdName::MaxDeadLetters.check(limit, &summary, Some(&verdict));
        assert!(passes(3.0).passed);
        assert!(!passes(2.0).passed);
    }

    #[test]
    fn value_equal_to_the_limit_passes() {
        let mut summary = Summary {
            records_stored: 10,
            throughput_records_per_second: Some(1_000.0),
            ..Summary::default()
        };
        summary.stages.end_to_end_latency.p99_us = Some(250);
        assert!(
            ThresholdName::MaxEndToEndP99Us
                .check(250.0, &summary, None)
                .passed
        );
        assert!(
            ThresholdName::MinThroughputRecordsPerSecond
                .check(1_000.0, &summary, None)
                .passed
        );
        assert!(
            !ThresholdName::MinThroughputRecordsPerSecond
                .check(1_000.1, &summary, None)
                .passed
        );
    }
}
