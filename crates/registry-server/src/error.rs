//! Errors of the server and their hints.

use std::path::{Path, PathBuf};

use convoy_server_kit::disk;

/// The server could not be started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is in use or cannot be bound.
    #[error("failed to start the schema registry")]
    Listen {
        /// Address and cause.
        #[source]
        source: convoy_server_kit::Error,
    },
    /// The journal could not be opened, read or repaired.
    #[error("failed to open the schema registry's journal `{}`", path.display())]
    Journal {
        /// Path of the journal.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// Another server uses the journal.
    #[error("the schema registry's journal `{}` is in use by another process", path.display())]
    JournalInUse {
        /// Path of the journal.
        path: PathBuf,
    },
    /// The data is damaged, incomplete or in another format.
    #[error(transparent)]
    Storage(StorageError),
    /// Some connections did not close in time when the server stopped.
    #[error("connections of the schema registry did not close in time")]
    Busy,
}

/// The data is damaged, incomplete or in another format.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StorageError(disk::Error);

impl Error {
    /// Returns a hint for the user.
    pub fn hint(&self) -> String {
        let hint = match self {
            Self::Listen { source } => return source.hint(),
            Self::Journal { .. } => "check the permissions and the disk of the data directory",
            Self::JournalInUse { .. } => "give every registry its own data directory",
            Self::Storage(StorageError(error)) => error.hint(),
            Self::Busy => "disconnect clients before the registry stops",
        };
        hint.to_owned()
    }

    pub(crate) fn storage(error: disk::Error) -> Self {
        Self::Storage(StorageError(error))
    }

    pub(crate) fn journal(path: &Path, source: std::io::Error) -> Self {
        Self::Journal {
            path: path.to_owned(),
            source,
        }
    }
}
