//! What the session and the task of the membership tell each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::broker::Committed;
use crate::pipeline::lag::PartitionProgress;
use crate::pipeline::topic_partition::TopicPartition;

/// Commands that wait for the task.
const COMMANDS: usize = 64;

/// What the group has assigned to this member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Number of this assignment in the process.
    pub number: u64,
    pub generation: i32,
    pub assigned: BTreeSet<TopicPartition>,
    /// Whether the group has no other member.
    pub alone: bool,
    /// Whether no rebalance is going on, as far as this member knows.
    pub stable: bool,
}

/// A confirmed membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    pub generation: i32,
    /// Committed offset of the partition.
    pub committed: Option<Committed>,
}

/// What the session asks of the task.
#[derive(Debug)]
pub enum Command {
    /// Ask the coordinator whether this member still has a partition.
    Confirm(TopicPartition, oneshot::Sender<Confirmed>),
    /// Commit the positions of a partition from now on.
    Track(TopicPartition, Arc<PartitionProgress>),
    /// The session has given up what is not in the assignment with this number.
    Released(u64),
    /// Read the committed offsets of other partitions.
    Committed(
        BTreeSet<TopicPartition>,
        oneshot::Sender<BTreeMap<TopicPartition, i64>>,
    ),
    Leave,
}

/// Sends commands to the task.
#[derive(Debug, Clone)]
pub struct Handle(mpsc::Sender<Command>);

impl Handle {
    /// Returns a handle and the commands that come from it.
    pub fn new() -> (Self, mpsc::Receiver<Command>) {
        let (sender, commands) = mpsc::channel(COMMANDS);
        (Self(sender), commands)
    }

    /// Returns whether the coordinator still counts this process as the owner of a partition: its
    /// generation is the current one. `None` if it does not, or does not respond.
    pub async fn confirm(&self, partition: TopicPartition) -> Option<Confirmed> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Confirm(partition, reply)).await;
        answer.await.ok()
    }

    /// Commits the positions of a partition from now on, as its checkpoint moves.
    pub async fn track(&self, partition: TopicPartition, progress: Arc<PartitionProgress>) {
        self.send(Command::Track(partition, progress)).await;
    }

    /// Tells that the session reads nothing that is not in an assignment.
    pub async fn released(&self, assignment: u64) {
        self.send(Command::Released(assignment)).await;
    }

    /// Returns the committed offsets of partitions; `None` if the coordinator does not respond.
    pub async fn committed(
        &self,
        partitions: BTreeSet<TopicPartition>,
    ) -> Option<BTreeMap<TopicPartition, i64>> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Committed(partitions, reply)).await;
        answer.await.ok()
    }

    /// Commits the last positions and leaves the group. The task ends.
    pub async fn leave(&self) {
        self.send(Command::Leave).await;
    }

    /// A task that has ended needs no command.
    async fn send(&self, command: Command) {
        drop(self.0.send(command).await);
    }
}
