//! Write concerns: what must be durable before a write is acknowledged.

use crate::bson::Value;
use crate::bson::value::integer_of;
use crate::command::Call;
use crate::engine::{Engine, Position};
use crate::error::{Code, CommandError};
use crate::query::whole_decimal;

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
                "j" | "fsync" if value.is_number() || matches!(value, Value::Bool(_)) => {
                    journal |= value.is_truthy();
                }
                name @ ("j" | "fsync") if !value.is_nullish() => {
                    let name = format!("writeConcern.{name}");
                    return Err(call.wrong_type(&name, value.kind(), "bool"));
                }
                "w" => journal |= is_majority(&value)?,
                "wtimeout" | "wtimeoutMS" => check_timeout(&value)?,
                "j" | "fsync" | "provenance" => {}
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
        } else if mode.is_empty() {
            Err(CommandError::bad_value("w must not be an empty string"))
        } else {
            Err(CommandError::new(
                Code::UNKNOWN_REPL_WRITE_CONCERN,
                format!("No write concern mode named '{mode}' found in replica set configuration"),
            ))
        };
    }
    let nodes = match value {
        Value::Null | Value::Undefined => {
            return Err(CommandError::bad_value("w must not be null"));
        }
        Value::Double(number) => integer_of(number.trunc()),
        Value::Decimal128(number) => whole_decimal(*number),
        other => other.as_i64(),
    };
    match nodes {
        Some(0 | 1) => Ok(false),
        Some(2..=50) => Err(CommandError::bad_value(
            "cannot use 'w' > 1 when a host is not replicated",
        )),
        Some(_) => Err(CommandError::failed_to_parse(
            "w has to be a non-negative number and not greater than 50",
        )),
        None => Err(CommandError::failed_to_parse(
            "w has to be a number, string, or object",
        )),
    }
}

/// Rejects a time that is no number of milliseconds in 32 bits.
fn check_timeout(value: &Value<'_>) -> Result<(), CommandError> {
    let whole = match value {
        value if value.is_nullish() => return Ok(()),
        Value::Double(number) => integer_of(number.trunc()),
        Value::Decimal128(number) => whole_decimal(*number),
        other => other.as_i64(),
    };
    if whole.is_some_and(|timeout| i32::try_from(timeout).is_ok()) {
        return Ok(());
    }
    Err(CommandError::failed_to_parse(
        "wtimeout must be a number that fits 32 bits",
    ))
}
