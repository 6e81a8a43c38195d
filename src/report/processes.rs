//! Report sections of single processes: what a producer emitted, which partitions a consumer owned,
//! and which reports were merged.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Account of one producer process: enough for another process to audit the run and replay its
/// schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Produced {
    /// Shard of the fleet, from 0.
    pub shard: u32,
    /// Number of shards.
    pub shards: u32,
    /// Schedule of the whole fleet.
    pub schedule: Schedule,
    /// Readings handed to the producer path.
    pub emitted: u64,
    /// Readings that became messages.
    pub messages: u64,
    /// Sum of the messages' fingerprints, 128 bits in hexadecimal.
    pub fingerprints: String,
    /// Messages by the value of the label column.
    pub labels: BTreeMap<String, u64>,
    /// Name of the label column.
    pub label_column: Option<String>,
    /// Readings without an acknowledgement of the broker.
    pub not_acked: u64,
    /// Readings that became dead letters because no broker accepts them.
    pub dead_lettered: u64,
    /// Topics with their numbers of partitions.
    pub topics: BTreeMap<String, u32>,
    /// Epoch of the process by the wall clock, milliseconds since 1970.
    pub epoch_unix_ms: u64,
    /// Start of the schedule, nanoseconds after the epoch.
    pub start_ns: u64,
}

/// Schedule of a fleet: which vehicle emits which row when. Texts have the syntax of the flags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Vehicles of the whole fleet.
    pub vehicles: u32,
    /// Rate per vehicle.
    pub rate: String,
    /// Rate of the whole fleet.
    pub total_rate: Option<String>,
    /// Arrival process.
    pub arrival: String,
    /// Seed of all random choices.
    pub seed: u64,
    /// Length of the warm-up, nanoseconds.
    pub warm_up_ns: u64,
    /// Length of the measured phase, nanoseconds, if bounded by time.
    pub duration_ns: Option<u64>,
    /// Measured readings, if bounded by their number. Without a bound every row is emitted once.
    pub records: Option<u64>,
    /// Rows of the dataset.
    pub rows: u64,
    /// Path of the dataset.
    pub dataset: String,
}

impl Schedule {
    /// Returns whether both schedules emit the same readings. The path of the dataset may differ.
    pub fn same_as(&self, other: &Self) -> bool {
        let without_path = |schedule: &Self| Self {
            dataset: String::new(),
            ..schedule.clone()
        };
        without_path(self) == without_path(other)
    }
}

/// Account of one consumer process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Consumed {
    /// Group whose members shared the partitions.
    pub group: String,
    /// Runs whose records were read.
    pub runs: BTreeSet<String>,
    /// Periods of owning a partition.
    #[serde(rename = "stints")]
    pub ownerships: Vec<Ownership>,
    /// What was left of the partitions that were owned at the end; `None` in reports of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<Lag>,
    /// Earliest intended instant of a measured record, milliseconds since 1970.
    pub first_intended_unix_ms: Option<u64>,
    /// Latest durable write of a measured record, milliseconds since 1970.
    pub last_stored_unix_ms: Option<u64>,
}

/// A period in which a consumer owned a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// Topic.
    pub topic: String,
    /// Partition of the topic.
    pub partition: i32,
    /// Epoch of the checkpoint's owner.
    pub epoch: i64,
    /// Offset of the first record read.
    pub from: i64,
    /// Offset after the last record read.
    pub to: i64,
    /// Whether the period ended because another process had taken over the partition.
    pub taken: bool,
}

/// Records of the owned partitions that were not stored when the process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lag {
    /// Sum over all partitions; `None` if that of a partition is unknown.
    pub records: Option<u64>,
    /// By partition.
    pub partitions: Vec<PartitionLag>,
}

/// Lag of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionLag {
    /// Topic.
    pub topic: String,
    /// Partition of the topic.
    pub partition: i32,
    /// Offset of the last checkpoint: every record before it is stored.
    pub committed: i64,
    /// Offset after the last record; `None` if the broker did not respond.
    pub end: Option<i64>,
    /// Records from the checkpoint to the end; `None` if it is unknown.
    pub records: Option<u64>,
}

/// Origin of a merged report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// Paths of the merged reports.
    pub reports: Vec<String>,
    /// Number of producer reports.
    pub producers: u32,
    /// Number of consumer reports.
    pub consumers: u32,
    /// Whether the store was audited; without an audit there is no verdict.
    pub audited: bool,
    /// Whether the second pass of the audit had the rows to compare with; `None` if there was no
    /// second pass.
    pub examined_rows: Option<bool>,
}
