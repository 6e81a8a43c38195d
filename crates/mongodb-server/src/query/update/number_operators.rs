//! Update operators that compute with numbers.

use crate::bson::{Doc, Element, Kind, Value, order};
use crate::error::CommandError;
use crate::query::number;
use crate::query::path::Path;
use crate::query::update::paths::shown_id;

/// `$inc` and `$mul`
#[derive(Debug, Clone)]
pub struct Arithmetic {
    multiply: bool,
    operand: Value<'static>,
}

/// `$bit`
#[derive(Debug, Clone)]
pub struct Bitwise(Vec<(BitOperation, Value<'static>)>);

#[derive(Debug, Clone, Copy)]
enum BitOperation {
    And,
    Or,
    Xor,
}

impl Arithmetic {
    /// Compiles the operand.
    pub fn parse(multiply: bool, field: &str, value: &Value<'_>) -> Result<Self, CommandError> {
        if !value.is_number() {
            let verb = if multiply { "multiply" } else { "increment" };
            return Err(CommandError::type_mismatch(format!(
                "Cannot {verb} with non-numeric argument: {{{field}: {value}}}"
            )));
        }
        Ok(Self {
            multiply,
            operand: value.clone().into_owned(),
        })
    }

    /// Returns the new number; a missing number counts as 0.
    pub fn apply(
        &self,
        before: Option<&Value<'_>>,
        path: &Path,
        doc: Doc<'_>,
    ) -> Result<Value<'static>, CommandError> {
        let name = if self.multiply { "$mul" } else { "$inc" };
        let zero = Value::Int32(0);
        let before = before.unwrap_or(&zero);
        if !before.is_number() {
            return Err(CommandError::type_mismatch(format!(
                "Cannot apply {name} to a value of non-numeric type. {} has the field '{}' of \
                 non-numeric type {}",
                shown_id(doc),
                path.parts().last().map_or("", |part| part.name()),
                before.kind().alias()
            )));
        }
        let computed = if self.multiply {
            number::multiply(before, &self.operand)
        } else {
            number::add(before, &self.operand)
        };
        // An equal result is no change: a negative zero stays.
        let unchanged =
            |result: &Value<'_>| result.kind() == before.kind() && order::equal(result, before);
        let computed = computed.map(|result| {
            if unchanged(&result) {
                before.clone().into_owned()
            } else {
                result
            }
        });
        computed.ok_or_else(|| {
            CommandError::bad_value(format!(
                "Failed to apply {name} operations to current value ((NumberLong){before}) for \
                 document {}",
                shown_id(doc)
            ))
        })
    }
}

impl Bitwise {
    /// Compiles `{ and: …, or: …, xor: … }`.
    pub fn parse(argument: Element<'_>) -> Result<Self, CommandError> {
        let wrong = || {
            CommandError::bad_value(format!(
                "The $bit modifier is not compatible with {}: it takes {{and|or|xor: integer}}",
                argument.value()
            ))
        };
        let doc = argument
            .doc()
            .filter(|_| argument.kind() == Kind::Document)
            .ok_or_else(wrong)?;
        let mut operations = Vec::new();
        for element in doc.elements() {
            let operation = match element.name() {
                "and" => BitOperation::And,
                "or" => BitOperation::Or,
                "xor" => BitOperation::Xor,
                _ => return Err(wrong()),
            };
            let value = element.value();
            if !matches!(value, Value::Int32(_) | Value::Int64(_)) {
                return Err(wrong());
            }
            operations.push((operation, value.into_owned()));
        }
        if operations.is_empty() {
            return Err(wrong());
        }
        Ok(Self(operations))
    }

    /// Returns the new number; a missing number counts as 0.
    pub fn apply(
        &self,
        before: Option<&Value<'_>>,
        path: &Path,
        doc: Doc<'_>,
    ) -> Result<Value<'static>, CommandError> {
        let mut value = before.cloned().unwrap_or(Value::Int32(0)).into_owned();
        for (operation, operand) in &self.0 {
            let bits = |one: i64, other: i64| match operation {
                BitOperation::And => one & other,
                BitOperation::Or => one | other,
                BitOperation::Xor => one ^ other,
            };
            value = match (&value, operand) {
                (Value::Int32(one), Value::Int32(other)) => {
                    let result = bits(i64::from(*one), i64::from(*other));
                    Value::Int32(i32::try_from(result).unwrap_or_default())
                }
                (Value::Int32(_) | Value::Int64(_), _) => Value::Int64(bits(
                    value.as_i64().unwrap_or_default(),
                    operand.as_i64().unwrap_or_default(),
                )),
                _ => {
                    return Err(CommandError::bad_value(format!(
                        "Cannot apply $bit to a value of non-integral type.{} has the field {path} \
                         of non-integer type {}",
                        shown_id(doc),
                        value.kind().alias()
                    )));
                }
            };
        }
        Ok(value)
    }
}
