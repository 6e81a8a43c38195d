//! Errors of a partition's log.

use std::io;
use std::path::{Path, PathBuf};

use crate::log::producers::Error as SequenceError;
use crate::log::transactions::Error as TransactionError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to open `{path}`")]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to read `{path}`")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A batch or a checkpoint could not be written; the file is unchanged.
    #[error("failed to write `{path}`")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to sync a log")]
    Sync {
        #[source]
        source: io::Error,
    },
    #[error("failed to truncate `{path}`")]
    Truncate {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to remove `{path}`")]
    Remove {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A synced part of the log does not hold valid batches.
    #[error("the log `{path}` is corrupt at byte {position}")]
    Corrupt {
        path: PathBuf,
        /// End of the valid part.
        position: u64,
    },
    /// An earlier write failed and could not be undone.
    #[error("the log in `{directory}` is read-only after a partial write")]
    Failed { directory: PathBuf },
    /// A batch of an idempotent producer is out of sequence.
    #[error("a batch is out of sequence")]
    Sequence {
        #[source]
        source: SequenceError,
    },
    /// A batch does not belong to an open transaction.
    #[error("a batch is outside its transaction")]
    Transaction {
        #[source]
        source: TransactionError,
    },
    /// The task that synced the log panicked.
    #[error("syncing a log was interrupted")]
    Interrupted,
    /// The offset is below the start offset or above the next offset.
    #[error("offset {offset} is not between {start} and {next}")]
    OutOfRange { offset: i64, start: i64, next: i64 },
}

impl Error {
    /// Returns a sentence on what the user can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Open { .. } | Self::Remove { .. } => {
                "check that you may read and write the data directory"
            }
            Self::Write { .. }
            | Self::Sync { .. }
            | Self::Truncate { .. }
            | Self::Failed { .. }
            | Self::Interrupted => {
                "check that the disk of the data directory is neither full nor failing"
            }
            Self::Read { .. } | Self::Corrupt { .. } => {
                "check the disk; remove the directory of the topic to start without its records"
            }
            Self::Sequence { .. } | Self::Transaction { .. } => {
                "restart the producer, so that it gets a new id"
            }
            Self::OutOfRange { .. } => "read from the earliest or the latest offset",
        }
    }

    pub(super) fn open(path: &Path, source: io::Error) -> Self {
        Self::Open {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn truncate(path: &Path, source: io::Error) -> Self {
        Self::Truncate {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn remove(path: &Path, source: io::Error) -> Self {
        Self::Remove {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn corrupt(path: &Path, position: u64) -> Self {
        Self::Corrupt {
            path: path.to_owned(),
            position,
        }
    }

    pub(super) fn failed(directory: &Path) -> Self {
        Self::Failed {
            directory: directory.to_owned(),
        }
    }
}
