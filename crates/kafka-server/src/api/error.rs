//! Errors that close a connection.

use crate::reply;
use crate::wire;

/// A request cannot be answered, so the connection is closed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API or its version is not supported.
    #[error("version {version} of API {api} is not supported")]
    Unsupported { api: i16, version: i16 },
    /// The body does not follow the protocol.
    #[error("failed to decode a request of API {api} version {version}")]
    Decode {
        api: i16,
        version: i16,
        #[source]
        source: wire::Error,
    },
    /// The header does not follow the protocol.
    #[error("failed to decode a request header")]
    Header {
        #[source]
        source: wire::Error,
    },
    /// The response cannot be encoded.
    #[error("failed to encode a response")]
    Encode {
        #[source]
        source: reply::Error,
    },
}

impl From<reply::Error> for Error {
    fn from(source: reply::Error) -> Self {
        Self::Encode { source }
    }
}
