//! Errors that end a connection.

use crate::reply;
use crate::wire;

/// A request cannot be answered; the connection ends.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API is unknown, or not in this version.
    #[error("version {version} of API {api} is not supported")]
    Unsupported {
        /// The API's number.
        api: i16,
        /// The version asked for.
        version: i16,
    },
    /// The request does not follow the protocol.
    #[error("failed to decode a request of API {api} version {version}")]
    Decode {
        /// The API's number.
        api: i16,
        /// The version asked for.
        version: i16,
        /// What is wrong.
        #[source]
        source: wire::Error,
    },
    /// The request ends before its API and version.
    #[error("failed to decode a request's header")]
    Header {
        /// What is wrong.
        #[source]
        source: wire::Error,
    },
    /// The response could not be encoded.
    #[error("failed to answer")]
    Encode {
        /// Which one.
        #[source]
        source: reply::Error,
    },
}

impl From<reply::Error> for Error {
    fn from(source: reply::Error) -> Self {
        Self::Encode { source }
    }
}
