//! Errors of a server.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use convoy_server_kit as kit;

use crate::{journal, log, topic};

/// A server could not be started, synced or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be bound.
    #[error("failed to start the Kafka server")]
    Listen {
        /// The address and the operating system's error.
        #[source]
        source: kit::Error,
    },
    /// The listening socket does not work.
    #[error("failed to accept connections")]
    Serve {
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// A file or directory of the data cannot be read or written.
    #[error("failed to access `{path}` in the broker's data directory")]
    Directory {
        /// Path of the file or directory.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// Another server uses the data directory.
    #[error("the data directory `{directory}` is in use")]
    Locked {
        /// The data directory.
        directory: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// Stored topics, groups or records cannot be read or written.
    #[error(transparent)]
    Storage(StorageError),
    /// The address is not loopback, and there are no users.
    #[error("`{address}` is not a loopback address, and the broker has no users")]
    Exposed {
        /// The address to listen on.
        address: SocketAddr,
    },
    /// Connections did not end within the deadline.
    #[error("connections of the Kafka server did not end in time")]
    Busy,
}

/// Stored topics, groups or records cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StorageError(Storage);

#[derive(Debug, thiserror::Error)]
enum Storage {
    #[error("failed to open the broker's topics")]
    Topics {
        #[source]
        source: topic::Error,
    },
    #[error("failed to open the broker's consumer groups")]
    Groups {
        #[source]
        source: journal::Error,
    },
    #[error("failed to open the broker's transactions")]
    Transactions {
        #[source]
        source: journal::Error,
    },
    #[error("failed to sync the broker's logs")]
    Sync {
        #[source]
        source: log::Error,
    },
}

impl From<topic::Error> for Error {
    fn from(source: topic::Error) -> Self {
        Self::Storage(StorageError(Storage::Topics { source }))
    }
}

impl Error {
    /// Returns a sentence on what the user can do.
    pub fn hint(&self) -> String {
        match self {
            Self::Listen { source } => source.hint(),
            Self::Serve { .. } => "check the limits on open files and sockets".to_owned(),
            Self::Directory { .. } => {
                "choose a data directory that you may read and write".to_owned()
            }
            Self::Exposed { .. } => "listen on 127.0.0.1, or configure users".to_owned(),
            Self::Locked { .. } => {
                "stop the other broker, or choose another data directory".to_owned()
            }
            Self::Storage(StorageError(storage)) => storage.hint().to_owned(),
            Self::Busy => "clients kept the broker busy; its data was stored".to_owned(),
        }
    }

    pub(crate) fn directory(path: &Path, source: io::Error) -> Self {
        Self::Directory {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn groups(source: journal::Error) -> Self {
        Self::Storage(StorageError(Storage::Groups { source }))
    }

    pub(crate) fn transactions(source: journal::Error) -> Self {
        Self::Storage(StorageError(Storage::Transactions { source }))
    }

    pub(crate) fn sync(source: log::Error) -> Self {
        Self::Storage(StorageError(Storage::Sync { source }))
    }
}

impl Storage {
    fn hint(&self) -> &'static str {
        match self {
            Self::Topics { source } => match source {
                topic::Error::Partition { source, .. } => source.hint(),
                topic::Error::Description { .. } => {
                    "restore the file, or remove the directory of the topic to start without it"
                }
            },
            Self::Groups { .. } => {
                "check the disk; removing the file deletes all committed offsets"
            }
            Self::Transactions { .. } => {
                "check the disk; removing the file aborts all open transactions"
            }
            Self::Sync { source } => source.hint(),
        }
    }
}
