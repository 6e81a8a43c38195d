//! Content of a report. Field names are the JSON keys; units come last in a name.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::audit::Verdict;
use crate::measure::{Counts, Interval, Outage, PartitionLoad};
use crate::report::external::External;
use crate::report::faults::Faults;
use crate::report::finding::Finding;
use crate::report::machine::Machine;
use crate::report::notice::{Notice, UNAUDITED_BUILD, UNLIMITED_RATE};
use crate::report::processes::{Consumed, Merged, Produced};
use crate::report::summary::{CpuPerRecord, Summary};
use crate::report::tail::Tail;
use crate::report::threshold::{Threshold, ThresholdName};
use crate::report::topology::{BackendKind, Durability, Topology};

/// Version of the JSON form; a program that reads reports checks it first.
pub const FORMAT_VERSION: u32 = 1;

/// Settings, machine, measurements and verdict of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT_VERSION`] of the convoy that wrote it.
    pub format_version: u32,
    /// How the run ended.
    pub status: Status,
    /// Identity of the run.
    pub run: Run,
    /// Effective settings; keys are the flags' names in `snake_case`.
    pub settings: serde_json::Value,
    /// Machine and build.
    #[serde(rename = "environment")]
    pub machine: Machine,
    /// Meaning of an acknowledgement.
    pub durability: Durability,
    /// Broker, store and topics.
    pub topology: Topology,
    /// Dataset that was replayed; `None` if the process emitted nothing.
    pub dataset: Option<Dataset>,
    /// Measured results.
    pub summary: Summary,
    /// Events counted over the whole run, warm-up included.
    pub counters: Counts,
    /// CPU time per record.
    pub cpu: CpuPerRecord,
    /// Outcome of all readings emitted, computed from the documents in the store; `None` if no audit
    /// ended.
    pub verdict: Option<Verdict>,
    /// Injected faults. Measurements of a run with faults do not compare with those of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faults: Option<Faults>,
    /// Requested limits, and whether they held.
    pub thresholds: Vec<Threshold>,
    /// What limited the run, the most important first; empty if the numbers do not tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Restrictions on the meaning of the numbers.
    pub warnings: Vec<Notice>,
    /// Periods in which records waited for a server and none passed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outages: Vec<Outage>,
    /// What passed through each partition; absent in reports of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<PartitionLoad>,
    /// The slowest records; absent if they were too few, and in merged reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<Tail>,
    /// Counts and latencies of every second, warm-up and drain included.
    pub intervals: Vec<Interval>,
    /// Account of a producer process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub produced: Option<Produced>,
    /// Account of a consumer process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumed: Option<Consumed>,
    /// Consumer of the run, if it was another program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_consumer: Option<External>,
    /// Origin of a merged report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Merged>,
}

impl Report {
    /// Returns whether the verdict is clean and every threshold held.
    ///
    /// Undelivered readings of an interrupted run do not fail it: the status says that it was
    /// interrupted.
    pub fn passed(&self) -> bool {
        self.outcome() == Outcome::Passed
    }

    /// Returns whether the report passed, and if not, whether only the figures are to blame.
    pub fn outcome(&self) -> Outcome {
        let missed = self.thresholds.iter().filter(|threshold| !threshold.passed);
        let missed: Vec<ThresholdName> = missed.map(|threshold| threshold.name).collect();
        if !self.keeps_guarantees() || missed.contains(&ThresholdName::MaxDeadLetters) {
            Outcome::Failed
        } else if missed.is_empty() {
            Outcome::Passed
        } else {
            Outcome::ThresholdMissed
        }
    }

    /// Returns whether the verdict, if there is one, holds.
    fn keeps_guarantees(&self) -> bool {
        match self.status {
            Status::Complete => {
                self.topology.broker == BackendKind::None
                    || !self.has_verdict()
                    || self.verdict_holds()
            }
            Status::Interrupted => true,
            Status::Invalid => false,
        }
    }

    /// Returns whether the report is one with a verdict: that of a whole run, or of an audited merge.
    pub fn has_verdict(&self) -> bool {
        match &self.merged {
            Some(merged) => merged.audited,
            None => self.produced.is_none() && self.consumed.is_none(),
        }
    }

    /// Returns whether the verdict is clean except for dead letters within a requested limit.
    pub fn verdict_holds(&self) -> bool {
        let limited = |threshold: &Threshold| threshold.name == ThresholdName::MaxDeadLetters;
        let allowed = self.thresholds.iter().any(limited);
        let verdict = self.verdict.as_ref();
        verdict.is_some_and(|verdict| verdict.clean() || (allowed && verdict.whole()))
    }

    /// Returns whether the load had no schedule, so that its latencies mean nothing.
    pub fn unlimited_rate(&self) -> bool {
        self.warns_of(UNLIMITED_RATE)
    }

