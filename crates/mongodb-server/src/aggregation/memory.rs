//! The limit on the memory of a stage.

use crate::error::{Code, CommandError};

/// Bytes of computed documents that a stage may hold.
pub const MEMORY_LIMIT: usize = 100 * 1024 * 1024;

/// Returns the error of a stage that exceeds the memory limit.
pub fn memory_exceeded(stage: &str) -> CommandError {
    CommandError::new(
        Code::QUERY_EXCEEDED_MEMORY,
        format!(
            "{stage} exceeded memory limit of {MEMORY_LIMIT} bytes; this server does not spill to disk"
        ),
    )
}
