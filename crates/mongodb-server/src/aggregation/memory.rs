//! Limits on the memory of a stage and of all queries together.

use crate::aggregation::held::{Charge, held_by_all};
use crate::error::{Code, CommandError};

/// Bytes of computed documents that a stage may hold.
pub const MEMORY_LIMIT: usize = 100 * 1024 * 1024;

/// Bytes of computed documents that the stages of all queries and open cursors may hold together.
const MEMORY_OF_ALL: usize = 1024 * 1024 * 1024;

/// Fails if a stage that holds this many bytes, or all stages together, exceed their limit.
pub fn check_memory(stage: &str, bytes: usize) -> Result<(), CommandError> {
    if bytes > MEMORY_LIMIT {
        return Err(memory_exceeded(stage));
    }
    if held_by_all() > MEMORY_OF_ALL {
        return Err(CommandError::new(
            Code::QUERY_EXCEEDED_MEMORY,
            format!(
                "{stage} needs memory, and all queries and open cursors hold more than \
                 {MEMORY_OF_ALL} bytes together; close cursors that are not needed"
            ),
        ));
    }
    Ok(())
}

/// Returns the error of a stage that exceeds the memory limit.
pub fn memory_exceeded(stage: &str) -> CommandError {
    CommandError::new(
        Code::QUERY_EXCEEDED_MEMORY,
        format!(
            "{stage} exceeded memory limit of {MEMORY_LIMIT} bytes; this server does not spill to disk"
        ),
    )
}

/// Returns the error of a stage that would have to spill to disk and may not. Stored documents need no
/// memory here, but MongoDB counts them.
pub fn not_spilled(stage: &str) -> CommandError {
    CommandError::new(
        Code::QUERY_EXCEEDED_MEMORY,
        format!(
            "{stage} exceeded memory limit of {MEMORY_LIMIT} bytes, but did not opt in to external \
             sorting."
        ),
    )
}

/// Returns the error of an accumulator whose value for one group exceeds the memory limit.
pub fn accumulator_exceeded(operator: &str) -> CommandError {
    CommandError::new(
        Code::EXCEEDED_MEMORY,
        format!(
            "{operator} used too much memory and spilling to disk cannot reduce memory \
             consumption any further. Memory limit: {MEMORY_LIMIT} bytes"
        ),
    )
}

/// Counts the memory that a stage uses beside the documents that it keeps, and checks both limits.
pub fn charge(stage: &str, charge: &mut Charge, bytes: usize) -> Result<(), CommandError> {
    charge.set(bytes);
    check_memory(stage, bytes)
}

/// Returns how many more bytes are held, or fewer.
pub fn difference(before: usize, after: usize) -> isize {
    // A size is at most `isize::MAX`.
    after.wrapping_sub(before).cast_signed()
}
