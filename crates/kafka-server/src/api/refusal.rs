//! Errors that a response reports.

use kafka_protocol::error::ResponseError;

/// What clients that ask for transactions are told.
pub const NO_TRANSACTIONS: &str = "transactions are not supported by this broker";

/// Why a part of a request was not done: a code for the client, a sentence for its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub error: ResponseError,
    pub message: Option<String>,
}

impl Refusal {
    pub fn new(error: ResponseError, message: &str) -> Self {
        Self {
            error,
            message: Some(message.to_owned()),
        }
    }
}

impl From<ResponseError> for Refusal {
    fn from(error: ResponseError) -> Self {
        Self {
            error,
            message: None,
        }
    }
}
