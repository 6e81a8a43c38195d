//! Why a request to a server failed.

use std::time::Duration;

/// Why a request failed, as the client below or a deadline tells it.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// Nothing came back in time.
    #[error("no answer within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// What the layer below says.
    #[error("{0}")]
    Other(String),
}
