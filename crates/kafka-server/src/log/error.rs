//! What can go wrong with a partition's log.

use std::io;
use std::path::{Path, PathBuf};

use crate::log::producers::Error as SequenceError;

/// An operation on a partition's log failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be opened or created.
    #[error("failed to open `{path}`")]
    Open {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A segment could not be read.
    #[error("failed to read `{path}`")]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A batch or a checkpoint could not be written; nothing of it remains.
    #[error("failed to write `{path}`")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A segment could not be synced to the disk.
    #[error("failed to sync a log")]
    Sync {
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file could not be cut.
    #[error("failed to cut `{path}`")]
    Truncate {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file or directory could not be removed.
    #[error("failed to remove `{path}`")]
    Remove {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A part of the log that was synced does not hold sound batches.
    #[error("the log `{path}` is damaged at byte {position}")]
    Corrupt {
        /// Which segment.
        path: PathBuf,
        /// Where its sound part ends.
        position: u64,
    },
    /// An earlier write failed and could not be taken back.
    #[error("the log in `{directory}` takes no writes since one failed half way")]
    Failed {
        /// Which log.
        directory: PathBuf,
    },
    /// A batch does not follow on what its producer sent before.
    #[error("a batch is out of sequence")]
    Sequence {
        /// How.
        #[source]
        source: SequenceError,
    },
    /// The task that synced a log ended before it was done.
    #[error("syncing a log was interrupted")]
    Interrupted,
    /// An offset is before the first or beyond the next one.
    #[error("offset {offset} is not within {start} and {next}")]
    OutOfRange {
        /// What was asked for.
        offset: i64,
        /// The first offset.
        start: i64,
        /// The next one.
        next: i64,
    },
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Open { .. } | Self::Remove { .. } => {
                "check that the data directory belongs to you and is not open elsewhere"
            }
            Self::Write { .. }
            | Self::Sync { .. }
            | Self::Truncate { .. }
            | Self::Failed { .. }
            | Self::Interrupted => {
                "check that the disk of the data directory is neither full nor failing"
            }
            Self::Read { .. } | Self::Corrupt { .. } => {
                "check the disk; remove the topic's directory to go on without its records"
            }
            Self::Sequence { .. } => "the producer has to start anew with a new id",
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
