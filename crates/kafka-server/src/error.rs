//! What can go wrong with an embedded broker as a whole.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use convoy_server_kit::server as net;

use crate::{group, log, topic};

/// The broker could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot listen where it should.
    #[error("failed to start the embedded broker")]
    Listen {
        /// Why not.
        #[source]
        source: net::Error,
    },
    /// The listening socket does not work.
    #[error("failed to serve the embedded broker's clients")]
    Serve {
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file or directory of the broker's data cannot be used.
    #[error("failed to use `{path}` of the broker's data directory")]
    Directory {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another broker uses the data directory.
    #[error("the data directory `{directory}` is in use")]
    Locked {
        /// Which directory.
        directory: PathBuf,
        /// What the lock said.
        #[source]
        source: io::Error,
    },
    /// A topic cannot be used.
    #[error("failed to open the broker's topics")]
    Topic {
        /// Which one and why.
        #[source]
        source: topic::Error,
    },
    /// It would listen beyond loopback and let everyone in.
    #[error("`{address}` is not a loopback address, and the broker has no users")]
    Exposed {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// The groups cannot be read.
    #[error("failed to open the broker's groups")]
    Groups {
        /// Why not.
        #[source]
        source: group::JournalError,
    },
    /// A log could not be brought to rest.
    #[error("failed to close the broker's logs")]
    Close {
        /// Which one and why.
        #[source]
        source: log::Error,
    },
    /// Connections were still busy when their time was over.
    #[error("connections of the embedded broker did not end in time")]
    Busy,
}

impl From<topic::Error> for Error {
    fn from(source: topic::Error) -> Self {
        Self::Topic { source }
    }
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Listen { source } => source.hint(),
            Self::Serve { .. } => "check the limits on open files and sockets".to_owned(),
            Self::Directory { .. } => {
                "name a data directory that exists or can be created, and that belongs to you"
                    .to_owned()
            }
            Self::Exposed { .. } => {
                "listen on 127.0.0.1, or name users who may use the broker".to_owned()
            }
            Self::Groups { .. } => {
                "check the data directory; remove the file to forget what groups committed"
                    .to_owned()
            }
            Self::Locked { .. } => {
                "stop the other broker, or name another data directory".to_owned()
            }
            Self::Topic { source } => match source {
                topic::Error::Partition { source, .. } => source.hint().to_owned(),
                topic::Error::Description { .. } => {
                    "restore the file, or remove the topic's directory to go on without it"
                        .to_owned()
                }
            },
            Self::Close { source } => source.hint().to_owned(),
            Self::Busy => "clients kept the broker busy; its data is safe".to_owned(),
        }
    }

    pub(super) fn directory(path: &Path, source: io::Error) -> Self {
        Self::Directory {
            path: path.to_owned(),
            source,
        }
    }
}
