//! Errors that a response reports.

use kafka_protocol::error::ResponseError;

/// Message for clients that ask for transactions.
pub const NO_TRANSACTIONS: &str = "transactions are not supported by this broker";

/// An error for a part of a request: a code for the client, a message for its user.
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
