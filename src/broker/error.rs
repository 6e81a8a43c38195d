//! Errors of the Kafka client.

use crate::cause::Cause;

/// A request to the broker failed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe variants and fields")]
pub enum Error {
    /// No broker responded.
    #[error("failed to connect to the broker at `{bootstrap}`")]
    Connect {
        /// The bootstrap addresses.
        bootstrap: String,
        #[source]
        source: Cause,
    },
    #[error("failed to create topic `{topic}`")]
    CreateTopic {
        topic: String,
        #[source]
        source: Cause,
    },
    #[error("failed to list the topics of the broker")]
    ListTopics {
        #[source]
        source: Cause,
    },
    #[error("failed to fetch from `{topic}`/{partition} at offset {offset}")]
    Fetch {
        topic: String,
        partition: i32,
        offset: i64,
        #[source]
        source: Cause,
    },
    /// The log does not hold the requested offset, or no longer.
    #[error(
        "offset {offset} of `{topic}`/{partition} is out of range: records were lost or removed"
    )]
    OffsetOutOfRange {
        topic: String,
        partition: i32,
        offset: i64,
    },
    #[error("failed to list the offsets of `{topic}`/{partition}")]
    ListOffsets {
        topic: String,
        partition: i32,
        #[source]
        source: Cause,
    },
    /// The CA file cannot be used.
    #[error("cannot use the CA certificates in `{file}`")]
    Tls {
        file: String,
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
                Some("pass an existing topic with `--topic`, or allow the user to create topics")
            }
            Self::OffsetOutOfRange { .. } => {
                Some("check the topic's retention and whether the broker lost its log")
            }
            Self::Tls { .. } => Some("pass a PEM file with at least one certificate"),
            Self::ListTopics { .. } | Self::Fetch { .. } | Self::ListOffsets { .. } => None,
        }
    }
}

/// Returns a hint for a message of rskafka, which has no codes for these errors.
fn connect_hint(message: &str) -> &'static str {
    if message.contains("SaslAuthenticationFailed") {
        "check user and password (`API_KEY`, `API_SECRET_KEY`) and `--sasl-mechanism`"
    } else if message.contains("invalid peer certificate") {
        "pass the broker's CA certificates with `--ca-file`, and a host name that its certificate contains"
    } else if message.contains("tls handshake eof") {
        "pass `--security-protocol sasl_plaintext`, if the broker does not use TLS: the default with a user is `sasl_ssl`"
    } else if message.contains("early eof") || message.contains("InvalidContentType") {
        "check `--security-protocol`: only one side uses TLS or SASL"
    } else {
        "check that the broker runs and that its address is right; or use the built-in broker with `--backend embedded`"
    }
}
