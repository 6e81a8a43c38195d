//! Sessions. The server keeps no state for them, but for retryable writes (`retry.rs`).

use crate::bson::Builder;
use crate::command::limits::SESSION_TIMEOUT_MINUTES;
use crate::command::retry::RETRYABLE;
use crate::command::{Call, Client, Shared};
use crate::engine::{random_uuid, uuid_value};
use crate::error::{Code, CommandError};

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

/// Rejects transactions, and numbers of writes that cannot be retried.
pub fn check_transaction(call: &Call<'_>) -> Result<(), CommandError> {
    let given = |name| call.body.element(name).is_some();
    if call.cluster_time.is_none() {
        if given("txnNumber") || given("startTransaction") {
            return Err(CommandError::new(
                Code::ILLEGAL_OPERATION,
                "Transaction numbers are only allowed on a replica set member or mongos",
            ));
        }
        return Ok(());
    }
    if given("startTransaction") || given("autocommit") {
        return Err(CommandError::new(
            Code::NOT_IN_TRANSACTION,
            "convoy's document store does not support transactions",
        ));
    }
    for name in ["stmtId", "stmtIds"] {
        if given(name) {
            return Err(CommandError::unsupported(format!("the argument {name}")));
        }
    }
    if given("txnNumber") && !RETRYABLE.contains(&call.name) {
        return Err(CommandError::location(
            50_768,
            format!(
                "txnNumber may only be provided for multi-document transactions and retryable \
                 write commands. autocommit:false was not provided, and {} is not a retryable \
                 write command.",
                call.name
            ),
        ));
    }
    Ok(())
}
