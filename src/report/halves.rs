//! What a report says of one half of a run: the account of a producer, for an audit by others, and
//! what a consumer owned.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::quantity;
use super::value::Report;

/// What one producer emitted: enough for others to audit the run and to replay its schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Produced {
    /// Which part of the fleet, from 0; of how many.
    pub shard: u32,
    /// Parts of the fleet.
    pub shards: u32,
    /// The schedule of the whole fleet, in the words of the command line.
    pub schedule: Schedule,
    /// Readings handed to the producer path.
    pub emitted: u64,
    /// Those of them that became messages.
    pub messages: u64,
    /// Sum of the messages' fingerprints, 128 bits in hexadecimal.
    pub fingerprints: String,
    /// Messages by the value of the label column.
    pub labels: BTreeMap<String, u64>,
    /// Name of the label column.
    pub label_column: Option<String>,
    /// Readings of which nobody knows that the broker has them.
    pub not_acked: u64,
    /// Readings that no broker takes.
    pub dead_lettered: u64,
    /// Topics with their numbers of partitions.
    pub topics: BTreeMap<String, u32>,
    /// The process's epoch by the wall clock, milliseconds since 1970.
    pub epoch_unix_ms: u64,
    /// When the schedule began, nanoseconds after the epoch.
    pub start_ns: u64,
}

/// When which vehicle emits which row, as texts that are read as flags are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Vehicles of the whole fleet.
    pub vehicles: u32,
    /// Rate of every vehicle.
    pub rate: String,
    /// Rate of all vehicles together.
    pub total_rate: Option<String>,
    /// Shape of the arrivals.
    pub arrival: String,
    /// Seed of every random choice.
    pub seed: u64,
    /// Length of the warm-up, nanoseconds.
    pub warm_up_ns: u64,
    /// Length of the measured part, nanoseconds, where that is its bound.
    pub duration_ns: Option<u64>,
    /// Measured readings, where that is its bound. Without either bound it is every row once.
    pub records: Option<u64>,
    /// Rows of the dataset.
    pub rows: u64,
    /// Where the dataset was.
    pub dataset: String,
}

/// What one consumer did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consumed {
    /// The group whose partitions it shared.
    pub group: String,
    /// Runs whose records it read.
    pub runs: BTreeSet<String>,
    /// Every time in which it owned a partition.
    pub stints: Vec<Stint>,
    /// Earliest intended instant of a measured record, milliseconds since 1970.
    pub first_intended_unix_ms: Option<u64>,
    /// Latest durable write of a measured record, milliseconds since 1970.
    pub last_stored_unix_ms: Option<u64>,
}

/// A time in which a consumer owned a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stint {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The epoch of the lease.
    pub epoch: i64,
    /// Offset it began at.
    pub from: i64,
    /// Offset behind the last record read.
    pub to: i64,
    /// Whether another process had taken the partition when it ended.
    pub taken: bool,
}

/// What the reports of several processes were joined into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// The reports.
    pub reports: Vec<String>,
    /// Producers among them.
    pub producers: u32,
    /// Consumers among them.
    pub consumers: u32,
    /// Whether the store was audited; without, there is no verdict.
    pub audited: bool,
    /// Whether the second look of an audit that failed had the rows at hand; absent where none was
    /// needed.
    pub examined_rows: Option<bool>,
}

impl Report {
    /// Returns whether the report has a verdict of its own.
    pub fn has_verdict(&self) -> bool {
        let half = self.produced.is_some() || self.consumed.is_some();
        match &self.merged {
            Some(merged) => merged.audited,
            None => !half,
        }
    }
}

/// Says what part of a run a report is about; nothing for a whole one.
pub(super) fn part(report: &Report) -> String {
    if let Some(merged) = &report.merged {
        let (producers, consumers) = (merged.producers, merged.consumers);
        return format!(" · {producers} producers and {consumers} consumers joined");
    }
    match (&report.produced, &report.consumed) {
        (Some(produced), _) if produced.shards > 1 => {
            format!(" · producer {} of {}", produced.shard + 1, produced.shards)
        }
        (Some(_), _) => " · producer".to_owned(),
        (None, Some(consumed)) => format!(" · consumer of group {}", consumed.group),
        (None, None) => String::new(),
    }
}

/// Says what a producer acked and how fast; nothing for others.
pub(super) fn publishing(report: &Report) -> Option<String> {
    report
        .produced
        .as_ref()
        .filter(|_| report.merged.is_none())?;
    let acked = report.counters.get("acked").copied().unwrap_or_default();
    let latency = &report.summary.stages.publish_latency;
    Some(format!(
        "broker {} ({})\n\n{} records acknowledged · publish latency p50 {} · p99 {} · max {}\n",
        report.topology.broker,
        report.durability.broker,
        quantity::count(acked),
        quantity::duration(latency.p50_us),
        quantity::duration(latency.p99_us),
        quantity::duration(latency.max_us),
    ))
}

/// Says what is known without an audit, and how to make one.
pub(super) fn account(report: &Report) -> String {
    let mut text = String::new();
    if let Some(produced) = &report.produced {
        let counts = [
            ("emitted", produced.emitted),
            ("not acknowledged", produced.not_acked),
            ("dead-lettered", produced.dead_lettered),
        ];
        text.push_str("account, warm-up included:");
        for (name, count) in counts {
            let _ = write!(text, " {name} {} ·", quantity::count(count));
        }
        text.truncate(text.trim_end_matches(" ·").len());
        text.push('\n');
    }
    if let Some(consumed) = &report.consumed {
        let count = |name: &str| report.counters.get(name).copied().unwrap_or_default();
        let counts = [
            ("fetched", count("fetched")),
            ("stored", count("stored")),
            ("replayed", count("replayed")),
            ("producer-duplicated", count("producer_duplicated")),
            ("conflicting", count("conflicting")),
            ("dead-lettered", count("dead_lettered")),
        ];
        text.push_str("account, warm-up included:");
        for (name, count) in counts {
            let _ = write!(text, " {name} {} ·", quantity::count(count));
        }
        text.truncate(text.trim_end_matches(" ·").len());
        text.push('\n');
        for stint in &consumed.stints {
            let _ = writeln!(
                text,
                "  {}/{}: offsets {} to {}, epoch {}{}",
                stint.topic,
                stint.partition,
                stint.from,
                stint.to,
                stint.epoch,
                if stint.taken { ", then taken over" } else { "" }
            );
        }
        let anonymous = count("without_envelope");
        if anonymous > 0 {
            let _ = writeln!(
                text,
                "  {} records were not written by convoy: topic, partition and offset identify them, so a record that was sent twice is stored twice",
                quantity::count(anonymous)
            );
        }
        let by_wall_clock = count("timed_by_wall_clock");
        if by_wall_clock > 0 {
            let _ = writeln!(
                text,
                "  {} records came from another machine or boot: their end-to-end latency is as good as the agreement of the wall clocks",
                quantity::count(by_wall_clock)
            );
        }
    }
    text.push_str(match report.merged {
        Some(_) => "verdict: none, because no store was audited; name it by `--store`\n",
        None => {
            "verdict: none of one process alone; `convoy report merge … --store URI` audits the run\n"
        }
    });
    text
}
