//! Errors of the MongoDB client.

use crate::cause::{Cause, Trouble};

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
    /// The store no longer has the checkpoint of an owned partition.
    #[error("the checkpoint of `{topic}`/{partition} is missing in `{collection}`")]
    CheckpointLost {
        topic: String,
        partition: i32,
        collection: String,
    },
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Uri { .. } => Some("pass an address like `mongodb://host:27017`"),
            Self::Connect { source, .. } => Some(source.trouble().map_or(CONNECT, connect_hint)),
            Self::Command { source, .. } => source.trouble().and_then(command_hint),
            Self::CheckpointLost { .. } => Some(
                "the store lost acknowledged writes, or the collection was dropped; start again with `--from earliest`, which stores nothing twice, or `--from latest`",
            ),
            Self::Fenced { .. } => Some("stop this consumer: another one owns the partition now"),
            Self::NotPrimary => None,
        }
    }
}

/// Hint for a connection that failed for an unknown reason.
const CONNECT: &str = "check that a MongoDB server runs at the address of `--store`; or use the built-in store with `--backend embedded`";

fn connect_hint(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::UnknownHost => {
            "correct the host name in `--store`, or the name server of this machine"
        }
        Trouble::Refused => {
            "start the store, or correct the port in `--store`: no program listens there; or use the built-in store with `--backend embedded`"
        }
        Trouble::NoRoute | Trouble::Silent => {
            "check that this machine can reach the address of `--store` (firewall, VPN, list of allowed addresses) and that the server is not stuck"
        }
        Trouble::Closed | Trouble::TlsMismatch => {
            "add `tls=true` to the options of `--store` if the server uses TLS, or remove it if it does not"
        }
        Trouble::Certificate => {
            "add `tlsCAFile=FILE` with the server's CA certificates to the options of `--store`"
        }
        Trouble::Version => {
            "use MongoDB 4.4 or later, or a compatible server that reports at least wire version 9"
        }
        Trouble::Credentials => {
            "correct user and password in `--store`, and `authSource` if the user is not one of the database `admin`"
        }
        Trouble::AuthenticationMissing | Trouble::Forbidden => FORBIDDEN,
        _ => CONNECT,
    }
}

/// Hint for a server that wants a user, or one with more rights.
const FORBIDDEN: &str = "put a user with the role `readWrite` on the database into the address: `mongodb://USER:PASSWORD@HOST`";

/// Returns the hint for a command that failed after the connection was made.
pub fn command_hint(trouble: Trouble) -> Option<&'static str> {
    match trouble {
        Trouble::Forbidden | Trouble::AuthenticationMissing => Some(FORBIDDEN),
        Trouble::Silent => {
            Some("check whether the store is stuck or overloaded, or raise `--request-timeout`")
        }
        trouble => Some(connect_hint(trouble)),
    }
}
