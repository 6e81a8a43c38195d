//! Errors of the MongoDB client.

use crate::cause::Cause;

/// A request to the store failed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe variants and fields")]
pub enum Error {
    /// The address is not a MongoDB connection string.
    #[error("invalid store address `{uri}`")]
    Uri {
        /// The address, without its secrets.
        uri: String,
        #[source]
        source: Cause,
    },
    /// No server responded.
    #[error("failed to connect to the store at `{uri}`")]
    Connect {
        /// The address, without its secrets.
        uri: String,
        #[source]
        source: Cause,
    },
    /// The server is not ready for writes.
    #[error("the server is not a writable primary")]
    NotPrimary,
    /// A command on a collection failed.
    #[error("failed to {intention} `{collection}`")]
    Command {
        /// What the command does, as a verb phrase.
        intention: &'static str,
        collection: String,
        #[source]
        source: Cause,
    },
    /// Another consumer owns the partition under a newer epoch.
    #[error("the checkpoint of `{topic}`/{partition} belongs to a newer owner")]
    Fenced { topic: String, partition: i32 },
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Uri { .. } => Some("pass an address like `mongodb://host:27017`"),
            Self::Connect { .. } => Some(
                "check that the server runs and that address, user and password are right; or use the built-in store with `--backend embedded`",
            ),
            Self::Fenced { .. } => Some("stop this consumer: another one owns the partition now"),
            Self::Command { source, .. } if source.to_string().contains("(Unauthorized)") => Some(
                "put a user and a password that may do this into the URI: `mongodb://USER:PASSWORD@HOST`",
            ),
            Self::NotPrimary | Self::Command { .. } => None,
        }
    }
}
