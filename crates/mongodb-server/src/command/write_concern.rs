//! Write concerns: what must be durable before a write is acknowledged.

use crate::bson::value::integer_of;
use crate::bson::{Doc, Value};
use crate::command::Call;
use crate::command::read_concern::check_provenance;
use crate::engine::{Engine, Position};
use crate::error::{Code, CommandError};
use crate::query::{nearest_decimal, saturated};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteConcern {
    /// Whether the log must be synced first.
    journal: bool,
    /// Whether it asks for more members than the replica set has.
    unmet: bool,
}

impl WriteConcern {
    /// Reads the argument of a command.
    pub fn parse(call: &Call<'_>) -> Result<Self, CommandError> {
        let Some(concern) = call.document("writeConcern")? else {
            return Ok(Self::default());
        };
        let replicated = call.cluster_time.is_some();
        let mut journal = false;
        let mut unmet = false;
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
                "w" => match needs(&value)? {
                    Needs::Own => {}
                    Needs::Majority => journal = true,
                    Needs::More if replicated => unmet = true,
                    Needs::More if value.as_document().is_some() => {}
                    Needs::More => {
                        let message = "cannot use 'w' > 1 when a host is not replicated";
                        return Err(CommandError::bad_value(message));
                    }
                },
                "wtimeout" | "wtimeoutMS" => check_timeout(&value)?,
                "provenance" => check_provenance("writeConcern", &value)?,
                "j" | "fsync" => {}
                name => {
                    let message = format!("BSON field 'writeConcern.{name}' is an unknown field.");
                    return Err(CommandError::location(40_415, message));
                }
            }
        }
        Ok(Self { journal, unmet })
    }

    /// Returns the error of a write concern that a replica set of one cannot meet.
    pub fn unmet(self) -> Option<CommandError> {
        let message = "Not enough data-bearing nodes";
        let error = || CommandError::new(Code::UNSATISFIABLE_WRITE_CONCERN, message);
        self.unmet.then(error)
    }

    /// Waits until a write is as durable as requested.
    pub fn wait(self, engine: &Engine, position: Position) -> Result<(), CommandError> {
        if self.journal {
            engine.log().sync(position)?;
        }
        Ok(())
    }
}

/// Which members must have a write.
#[derive(Debug, Clone, Copy)]
enum Needs {
    Own,
    Majority,
    More,
}

/// Reads `w`. The majority of a single server is its own disk.
fn needs(value: &Value<'_>) -> Result<Needs, CommandError> {
    if let Some(mode) = value.as_str() {
        return if mode == "majority" {
            Ok(Needs::Majority)
        } else if mode.is_empty() {
            Err(CommandError::bad_value("w must not be an empty string"))
        } else {
            Err(CommandError::new(
                Code::UNKNOWN_REPL_WRITE_CONCERN,
                format!("No write concern mode named '{mode}' found in replica set configuration"),
            ))
        };
    }
    if let Some(tags) = value.as_document().filter(|tags| !tags.is_empty()) {
        if let Some(tag) = tags.elements().find(|tag| !tag.value().is_number()) {
            let message = format!("the tag '{}' of w must be a number", tag.name());
            return Err(CommandError::failed_to_parse(message));
        }
        // The only member has no tags.
        return Ok(Needs::More);
    }
    let nodes = match value {
        Value::Null | Value::Undefined => {
            return Err(CommandError::bad_value("w must not be null"));
        }
        // Tags of members: a single server is any of them.
        Value::Document(tags) => {
            let tags = Doc::new(tags);
            let mut values = tags.values();
            if !tags.is_empty() && values.all(|value| value.is_number()) {
                return Ok(Needs::Own);
            }
            None
        }
        Value::Double(number) => integer_of(number.trunc()),
        Value::Decimal128(number) => nearest_decimal(*number),
        other => other.as_i64(),
    };
    match nodes {
        Some(0 | 1) => Ok(Needs::Own),
        Some(2..=50) => Ok(Needs::More),
        Some(_) => Err(CommandError::failed_to_parse(
            "w has to be a non-negative number and not greater than 50",
        )),
        None => Err(CommandError::failed_to_parse(
            "w has to be a number, string, or object",
        )),
    }
}

/// Rejects a number of milliseconds that does not fit 32 bits; other values count as no limit.
fn check_timeout(value: &Value<'_>) -> Result<(), CommandError> {
    if value.is_number() && saturated(value) > i64::from(i32::MAX) {
        return Err(CommandError::failed_to_parse(format!(
            "wtimeout must be at most {}, but was {value}",
            i32::MAX
        )));
    }
    Ok(())
}
