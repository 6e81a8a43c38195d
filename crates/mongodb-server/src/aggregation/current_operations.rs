//! Options of `$currentOp`.

use crate::aggregation::spec::{SourceSpec, StageSpec};
use crate::bson::Value;
use crate::error::CommandError;

/// All options; each is a boolean.
const OPTIONS: &[&str] = &[
    "allUsers",
    "idleConnections",
    "idleCursors",
    "idleSessions",
    "localOps",
    "targetAllNodes",
    "truncateOps",
];

/// Compiles the stage. This server shows all operations, whatever the options are.
pub fn parse(argument: &Value<'_>) -> Result<StageSpec, CommandError> {
    let options = argument.as_document().ok_or_else(|| {
        let kind = argument.kind().alias();
        CommandError::type_mismatch(format!("$currentOp options must be an object, not {kind}"))
    })?;
    for option in options.elements() {
        let (name, value) = (option.name(), option.value());
        if !OPTIONS.contains(&name) {
            let message = format!("BSON field '$currentOp.{name}' is an unknown field.");
            return Err(CommandError::location(40_415, message));
        }
        let Value::Bool(set) = value else {
            return Err(CommandError::type_mismatch(format!(
                "BSON field '$currentOp.{name}' is the wrong type '{}', expected type 'bool'",
                option.kind().alias()
            )));
        };
        if name == "targetAllNodes" && set {
            let message = "$currentOp supports targetAllNodes on sharded clusters only";
            return Err(CommandError::failed_to_parse(message));
        }
    }
    Ok(StageSpec::Source(SourceSpec::CurrentOperations))
}
