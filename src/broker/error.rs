//! What can go wrong between us and a broker.

use crate::cause::Cause;

/// An intention towards the broker that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No broker answered.
    #[error("failed to reach the broker at `{bootstrap}`")]
    Connect {
        /// The addresses that were tried.
        bootstrap: String,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// A topic could not be created.
    #[error("failed to create topic `{topic}`")]
    CreateTopic {
        /// The topic.
        topic: String,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// The topics could not be listed.
    #[error("failed to list the topics of the broker")]
    ListTopics {
        /// Why not.
        #[source]
        source: Cause,
    },
    /// Records could not be fetched.
    #[error("failed to fetch from `{topic}`/{partition} at offset {offset}")]
    Fetch {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset asked for.
        offset: i64,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// The offset asked for is not in the log (any more): records were lost or removed.
    #[error(
        "offset {offset} of `{topic}`/{partition} is out of the log's range: records were lost or removed"
    )]
    OffsetOutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset asked for.
        offset: i64,
    },
    /// The ends of a partition's log could not be asked for.
    #[error("failed to list the offsets of `{topic}`/{partition}")]
    ListOffsets {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// The TLS settings cannot be used.
    #[error("cannot use the certificate authorities in `{file}`")]
    Tls {
        /// The file with the authorities.
        file: String,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// The embedded broker failed.
    #[error("failed to run the embedded broker")]
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
            Self::Connect { source, .. } => Some(connect_hint(&source.to_string())),
            Self::CreateTopic { .. } => {
                Some("name an existing topic with `--topic`, or allow the user to create topics")
            }
            Self::OffsetOutOfRange { .. } => Some(
                "the broker's retention removed records before they were read, or it lost its log",
            ),
            Self::Tls { .. } => Some("name a PEM file that holds at least one certificate"),
            Self::ListTopics { .. }
            | Self::Fetch { .. }
            | Self::ListOffsets { .. }
            | Self::Embedded { .. } => None,
        }
    }
}

/// Advice by what the client says; it has no codes for these.
fn connect_hint(said: &str) -> &'static str {
    if said.contains("SaslAuthenticationFailed") {
        "check user and password (`API_KEY`, `API_SECRET_KEY`) and `--sasl-mechanism`"
    } else if said.contains("invalid peer certificate") {
        "name the file of the authority that vouches for the broker with `--ca-file`, and the broker by a name that its certificate holds"
    } else if said.contains("early eof") || said.contains("InvalidContentType") {
        "check `--security-protocol`: one end speaks TLS or wants a password and the other does not"
    } else {
        "check the address and that the broker runs; or use the built-in one with `--backend embedded`"
    }
}
