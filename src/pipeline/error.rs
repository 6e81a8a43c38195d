//! What ends a run before its time.

use crate::cause::Cause;
use crate::containers::container;
use crate::{broker, dataset, record, registry, store};

/// A run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A row could not be read.
    #[error("failed to read a row of the dataset")]
    Dataset(#[source] dataset::Error),
    /// A row could not be written as JSON.
    #[error("failed to encode row {row} of the dataset")]
    Encode {
        /// Index of the row among all.
        row: u64,
        /// Why not.
        #[source]
        source: record::EncodeError,
    },
    /// The broker failed.
    #[error("the broker failed")]
    Broker(#[source] broker::Error),
    /// The schema of a topic could not be registered or used.
    #[error("the schema registry failed")]
    Registry(#[source] registry::Error),
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] store::Error),
    /// The broker takes no records any more.
    #[error("gave up sending to `{topic}`/{partition} after {attempts} attempts")]
    Delivery {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Requests sent in vain.
        attempts: u32,
        /// How the last one ended.
        #[source]
        source: Cause,
    },
    /// The store takes no documents any more.
    #[error("gave up inserting into `{collection}` after {attempts} attempts")]
    Insert {
        /// The collection.
        collection: String,
        /// Commands sent in vain.
        attempts: u32,
        /// How the last one ended.
        #[source]
        source: Cause,
    },
    /// Offsets of a partition are not contiguous.
    #[error("offsets of `{topic}`/{partition} jump from {expected} to {found}")]
    Gap {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Offset that should have come.
        expected: i64,
        /// Offset that came.
        found: i64,
    },
    /// There is something in the log that cannot be read, and nothing behind it was.
    #[error("`{topic}`/{partition} holds no record at offset {offset}, though its log goes on")]
    Unreadable {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Offset asked for.
        offset: i64,
    },
    /// A server that convoy started has ended.
    #[error("a server of the run has ended")]
    ServerEnded(#[source] container::Error),
    /// A group's checkpoints cannot be moved while somebody writes them.
    #[error("group `{group}` is at work: {} shows signs of life", members.join(", "))]
    GroupAtWork {
        /// The group.
        group: String,
        /// Its members.
        members: Vec<String>,
    },
    /// An existing topic has other partitions than were asked for.
    #[error("topic `{topic}` has {found} partitions, not {wanted}")]
    Partitions {
        /// The topic.
        topic: String,
        /// Partitions it has.
        found: u32,
        /// Partitions asked for.
        wanted: u32,
    },
    /// A task of the pipeline panicked.
    #[error("a {role} task of the pipeline panicked")]
    Panicked {
        /// What the task did.
        role: &'static str,
    },
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Dataset(error) => Some(error.hint().to_owned()),
            Self::Broker(error) => error.hint().map(str::to_owned),
            Self::Registry(error) => Some(error.hint()),
            Self::Store(error) => error.hint().map(str::to_owned),
            Self::Delivery { .. } => Some(
                "look at the broker's own log; what was not acknowledged is listed as undelivered"
                    .to_owned(),
            ),
            Self::Insert { .. } => Some(
                "look at the store's own log; what is in the broker can still be consumed"
                    .to_owned(),
            ),
            Self::Gap { .. } => Some(
                "records were removed by retention, compaction or a lost log before they were read"
                    .to_owned(),
            ),
            Self::Unreadable { .. } => Some(
                "the topic holds markers of transactions, or its records were compacted away: name another `--topic`"
                    .to_owned(),
            ),
            Self::Partitions { .. } => Some(
                "leave `--partitions` out to use the topic as it is, or name another `--topic`"
                    .to_owned(),
            ),
            Self::GroupAtWork { .. } => Some(
                "end its consumers first, or leave `--from` out to join them, or name another `--group`"
                    .to_owned(),
            ),
            Self::Encode { .. } => Some("check the value in the dataset".to_owned()),
            Self::ServerEnded(_) => {
                Some("see its log; the results until then are in the report".to_owned())
            }
            Self::Panicked { .. } => None,
        }
    }

    /// Returns whether records are gone: the run has ended with a verdict, and not for want of
    /// servers.
    pub fn is_loss(&self) -> bool {
        matches!(
            self,
            Self::Gap { .. }
                | Self::Unreadable { .. }
                | Self::Broker(broker::Error::OffsetOutOfRange { .. })
        )
    }

    /// Returns whether this is a bug of convoy rather than a fault of its surroundings.
    pub fn is_bug(&self) -> bool {
        matches!(self, Self::Panicked { .. })
    }
}
