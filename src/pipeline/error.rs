//! Errors that end a run early.

use crate::cause::Cause;
use crate::containers::container;
use crate::{broker, dataset, record, registry, store};

/// A run ended early.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe variants and fields")]
pub enum Error {
    #[error("failed to read a row of the dataset")]
    Dataset(#[source] dataset::Error),
    #[error("failed to encode row {row} of the dataset")]
    Encode {
        /// Index of the row in the workload.
        row: u64,
        #[source]
        source: record::EncodeError,
    },
    #[error("a request to the broker failed")]
    Broker(#[source] broker::Error),
    #[error("a request to the schema registry failed")]
    Registry(#[source] registry::Error),
    #[error("a request to the store failed")]
    Store(#[source] store::Error),
    #[error("failed to send to `{topic}`/{partition} in {attempts} attempts")]
    Delivery {
        topic: String,
        partition: i32,
        attempts: u32,
        /// How the last attempt failed.
        #[source]
        source: Cause,
    },
    #[error("failed to insert into `{collection}` in {attempts} attempts")]
    Insert {
        collection: String,
        attempts: u32,
        /// How the last attempt failed.
        #[source]
        source: Cause,
    },
    /// The offsets of a partition are not contiguous.
    #[error("offsets of `{topic}`/{partition} jump from {expected} to {found}")]
    Gap {
        topic: String,
        partition: i32,
        expected: i64,
        found: i64,
    },
    /// The log continues after the offset, but fetches return no record.
    #[error(
        "no record of `{topic}`/{partition} can be read at offset {offset}, before the log's end"
    )]
    Unreadable {
        topic: String,
        partition: i32,
        offset: i64,
    },
    /// A record cannot become a document, and the consumer is to stop at such a record.
    #[error("the record of `{topic}`/{partition} at offset {offset} cannot be stored: {reason}")]
    Rejected {
        topic: String,
        partition: i32,
        offset: i64,
        reason: String,
    },
    /// A server that convoy started has terminated.
    #[error("a server of the run has terminated")]
    ServerEnded(#[source] container::Error),
    /// An embedded server needs a larger file than this process may write.
    #[error("a write would exceed the limit on file sizes of {limit} bytes")]
    FileSizeLimit { limit: u64 },
    /// The checkpoints of a group cannot be reset while members are running.
    #[error("group `{group}` has running members: {}", members.join(", "))]
    GroupRunning { group: String, members: Vec<String> },
    /// An existing topic does not have the requested number of partitions.
    #[error("topic `{topic}` has {found} partitions, not {wanted}")]
    Partitions {
        topic: String,
        found: u32,
        wanted: u32,
    },
    /// A column has the name of a field that convoy adds to the payload.
    #[error("column `{column}` of the dataset has the name of an identity field")]
    IdentityColumn { column: String },
    /// The user interrupted the process before it had anything to measure.
    #[error("interrupted before the first record: nothing was measured")]
    Interrupted,
    /// A thread cannot be started.
    #[error("failed to start the {role} thread")]
    Thread {
        role: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("a {role} task of the pipeline panicked")]
    Panicked { role: &'static str },
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Dataset(error) => return Some(error.hint().to_owned()),
            Self::Broker(error) => return error.hint().map(str::to_owned),
            Self::Registry(error) => return Some(error.hint()),
            Self::Store(error) => return error.hint().map(str::to_owned),
            Self::Panicked { .. } | Self::Interrupted => return None,
            Self::Thread { .. } => {
                "raise the limits on processes (`ulimit -u`, pids of a container) and memory"
            }
            Self::IdentityColumn { column } => {
                return Some(format!("rename the column: `--rename {column}=NAME`"));
            }
            Self::Delivery { source, .. } if source.trouble().is_some() => {
                return source.trouble().and_then(broker::hint).map(str::to_owned);
            }
            Self::Insert { source, .. } if source.trouble().is_some() => {
                return source.trouble().and_then(store::hint).map(str::to_owned);
            }
            Self::Delivery { .. } => {
                "check the broker's log; the report counts unacknowledged readings as undelivered"
            }
            Self::Insert { .. } => {
                "check the store's log; records in the broker can still be consumed"
            }
            Self::Gap { .. } => {
                "check the topic's retention and compaction, and whether the broker lost its log"
            }
            Self::Unreadable { .. } => {
                "check the broker's log: it sends no whole batch at this offset"
            }
            Self::Partitions { .. } => {
                "omit `--partitions` to use the topic as it is, or pass another `--topic`"
            }
            Self::GroupRunning { .. } => {
                "stop its consumers, omit `--from` to join them, or pass another `--group`"
            }
            Self::Rejected { .. } => {
                "pass `--on-error dead-letter` to set such records aside and go on"
            }
            Self::Encode { .. } => "check this value in the dataset",
            Self::FileSizeLimit { .. } => {
                "raise the limit with `ulimit -f unlimited`, or send fewer records"
            }
            Self::ServerEnded(_) => "check its log; the report has the results until then",
        };
        Some(hint.to_owned())
    }

    /// Returns whether records cannot be stored: the run ended with a verdict, and its servers
    /// respond.
    pub fn is_loss(&self) -> bool {
        matches!(
            self,
            Self::Gap { .. }
                | Self::Unreadable { .. }
                | Self::Rejected { .. }
                | Self::Broker(
                    broker::Error::OffsetOutOfRange { .. }
                        | broker::Error::LogTruncated { .. }
                        | broker::Error::TopicRecreated { .. }
                )
                | Self::Store(store::Error::CheckpointLost { .. })
        )
    }

    /// Returns whether this is a bug of convoy, not a fault of its environment.
    pub fn is_bug(&self) -> bool {
        matches!(self, Self::Panicked { .. })
    }
}
