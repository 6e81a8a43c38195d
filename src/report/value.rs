//! What a report contains. Field names are the JSON keys; units come last in a name.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::audit::Verdict;
use crate::measure::{Interval, StageSummary, Stages};
use crate::report::faults::Faults;
use crate::report::machine::Environment;
use crate::report::processes::{Consumed, Merged, Produced};
use crate::report::threshold::{Threshold, ThresholdName};
use crate::report::warning::Notice;

/// Version of the JSON form; a program that reads reports checks it first.
pub const FORMAT_VERSION: u32 = 1;

/// Everything that a comparison or a re-run needs of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT_VERSION`] of the convoy that wrote it.
    pub format_version: u32,
    /// How the run ended.
    pub status: Status,
    /// Which run it was.
    pub run: Run,
    /// Effective settings; keys are the flags' names in `snake_case`.
    pub settings: serde_json::Value,
    /// The machine.
    pub environment: Environment,
    /// What an acknowledgement means at each end.
    pub durability: Durability,
    /// What the records went through.
    pub topology: Topology,
    /// What was replayed.
    pub dataset: Dataset,
    /// What was measured.
    pub summary: Summary,
    /// Events counted over the whole run, warm-up included.
    pub counters: BTreeMap<String, u64>,
    /// CPU time per record.
    pub cpu: CpuPerRecord,
    /// What became of everything emitted, computed from what is in the store.
    pub verdict: Verdict,
    /// What went wrong on purpose; such a run is no measure of the pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faults: Option<Faults>,
    /// Limits asked for, and whether they held.
    pub thresholds: Vec<Threshold>,
    /// What limits the meaning of the numbers.
    pub warnings: Vec<Notice>,
    /// The run second by second, warm-up and drain included.
    pub intervals: Vec<Interval>,
    /// What a producer emitted that ran alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub produced: Option<Produced>,
    /// What a consumer did that ran alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumed: Option<Consumed>,
    /// What this report was joined from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Merged>,
}

impl Report {
    /// Returns whether the verdict is clean and every threshold held.
    ///
    /// Readings that an interrupted run did not deliver are not held against it here: the status
    /// says that it was interrupted.
    pub fn passed(&self) -> bool {
        let verdict_holds = match self.status {
            Status::Complete => {
                self.topology.broker == BackendKind::None
                    || !self.has_verdict()
                    || self.verdict_holds()
            }
            Status::Interrupted => true,
            Status::Invalid => false,
        };
        verdict_holds && self.thresholds.iter().all(|threshold| threshold.passed)
    }

    /// Returns whether the verdict is clean but for dead letters that a limit allows.
    pub fn verdict_holds(&self) -> bool {
        let limited = |threshold: &Threshold| threshold.name == ThresholdName::MaxDeadLetters;
        let allowed = self.thresholds.iter().any(limited);
        self.verdict.clean() || (allowed && self.verdict.whole())
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It ran to its bound and kept every promise.
    Complete,
    /// The user ended it early; what is in the report is what had happened until then.
    Interrupted,
    /// Something promised did not hold, so its numbers mean nothing.
    Invalid,
}

impl Status {
    /// Returns the status that a verdict allows.
    pub fn of(verdict: &Verdict, interrupted: bool) -> Self {
        let broken = verdict.missing + verdict.duplicated + verdict.corrupt;
        // What is not delivered cannot be accounted for.
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
    /// Seed of every random choice.
    pub seed: u64,
    /// Command line that started it, secrets replaced.
    pub command: String,
    /// Version of convoy.
    pub version: String,
    /// When it started, RFC 3339 in UTC.
    pub started_at: String,
}

/// What an acknowledgement means at each end, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durability {
    /// Acks and fsync mode of the broker.
    pub broker: String,
    /// Write concern and journal mode of the store.
    pub store: String,
}

/// Where a broker or a store came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendKind {
    /// A server in this process.
    Embedded,
    /// A container that convoy started.
    Container,
    /// Somebody else's server.
    External,
    /// Nothing: the fleet was paced into a sink that only counts.
    None,
}

impl fmt::Display for BackendKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Embedded => "embedded",
            Self::Container => "container",
            Self::External => "external",
            Self::None => "none",
        })
    }
}

