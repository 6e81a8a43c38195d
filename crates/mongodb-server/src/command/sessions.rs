//! Sessions. The server keeps no state for them.

use crate::bson::Builder;
use crate::command::limits::SESSION_TIMEOUT_MINUTES;
use crate::command::{Call, Client, Shared};
use crate::engine::{random_uuid, uuid_value};
use crate::error::CommandError;

/// `endSessions` and related commands. Cursors time out on their own.
pub fn end_sessions(
    _shared: &Shared,
    _client: &mut Client,
    _call: &Call<'_>,
) -> Result<Builder, CommandError> {
    Ok(Builder::new())
}

/// `startSession`
pub fn start_session(
    _shared: &Shared,
    _client: &mut Client,
    _call: &Call<'_>,
) -> Result<Builder, CommandError> {
    let id = uuid_value(&random_uuid());
    Ok(Builder::new()
        .document("id", Builder::new().with("id", &id))
        .int32("timeoutMinutes", SESSION_TIMEOUT_MINUTES))
}
