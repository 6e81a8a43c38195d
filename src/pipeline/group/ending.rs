//! How a session ended, and what it left.

use crate::pipeline::context::TopicPartition;

/// What was left of an owned partition at the end of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionLag {
    /// The partition.
    pub partition: TopicPartition,
    /// Offset of the last checkpoint: every record before it is stored.
    pub committed: i64,
    /// Offset after the last record; `None` if the broker did not respond.
    pub end: Option<i64>,
}

impl PartitionLag {
    /// Returns the number of records that are not stored; `None` if it is unknown.
    pub fn records(&self) -> Option<u64> {
        let end = self.end?;
        Some(end.saturating_sub(self.committed).max(0).unsigned_abs())
    }
}

/// What ended a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ending {
    /// The user, or an error.
    #[default]
    Early,
    /// Its duration.
    Duration,
    /// The number of stored records.
    Records,
    /// Nothing was left to read.
    Idle,
}
