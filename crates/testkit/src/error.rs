//! Errors, readable in the output of a failed test.

use std::fmt;

use crate::stored::Difference;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Something that a test asked for is not possible, or not the case.
///
/// `Debug` prints the same sentence as `Display`, with all causes: this is what `unwrap` and tests
/// that return a `Result` show.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A server does not start.
    #[error("failed to start the {server}")]
    Start {
        /// Which one.
        server: &'static str,
        /// The server's own error.
        #[source]
        source: BoxError,
    },
    /// A server does not start again. It stays stopped.
    #[error("failed to restart the {server}")]
    Restart {
        /// Which one.
        server: &'static str,
        /// The server's own error.
        #[source]
        source: BoxError,
    },
    /// A server does not stop in order.
    #[error("failed to stop the {server} in order")]
    Stop {
        /// Which one.
        server: &'static str,
        /// The server's own error.
        #[source]
        source: BoxError,
    },
    /// The broker cannot read or write what the test named.
    #[error(transparent)]
    Kafka(#[from] convoy_kafka_server::DataError),
    /// The store cannot read what the test named.
    #[error(transparent)]
    Mongo(#[from] convoy_mongodb_server::DataError),
    /// A group did not commit enough records in time. The text says where each partition stands.
    #[error("{0}")]
    NotCommitted(String),
    /// Records of a topic and documents of a collection do not belong to each other one to one.
    #[error("{0}")]
    NotStored(Box<Difference>),
    /// A name is not `database.collection`.
    #[error("`{0}` is not the name of a collection: expected `database.collection`")]
    Namespace(String),
}

impl Error {
    pub(crate) fn start(server: &'static str, source: BoxError) -> Self {
        Self::Start { server, source }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")?;
        let mut cause = std::error::Error::source(self);
        while let Some(source) = cause {
            write!(out, ": {source}")?;
            cause = source.source();
        }
        Ok(())
    }
}

pub fn boxed(error: impl Into<BoxError>) -> BoxError {
    error.into()
}
