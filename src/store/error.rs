//! What can go wrong between us and a document store.

use crate::cause::Cause;

/// An intention towards the store that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is no MongoDB connection string.
    #[error("cannot use the store's address `{uri}`")]
    Uri {
        /// The address, without its secrets.
        uri: String,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// No server answered.
    #[error("failed to reach the store at `{uri}`")]
    Connect {
        /// The address, without its secrets.
        uri: String,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// The server takes no writes.
    #[error("the server is no writable primary")]
    NotPrimary,
    /// A command on a collection failed.
    #[error("failed to {intention} `{collection}`")]
    Command {
        /// What was to be done, as a verb phrase.
        intention: &'static str,
        /// The collection.
        collection: String,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// Another owner has taken the partition over.
    #[error("the checkpoint of `{topic}`/{partition} belongs to a newer owner")]
    Fenced {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// The embedded store failed.
    #[error("failed to run the embedded store")]
    Embedded {
        /// Why not.
        #[source]
        source: Cause,
    },
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Uri { .. } => Some("it should look like `mongodb://host:27017`"),
            Self::Connect { .. } => Some(
                "check the address, that the server runs, and its user and password; or use the built-in one with `--backend embedded`",
            ),
            Self::Fenced { .. } => {
                Some("another consumer owns the partition now; this one has nothing left to do")
            }
            Self::NotPrimary | Self::Command { .. } | Self::Embedded { .. } => None,
        }
    }
}
