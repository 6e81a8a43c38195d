//! Write concerns: what must be durable before a write is acknowledged.

use crate::bson::Value;
use crate::command::Call;
use crate::engine::{Engine, Position};
use crate::error::{Code, CommandError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteConcern {
    /// Whether the log must be synced first.
    journal: bool,
}

impl WriteConcern {
    /// Reads the argument of a command.
    pub fn parse(call: &Call<'_>) -> Result<Self, CommandError> {
        let Some(concern) = call.document("writeConcern")? else {
            return Ok(Self { journal: false });
        };
        let mut journal = false;
        for element in concern.elements() {
            let value = element.value();
            match element.name() {
                "j" | "fsync" => journal |= value.is_truthy(),
                "w" => journal |= is_majority(&value)?,
                "wtimeout" | "wtimeoutMS" | "provenance" => {}
                name => {
                    let message = format!("BSON field 'writeConcern.{name}' is an unknown field.");
                    return Err(CommandError::location(40_415, message));
                }
            }
        }
        Ok(Self { journal })
    }

    /// Waits until a write is as durable as requested.
    pub fn wait(self, engine: &Engine, position: Position) -> Result<(), CommandError> {
        if self.journal {
            engine.log().sync(position)?;
        }
        Ok(())
    }
}

/// Reads `w`. The majority of a standalone server is its own disk.
fn is_majority(value: &Value<'_>) -> Result<bool, CommandError> {
    if let Some(mode) = value.as_str() {
        return if mode == "majority" {
            Ok(true)
        } else {
            Err(CommandError::new(
                Code::UNKNOWN_REPL_WRITE_CONCERN,
                format!("No write concern mode named '{mode}' found in replica set configuration"),
            ))
        };
    }
    match value.as_i64() {
        Some(0 | 1) => Ok(false),
        Some(_) => Err(CommandError::bad_value(
            "cannot use 'w' > 1 when a host is not replicated",
        )),
        None => Err(CommandError::failed_to_parse(
            "w has to be a number, string, or object",
        )),
    }
}
