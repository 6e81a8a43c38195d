//! Errors that a response reports.

use kafka_protocol::error::ResponseError;

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

    /// Returns the message, or that of the error code.
    pub fn text(&self) -> String {
        let own = self.message.clone();
        own.unwrap_or_else(|| self.error.to_string())
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
