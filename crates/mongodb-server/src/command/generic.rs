//! Arguments that every command takes, checked before it runs.

use crate::bson::Value;
use crate::command::write_concern::WriteConcern;
use crate::command::{Call, kinds, read_concern};
use crate::error::{Code, CommandError};

/// Commands that take a write concern.
const WRITES: &[&str] = &[
    "aggregate",
    "bulkWrite",
    "cloneCollectionAsCapped",
    "collMod",
    "convertToCapped",
    "create",
    "createIndexes",
    "delete",
    "deleteIndexes",
    "drop",
    "dropDatabase",
    "dropIndexes",
    "findAndModify",
    "findandmodify",
    "insert",
    "renameCollection",
    "setFeatureCompatibilityVersion",
    "update",
];

/// Commands of the stable API, version 1.
const STABLE: &[&str] = &[
    "aggregate",
    "count",
    "create",
    "createIndexes",
    "delete",
    "drop",
    "dropDatabase",
    "dropIndexes",
    "endSessions",
    "explain",
    "find",
    "findAndModify",
    "getMore",
    "hello",
    "insert",
    "isMaster",
    "ismaster",
    "killCursors",
    "listCollections",
    "listDatabases",
    "listIndexes",
    "ping",
    "refreshSessions",
    "saslContinue",
    "saslStart",
    "update",
];

/// Rejects generic arguments of the wrong type, out of range, or that the command does not take.
pub fn check(call: &Call<'_>) -> Result<(), CommandError> {
    for name in [
        "lsid",
        "$readPreference",
        "$clusterTime",
        "readConcern",
        "writeConcern",
    ] {
        if let Some(value) = call.value(name) {
            kinds::check(call.name, name, &value)?;
        }
    }
    check_time_limit(call)?;
    check_stable_api(call)?;
    read_concern::check(call)?;
    if WRITES.contains(&call.name) {
        WriteConcern::parse(call)?;
    } else if call.value("writeConcern").is_some() {
        return Err(CommandError::new(
            Code::INVALID_OPTIONS,
            format!("Command {} does not support writeConcern", call.name),
        ));
    }
    Ok(())
}

/// Returns the error of a write concern that was not met, though the write was done.
pub fn unmet_write_concern(call: &Call<'_>) -> Result<Option<CommandError>, CommandError> {
    let given = call.cluster_time.is_some() && call.value("writeConcern").is_some();
    if given && WRITES.contains(&call.name) {
        return WriteConcern::parse(call).map(WriteConcern::unmet);
    }
    Ok(None)
}

/// Rejects a time limit that is no whole number of milliseconds in 32 bits.
fn check_time_limit(call: &Call<'_>) -> Result<(), CommandError> {
    let Some(limit) = call.value("maxTimeMS") else {
        return Ok(());
    };
    if !limit.is_number() {
        let numbers = "long', 'int', 'decimal', 'double";
        return Err(call.wrong_type("maxTimeMS", limit.kind(), numbers));
    }
    let Some(whole) = limit.as_i64() else {
        let message = format!("maxTimeMS has non-integral value: {limit}");
        return Err(match call.name {
            "aggregate" | "find" => CommandError::bad_value(message),
            _ => CommandError::failed_to_parse(message),
        });
    };
    if i32::try_from(whole).is_ok_and(|milliseconds| milliseconds >= 0) {
        return Ok(());
    }
    Err(CommandError::bad_value(format!(
        "{whole} value for maxTimeMS is out of range [0, {}]",
        i32::MAX
    )))
}

/// Checks the version of the stable API, and that the command is part of it if only those may run.
fn check_stable_api(call: &Call<'_>) -> Result<(), CommandError> {
    let version = call.body.get("apiVersion");
    match &version {
        Some(Value::String(version)) if version == "1" => {}
        None => {
            for name in ["apiStrict", "apiDeprecationErrors"] {
                if call.value(name).is_some() {
                    let message = format!("Provided {name}, but apiVersion was not provided");
                    return Err(CommandError::location(4_886_600, message));
                }
            }
            return Ok(());
        }
        Some(Value::String(version)) => {
            let message = format!("API version must be \"1\", found \"{version}\"");
            return Err(CommandError::new(Code::API_VERSION, message));
        }
        Some(other) => return Err(call.wrong_type("apiVersion", other.kind(), "string")),
    }
    for name in ["apiStrict", "apiDeprecationErrors"] {
        if let Some(value) = call.value(name)
            && !matches!(value, Value::Bool(_))
        {
            return Err(call.wrong_type(name, value.kind(), "bool"));
        }
    }
    let strict = call
        .value("apiStrict")
        .is_some_and(|strict| strict.is_truthy());
    if strict && !STABLE.contains(&call.name) {
        return Err(CommandError::new(
            Code::API_STRICT,
            format!(
                "Provided apiStrict:true, but the command {} is not in API Version 1",
                call.name
            ),
        ));
    }
    Ok(())
}
