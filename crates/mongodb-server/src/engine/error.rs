//! Errors of the engine.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use convoy_server_kit::disk;

use crate::error::{Code, CommandError};

/// Documents cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory cannot be used.
    #[error("failed to open the data directory `{path}`")]
    Directory {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Another process has the data directory.
    #[error("the data directory `{path}` is in use by another process")]
    InUse { path: PathBuf },
    /// A segment cannot be read.
    #[error("failed to read `{path}`")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A segment cannot be written.
    #[error("failed to write to `{path}`")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The files are damaged, incomplete or in another format.
    #[error(transparent)]
    Storage(#[from] disk::Error),
    /// An earlier write failed, so that the contents of the disk are unknown.
    #[error("the log of the document store is read-only after a failed write")]
    Failed,
    /// The server stopped or crashed.
    #[error("the document store is closed")]
    Closed,
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Directory { .. } => "name a writable directory".to_owned(),
            Self::InUse { .. } => "stop the other process, or name another directory".to_owned(),
            Self::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some disk space, or name a directory on another disk".to_owned()
            }
            Self::Read { .. } | Self::Write { .. } => {
                "check the disk and its permissions".to_owned()
            }
            Self::Storage(error) => error.hint().to_owned(),
            Self::Closed => "start the server again".to_owned(),
            Self::Failed => {
                "restart the server: documents that were acknowledged as durable are kept"
                    .to_owned()
            }
        }
    }
}

/// Why a change failed: the log, or the change itself.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] Error),
    /// The change is rejected.
    #[error(transparent)]
    Refused(#[from] CommandError),
}

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        let full = match &error {
            Error::Write { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            _ => false,
        };
        let code = if full {
            Code::OUT_OF_DISK_SPACE
        } else {
            Code::INTERNAL_ERROR
        };
        let cause = error.source().map(|source| format!(": {source}"));
        Self::new(code, format!("{error}{}", cause.unwrap_or_default()))
    }
}

impl From<ChangeError> for CommandError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Engine(error) => error.into(),
            ChangeError::Refused(error) => error,
        }
    }
}
