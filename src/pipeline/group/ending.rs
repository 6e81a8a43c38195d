//! How a session ended, and what it left.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::broker::PartitionReader;
use crate::pipeline::error::Error;
use crate::pipeline::topic_partition::TopicPartition;

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

/// How long the end of an owned partition is looked up when the session ends.
const LAST_LOOK_UP: Duration = Duration::from_secs(2);

impl PartitionLag {
    /// Looks up the end of a log, unless the user no longer waits for it.
    pub async fn look_up(
        partition: TopicPartition,
        committed: i64,
        mut log: PartitionReader,
        over: &CancellationToken,
    ) -> Self {
        let offsets = over.run_until_cancelled(Box::pin(log.offsets()));
        let offsets = tokio::time::timeout(LAST_LOOK_UP, offsets).await;
        let offsets = offsets.ok().flatten().and_then(Result::ok);
        Self {
            partition,
            committed,
            end: offsets.map(|(_earliest, end)| end),
        }
    }

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

/// A period in which this process owned a partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ownership {
    /// The owned partition.
    pub partition: TopicPartition,
    /// Epoch of the checkpoint's owner.
    pub epoch: i64,
    /// Offset at which it started.
    pub from: i64,
    /// Offset after the last record read.
    pub to: i64,
    /// Whether it ended because another member had taken the partition over.
    pub taken: bool,
}

/// Result of a session.
#[derive(Debug, Default)]
pub struct SessionOutcome {
    /// Every ownership of a partition.
    pub ownerships: Vec<Ownership>,
    /// Runs whose records were read.
    pub runs: BTreeSet<String>,
    /// Error that ended the session early.
    pub failure: Option<Error>,
    /// Whether the user ended the session.
    pub interrupted: bool,
    /// What ended the session.
    pub ending: Ending,
    /// Every partition that was owned at the end.
    pub lag: Vec<PartitionLag>,
}
