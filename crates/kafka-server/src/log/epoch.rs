//! The leader epoch.

use kafka_protocol::error::ResponseError;

/// The leader epoch of every partition: there is one broker, and it never gives up leadership.
pub const LEADER_EPOCH: i32 = 0;

/// Checks the current epoch as far as a client knows; -1 if unknown.
pub fn check_epoch(known: i32) -> Result<(), ResponseError> {
    if known > LEADER_EPOCH {
        Err(ResponseError::UnknownLeaderEpoch)
    } else {
        Ok(())
    }
}
