//! Read concerns.
//!
//! There is one copy of the data, and a read returns the last write: every level that a standalone
//! server can have is met. Snapshots across several reads do not exist.

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
