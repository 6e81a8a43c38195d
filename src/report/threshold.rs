//! Limits that a run must keep to pass.

use serde::{Deserialize, Serialize};

use crate::audit::Verdict;
use crate::report::value::Summary;

/// What is limited. Names are the flags' with their unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdName {
    /// End-to-end p99 at most this, in microseconds.
    MaxEndToEndP99Us,
    /// Throughput at least this.
    MinThroughputRecordsPerSecond,
    /// Dead letters at most this.
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

    /// Compares what was measured with a limit, both in the unit of the name.
    ///
    /// A run that stored nothing passes no threshold.
    pub fn check(self, limit: f64, summary: &Summary, verdict: &Verdict) -> Threshold {
        let actual = match self {
            Self::MaxEndToEndP99Us => summary.stages.end_to_end_latency.p99_us as f64,
            Self::MinThroughputRecordsPerSecond => summary.throughput_records_per_second,
            Self::MaxDeadLetters => verdict.dead_lettered as f64,
        };
        let holds = match self {
            Self::MaxEndToEndP99Us | Self::MaxDeadLetters => actual <= limit,
            Self::MinThroughputRecordsPerSecond => actual >= limit,
        };
        Threshold {
            name: self,
            limit,
            actual,
            passed: holds && summary.records_stored > 0,
        }
    }
}

/// A limit and what was measured, both in the unit of the name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// What is limited.
    pub name: ThresholdName,
    /// What was asked for.
    pub limit: f64,
    /// What was measured.
    pub actual: f64,
    /// Whether it held.
    pub passed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_stored_nothing_passes_no_threshold() {
        let nothing = Summary::default();
        let threshold =
            ThresholdName::MaxEndToEndP99Us.check(250_000.0, &nothing, &Verdict::default());
        assert!(!threshold.passed);
    }

    #[test]
    fn dead_letters_are_counted_whatever_they_are() {
        let summary = Summary {
            records_stored: 10,
            ..Summary::default()
        };
        let verdict = Verdict {
            dead_lettered: 3,
            ..Verdict::default()
        };
        let passes = |limit| ThresholdName::MaxDeadLetters.check(limit, &summary, &verdict);
        assert!(passes(3.0).passed);
        assert!(!passes(2.0).passed);
    }

    #[test]
    fn the_limit_itself_passes() {
        let mut summary = Summary {
            records_stored: 10,
            throughput_records_per_second: 1_000.0,
            ..Summary::default()
        };
        summary.stages.end_to_end_latency.p99_us = 250;
        assert!(
            ThresholdName::MaxEndToEndP99Us
                .check(250.0, &summary, &Verdict::default())
                .passed
        );
        assert!(
            ThresholdName::MinThroughputRecordsPerSecond
                .check(1_000.0, &summary, &Verdict::default())
                .passed
        );
        assert!(
            !ThresholdName::MinThroughputRecordsPerSecond
                .check(1_000.1, &summary, &Verdict::default())
                .passed
        );
    }
}
