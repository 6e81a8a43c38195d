//! Why a request to a server failed.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

/// Why a request failed: a timeout, or what the client library says.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// No response came in time.
    #[error("no response within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// The client library's message.
    #[error("{0}")]
    Other(String),
}

/// Waits for a response until a deadline.
pub async fn within<T>(deadline: Duration, response: impl Future<Output = T>) -> Result<T, Cause> {
    tokio::time::timeout(deadline, response)
        .await
        .map_err(|_elapsed| Cause::Timeout(deadline))
}

/// Returns an error with its causes in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
