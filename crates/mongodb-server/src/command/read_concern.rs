//! Read concerns.
//!
//! There is one copy of the data, and a read returns the last write: every level that a standalone
//! server can have is met. Snapshots across several reads do not exist.

use crate::bson::{Doc, Value};
use crate::command::Call;
use crate::error::{Code, CommandError};

/// Commands that read what is local, and no other level.
const LOCAL_ONLY: &[&str] = &[
    "collMod",
    "convertToCapped",
    "create",
    "killAllSessions",
    "killCursors",
    "killSessions",
    "listCollections",
    "listDatabases",
    "renameCollection",
    "startSession",
];

/// Rejects levels and times that reads of this server do not meet.
pub fn check(call: &Call<'_>) -> Result<(), CommandError> {
    let Some(concern) = call.document("readConcern")? else {
        return Ok(());
    };
    for element in concern.elements() {
        let value = element.value();
        match element.name() {
            "level" => check_level(call, &value)?,
            "provenance" => check_provenance("readConcern", &value)?,
            name @ ("afterClusterTime" | "atClusterTime") => {
                if !matches!(value, Value::Timestamp(_)) {
                    return Err(wrong_type(name, &value, "timestamp"));
                }
                check_cluster_time(call, concern, name, &value)?;
            }
            name => {
                let message = format!("BSON field 'readConcern.{name}' is an unknown field.");
                return Err(CommandError::location(40_415, message));
            }
        }
    }
    Ok(())
}

fn check_level(call: &Call<'_>, value: &Value<'_>) -> Result<(), CommandError> {
    if value.is_nullish() {
        return Ok(());
    }
    let level = value
        .as_str()
        .ok_or_else(|| wrong_type("level", value, "string"))?;
    let member = call.cluster_time.is_some();
    match level {
        "available" | "majority" if LOCAL_ONLY.contains(&call.name) => {
            let name = call.name;
            let message = format!("Command {name} does not support readConcern: {level}");
            Err(CommandError::new(Code::INVALID_OPTIONS, message))
        }
        "local" | "available" | "majority" => Ok(()),
        "linearizable" if member => Ok(()),
        "linearizable" => Err(CommandError::new(
            Code::NOT_A_REPLICA_SET,
            "node needs to be a replica set member to use read concern",
        )),
        "snapshot" if member => Err(CommandError::unsupported("snapshot reads")),
        "snapshot" if matches!(call.name, "find" | "aggregate" | "distinct") => {
            Err(CommandError::new(
                Code::NOT_A_REPLICA_SET,
                "node needs to be a replica set member to use readConcern: snapshot",
            ))
        }
        "snapshot" => Err(CommandError::new(
            Code::INVALID_OPTIONS,
            format!(
                "Command {} does not support readConcern: snapshot",
                call.name
            ),
        )),
        other => Err(CommandError::failed_to_parse(format!(
            "readConcern.level must be local, available, majority, linearizable or snapshot, \
             found: '{other}'"
        ))),
    }
}

/// Rejects levels that a stage which reads the server itself does not have.
pub fn check_local(call: &Call<'_>, stage: &str) -> Result<(), CommandError> {
    let concern = call.document("readConcern")?.unwrap_or(Doc::EMPTY);
    match concern.get("level") {
        Some(level) if level.as_str() != Some("local") => Err(CommandError::new(
            Code::INVALID_OPTIONS,
            format!("Aggregation stage {stage} cannot run with a readConcern other than 'local'"),
        )),
        _ => Ok(()),
    }
}

/// Rejects a `provenance` of a read or write concern that does not exist.
pub fn check_provenance(concern: &str, value: &Value<'_>) -> Result<(), CommandError> {
    if value.is_nullish() {
        return Ok(());
    }
    let provenance = value.as_str().ok_or_else(|| {
        let kind = value.kind().alias();
        CommandError::type_mismatch(format!(
            "BSON field '{concern}.provenance' is the wrong type '{kind}', expected type 'string'"
        ))
    })?;
    let known = [
        "clientSupplied",
        "implicitDefault",
        "customDefault",
        "getLastErrorDefaults",
        "internalWriteDefault",
    ];
    if known.contains(&provenance) {
        return Ok(());
    }
    Err(CommandError::bad_value(format!(
        "Enumeration value '{provenance}' for field '{concern}.provenance' is not a valid value."
    )))
}

fn check_cluster_time(
    call: &Call<'_>,
    concern: Doc<'_>,
    name: &str,
    value: &Value<'_>,
) -> Result<(), CommandError> {
    if name == "afterClusterTime" {
        if call.cluster_time.is_some() {
            return check_time(value, call.cluster_time);
        }
        let message = "Cannot specify afterClusterTime readConcern without replication enabled";
        return Err(CommandError::new(Code::ILLEGAL_OPERATION, message));
    }
    let level = concern.get("level");
    if level.is_none_or(|level| level.as_str() != Some("snapshot")) {
        let message = "atClusterTime may only be used with readConcern level snapshot";
        return Err(CommandError::new(Code::INVALID_OPTIONS, message));
    }
    Err(CommandError::unsupported("snapshot reads"))
}

fn wrong_type(name: &str, value: &Value<'_>, expected: &str) -> CommandError {
    let kind = value.kind().alias();
    CommandError::type_mismatch(format!(
        "BSON field 'readConcern.{name}' is the wrong type '{kind}', expected type '{expected}'"
    ))
}

/// Rejects a time after the last change: no later change will be waited for.
fn check_time(value: &Value<'_>, last: Option<u64>) -> Result<(), CommandError> {
    let Value::Timestamp(time) = *value else {
        let kind = value.kind().alias();
        return Err(CommandError::type_mismatch(format!(
            "BSON field 'readConcern.afterClusterTime' is the wrong type '{kind}', expected type \
             'timestamp'"
        )));
    };
    let last = last.unwrap_or_default();
    if time <= last {
        return Ok(());
    }
    Err(CommandError::new(
        Code::INVALID_OPTIONS,
        format!(
            "readConcern afterClusterTime value must not be greater than the current clusterTime. \
             Requested clusterTime: {}; current clusterTime: {}",
            Value::Timestamp(time),
            Value::Timestamp(last)
        ),
    ))
}
