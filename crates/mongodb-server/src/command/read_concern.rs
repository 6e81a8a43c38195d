//! Read concerns.
//!
//! There is one copy of the data, and a read returns the last write: every level that a standalone
//! server can have is met. Snapshots across several reads do not exist.

use crate::bson::Value;
use crate::command::Call;
use crate::error::{Code, CommandError};

/// Rejects levels and times that reads of this server do not meet.
pub fn check(call: &Call<'_>) -> Result<(), CommandError> {
    let Some(concern) = call.document("readConcern")? else {
        return Ok(());
    };
    for element in concern.elements() {
        let value = element.value();
        match (element.name(), value.as_str()) {
            ("level", Some("local" | "available" | "majority" | "linearizable"))
            | ("provenance", _) => {}
            ("level", Some("snapshot")) | ("atClusterTime", _) if call.cluster_time.is_some() => {
                return Err(CommandError::unsupported("snapshot reads"));
            }
            ("afterClusterTime", _) if call.cluster_time.is_some() => {
                check_time(&value, call.cluster_time)?;
            }
            ("level", Some("snapshot")) | ("atClusterTime" | "afterClusterTime", _) => {
                return Err(CommandError::new(
                    Code::NOT_A_REPLICA_SET,
                    "node needs to be a replica set member to use readConcern: snapshot, \
                     atClusterTime or afterClusterTime",
                ));
            }
            ("level", _) => {
                return Err(CommandError::failed_to_parse(format!(
                    "readConcern.level must be local, available, majority, linearizable or \
                     snapshot, found: {value}"
                )));
            }
            (name, _) => {
                let message = format!("BSON field 'readConcern.{name}' is an unknown field.");
                return Err(CommandError::location(40_415, message));
            }
        }
    }
    Ok(())
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
