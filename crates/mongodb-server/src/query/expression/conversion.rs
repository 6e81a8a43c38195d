//! Conversions between types.

use crate::bson::value::integer_of;
use crate::bson::{Kind, ObjectId, Value, shell};
use crate::error::CommandError;
use crate::query::expression::date_parts;
use crate::query::expression::function::Outcome;
use crate::query::expression::values::null_if_missing;

/// `$type`
pub fn type_of(arguments: &[Value<'_>]) -> Outcome {
    let name = match arguments.first() {
        None | Some(Value::Undefined) => "missing",
        Some(value) => value.kind().alias(),
    };
    Ok(Value::String(name.into()))
}

/// `$isNumber`
pub fn is_number(arguments: &[Value<'_>]) -> Outcome {
    Ok(Value::Bool(arguments.first().is_some_and(Value::is_number)))
}

/// `$convert`
pub fn convert(arguments: &[Value<'_>]) -> Outcome {
    let argument = |index: usize| arguments.get(index).unwrap_or(&Value::Undefined);
    let (input, to) = (argument(0), argument(1));
    let (on_error, on_null) = (argument(2), argument(3));
    if input.is_nullish() {
        return Ok(null_if_missing(on_null.clone().into_owned()));
    }
    let kind = match to {
        Value::String(name) => name.as_ref().to_owned(),
        number => number
            .as_i64()
            .and_then(|number| i32::try_from(number).ok())
            .and_then(Kind::from_number)
            .map(|kind| kind.alias().to_owned())
            .unwrap_or_default(),
    };
    match convert_to(std::slice::from_ref(input), &kind) {
        Err(_) if !matches!(on_error, Value::Undefined) => Ok(on_error.clone().into_owned()),
        outcome => outcome,
    }
}

/// `$toInt` and the other conversions to a fixed type.
pub fn convert_to(arguments: &[Value<'_>], kind: &str) -> Outcome {
    let Some(value) = arguments.first().filter(|value| !value.is_nullish()) else {
        return Ok(Value::Null);
    };
    let converted = match kind {
        "int" => to_whole(value)?
            .and_then(|number| i32::try_from(number).ok())
            .map(Value::Int32),
        "long" => to_whole(value)?.map(Value::Int64),
        "double" => to_double(value)?.map(Value::Double),
        "bool" => Some(Value::Bool(match value {
            Value::String(_) | Value::DateTime(_) | Value::ObjectId(_) => true,
            other => other.is_truthy(),
        })),
        "string" => text_of(value).map(Value::from),
        "date" => to_date(value).map(Value::DateTime),
        "objectId" => match value {
            Value::ObjectId(id) => Some(Value::ObjectId(*id)),
            Value::String(text) => ObjectId::from_hex(text).map(Value::ObjectId),
            _ => None,
        },
        "decimal" => return Err(CommandError::unsupported("conversion to Decimal128")),
        _ => {
            let message = format!("Unknown type name: {kind}");
            return Err(CommandError::bad_value(message));
        }
    };
    converted.ok_or_else(|| {
        CommandError::conversion_failure(format!(
            "Unsupported conversion from {} to {kind} in $convert with no onError value, or the \
             value {value} does not fit",
            value.kind().alias()
        ))
    })
}

/// Converts a value to text; `None` for types without a text form.
pub fn text_of(value: &Value<'_>) -> Option<String> {
    Some(match value {
        Value::String(text) => text.as_ref().to_owned(),
        Value::Int32(number) => number.to_string(),
        Value::Int64(number) => number.to_string(),
        Value::Double(number) => double_text(*number),
        Value::Decimal128(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::ObjectId(id) => id.to_string(),
        Value::DateTime(milliseconds) => date_parts::iso_text(*milliseconds)?,
        _ => return None,
    })
}

/// Converts a double to text, without `.0` for whole numbers.
fn double_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    let text = shell::double_text(number);
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

fn to_whole(value: &Value<'_>) -> Result<Option<i64>, CommandError> {
    Ok(match value {
        Value::Bool(value) => Some(i64::from(*value)),
        Value::Double(number) => integer_of(number.trunc()),
        Value::DateTime(milliseconds) => Some(*milliseconds),
        Value::String(text) => text.parse().ok(),
        Value::Decimal128(_) => {
            return Err(CommandError::unsupported("arithmetic with Decimal128"));
        }
        other => other.as_i64(),
    })
}

fn to_double(value: &Value<'_>) -> Result<Option<f64>, CommandError> {
    Ok(match value {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::DateTime(milliseconds) => Some(*milliseconds as f64),
        Value::String(text) => text.parse().ok(),
        Value::Decimal128(_) => {
            return Err(CommandError::unsupported("arithmetic with Decimal128"));
        }
        other => other.as_f64(),
    })
}

fn to_date(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::DateTime(milliseconds) | Value::Int64(milliseconds) => Some(*milliseconds),
        Value::Double(milliseconds) => integer_of(milliseconds.trunc()),
        Value::ObjectId(id) => Some(i64::from(id.seconds()) * 1_000),
        Value::Timestamp(stamp) => i64::try_from(stamp >> 32)
            .ok()
            .map(|seconds| seconds * 1_000),
        Value::String(text) => date_parts::parse_iso(text),
        _ => None,
    }
}