/// What the records went through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// Kind of broker.
    pub broker: BackendKind,
    /// Kind of store.
    pub store: BackendKind,
    /// Topics that were written and read, one per topic folder of the dataset.
    pub topics: Vec<String>,
    /// Partitions of each.
    pub partitions: u32,
    /// Consumers that shared the partitions.
    pub consumers: u32,
    /// Database written to.
    pub database: String,
    /// Collection written to.
    pub collection: String,
    /// What the key of a message is.
    pub key: String,
    /// Whether both connections were encrypted.
    pub tls: bool,
}

impl Topology {
    /// Returns whether a server shared the process with the load, so that the run tested this
    /// pipeline rather than a broker or a store.
    pub fn pipeline_self_test(&self) -> bool {
        [self.broker, self.store].contains(&BackendKind::Embedded)
    }
}

/// What was replayed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// Files in the order they were read.
    pub files: Vec<String>,
    /// Rows in them.
    pub rows: u64,
    /// Columns of each row.
    pub columns: u32,
    /// Hash of their content, so that a re-run can tell whether it replays the same rows.
    pub hash: String,
}

/// What was measured, warm-up excluded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Readings emitted.
    pub readings_emitted: u64,
    /// Records stored.
    pub records_stored: u64,
    /// Records stored ÷ (last stored − first intended).
    pub throughput_records_per_second: f64,
    /// Payload bytes stored ÷ (last stored − first intended).
    pub throughput_bytes_per_second: f64,
    /// Last stored − first intended.
    pub duration_s: f64,
    /// From the process's start to its first durable write, milliseconds; absent where nothing was
    /// stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_to_first_stored_ms: Option<f64>,
    /// Largest resident memory of this process; absent where the system does not say.
    pub peak_resident_bytes: Option<u64>,
    /// Distribution of each stage over every stored record.
    pub stages: Stages<StageSummary>,
}

/// CPU time per stored record by role; absent where the role was not in this process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuPerRecord {
    /// Pacing and encoding.
    pub generator_us: Option<f64>,
    /// Batching and publishing.
    pub producer_us: Option<f64>,
    /// Fetching, decoding and writing.
    pub consumer_us: Option<f64>,
    /// The embedded broker.
    pub broker_us: Option<f64>,
    /// The embedded store.
    pub store_us: Option<f64>,
}

impl CpuPerRecord {
    /// Returns each role's name with its microseconds per record, in the order of a record's way.
    pub fn roles(&self) -> [(&'static str, Option<f64>); 5] {
        [
            ("generator", self.generator_us),
            ("producer", self.producer_us),
            ("consumer", self.consumer_us),
            ("broker", self.broker_us),
            ("store", self.store_us),
        ]
    }
}

/// Returns a wall-clock time, milliseconds since 1970, in RFC 3339.
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
    fn times_are_written_as_rfc_3339() {
        assert_eq!(rfc3339(1_795_408_084_436), "2026-11-23T04:28:04.436Z");
        assert_eq!(rfc3339(u64::MAX), "18446744073709551615 ms after 1970");
    }

    #[test]
    fn dead_letters_fail_a_run_unless_a_limit_allows_them() {
        let mut report = crate::report::sample::report();
        report.verdict.stored -= 3;
        report.verdict.dead_lettered = 3;
        report.verdict.labels.clear();
        assert!(!report.passed());
        for (limit, passes) in [(2.0, false), (3.0, true)] {
            let (summary, verdict) = (&report.summary, &report.verdict);
            let threshold = ThresholdName::MaxDeadLetters.check(limit, summary, verdict);
            report.thresholds = vec![threshold];
            assert_eq!(report.passed(), passes);
        }
        report.verdict.missing = 1;
        assert!(!report.passed());
    }

    #[test]
    fn a_broken_promise_outranks_an_interruption() {
        let lost = Verdict {
            emitted: 2,
            stored: 1,
            missing: 1,
            ..Verdict::default()
        };
        assert_eq!(Status::of(&lost, true), Status::Invalid);
        let late = Verdict {
            emitted: 2,
            stored: 1,
            undelivered: 1,
            ..Verdict::default()
        };
        assert_eq!(Status::of(&late, true), Status::Interrupted);
        assert_eq!(Status::of(&Verdict::default(), false), Status::Complete);
    }
}