    /// Returns whether the verdict compares the content of documents. The audit of a build with
    /// `--cfg convoy_unaudited` only counts them.
    pub fn compares_content(&self) -> bool {
        !self.warns_of(UNAUDITED_BUILD)
    }

    /// Returns whether the report has a warning with a code.
    pub(super) fn warns_of(&self, code: &str) -> bool {
        self.warnings.iter().any(|warning| warning.code == code)
    }
}

/// Whether a report passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The verdict and every threshold held.
    Passed,
    /// The verdict holds, but a latency or a throughput missed its threshold.
    ThresholdMissed,
    /// Readings are missing, duplicated, corrupt or reordered, or too many are dead letters.
    Failed,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It reached its bound and no guarantee was broken.
    Complete,
    /// The user ended it early.
    Interrupted,
    /// A guarantee was broken, so its measurements are meaningless.
    Invalid,
}

impl Status {
    /// Returns the status of a run with this verdict.
    pub fn new(verdict: &Verdict, interrupted: bool) -> Self {
        let broken = verdict.missing + verdict.duplicated + verdict.corrupt;
        // Injected faults in undelivered readings cannot be accounted for.
        let unaccounted = verdict.undelivered == 0 && verdict.unaccounted() > 0;
        if broken > 0 || verdict.log_truncations > 0 || unaccounted {
            Self::Invalid
        } else if interrupted {
            Self::Interrupted
        } else {
            Self::Complete
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Complete => "complete",
            Self::Interrupted => "interrupted",
            Self::Invalid => "invalid",
        })
    }
}

/// Identity of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Name of its directory under the output directory.
    pub id: String,
    /// Seed of all random choices; `None` if there were none.
    pub seed: Option<u64>,
    /// Command line, secrets replaced.
    pub command: String,
    /// Version of convoy.
    pub version: String,
    /// Values of the options that were set, by flag, environment or scenario, secrets replaced;
    /// those about output are left out. `--again` sets them again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, Vec<String>>,
    /// Start of the run, RFC 3339 in UTC.
    pub started_at: String,
}

/// Dataset that was replayed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// Files in reading order.
    pub files: Vec<String>,
    /// Rows in all files.
    pub rows: u64,
    /// Columns per row.
    pub columns: u32,
    /// Rows that were left out because they do not fit the header.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bad_rows: u64,
    /// The first of them, with places and reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_bad_rows: Vec<BadRow>,
    /// Hash of the content, to tell whether two runs replayed the same rows.
    pub hash: String,
}

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadRow {
    /// Path of the file.
    pub file: String,
    /// Line of its start, from 1.
    pub line: u64,
    /// Offset of its first byte.
    pub byte: u64,
    /// Cause, as a clause.
    pub reason: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference to the field"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Formats a wall-clock time in milliseconds since 1970 as RFC 3339.
pub fn rfc3339(unix_ms: u64) -> String {
    i64::try_from(unix_ms)
        .ok()
        .and_then(DateTime::<Utc>::from_timestamp_millis)
        .map_or_else(
            || format!("{unix_ms} ms after 1970"),
            |time| format!("{time:?}"),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_formatted_as_rfc_3339() {
        assert_eq!(rfc3339(1_795_408_084_436), "2026-11-23T04:28:04.436Z");
        assert_eq!(rfc3339(u64::MAX), "18446744073709551615 ms after 1970");
    }

    #[test]
    fn dead_letters_fail_a_run_unless_within_a_limit() {
        let mut report = crate::report::sample::report();
        let verdict = report.verdict.as_mut().unwrap();
        verdict.stored -= 3;
        verdict.dead_lettered = 3;
        verdict.labels.clear();
        assert!(!report.passed());
        for (limit, passes) in [(2.0, false), (3.0, true)] {
            let (summary, verdict) = (&report.summary, report.verdict.as_ref());
            let threshold = ThresholdName::MaxDeadLetters.check(limit, summary, verdict);
            report.thresholds = vec![threshold];
            assert_eq!(report.passed(), passes);
        }
        report.verdict.as_mut().unwrap().missing = 1;
        assert!(!report.passed());
    }

    #[test]
    fn interrupted_run_with_a_missing_reading_is_invalid() {
        let missing = Verdict {
            emitted: 2,
            stored: 1,
            missing: 1,
            ..Verdict::default()
        };
        assert_eq!(Status::new(&missing, true), Status::Invalid);
        let undelivered = Verdict {
            emitted: 2,
            stored: 1,
            undelivered: 1,
            ..Verdict::default()
        };
        assert_eq!(Status::new(&undelivered, true), Status::Interrupted);
        assert_eq!(Status::new(&Verdict::default(), false), Status::Complete);
    }
}
