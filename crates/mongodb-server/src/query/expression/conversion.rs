//! Conversions between types.

use crate::bson::value::integer_of;
use crate::bson::{Decimal128, Kind, ObjectId, Value};
use crate::error::CommandError;
use crate::query::decimal::{self, To};
use crate::query::expression::function::Outcome;
use crate::query::expression::{date_parts, date_text, number_text};
use crate::query::number;

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
    let kind = match to {
        to if to.is_nullish() => return Ok(Value::Null),
        Value::String(name) => name.as_ref().to_owned(),
        number if number.is_number() => {
            let code = number.as_i64();
            let code = code.ok_or_else(|| {
                let message = "In $convert, numeric 'to' argument is not an integer";
                CommandError::failed_to_parse(message)
            })?;
            let kind = i32::try_from(code).ok().and_then(Kind::from_number);
            let kind = kind.ok_or_else(|| {
                CommandError::failed_to_parse(format!(
                    "In $convert, numeric value for 'to' does not correspond to a BSON type: {code}"
                ))
            })?;
            kind.alias().to_owned()
        }
        other => {
            return Err(CommandError::failed_to_parse(format!(
                "$convert's 'to' argument must be a string or number, but is {}",
                other.kind().alias()
            )));
        }
    };
    if Kind::from_alias(&kind).is_none() {
        return Err(CommandError::bad_value(format!(
            "Unknown type name: {kind}"
        )));
    }
    convert_to(std::slice::from_ref(input), &kind)
}

/// `$toInt` and the other conversions to a fixed type.
pub fn convert_to(arguments: &[Value<'_>], kind: &str) -> Outcome {
    let Some(value) = arguments.first().filter(|value| !value.is_nullish()) else {
        return Ok(Value::Null);
    };
    let converted = match kind {
        "int" if matches!(value, Value::DateTime(_)) => None,
        "int" => to_whole(value)
            .and_then(|number| i32::try_from(number).ok())
            .map(Value::Int32),
        "long" => to_whole(value).map(Value::Int64),
        "double" => to_double(value).map(Value::Double),
        "decimal" => to_decimal(value).map(Value::Decimal128),
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
        _ => None,
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
        Value::Double(number) => number_text::shortest(*number),
        Value::Decimal128(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::ObjectId(id) => id.to_string(),
        Value::DateTime(milliseconds) => date_parts::iso_text(*milliseconds)?,
        _ => return None,
    })
}

/// Converts to an integer; a fraction is cut off.
fn to_whole(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Bool(value) => Some(i64::from(*value)),
        Value::Double(number) => integer_of(number.trunc()),
        Value::DateTime(milliseconds) => Some(*milliseconds),
        Value::String(text) => text.parse().ok(),
        Value::Decimal128(number) => decimal::whole(*number, To::Zero).to_i64(),
        other => other.as_i64(),
    }
}

fn to_double(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::DateTime(milliseconds) => Some(*milliseconds as f64),
        Value::String(text) => {
            let number: f64 = text.parse().ok()?;
            // Digits that do not fit are an error, a word for infinity is not.
            let digits = text.contains(|letter: char| letter.is_ascii_digit());
            let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
            let vanished = number == 0.0 && mantissa.contains(|digit| matches!(digit, '1'..='9'));
            ((number.is_finite() && !vanished) || !digits).then_some(number)
        }
        Value::Decimal128(number) => {
            let converted = number.to_f64();
            let overflow = converted.is_infinite() && !number.is_infinite();
            (!overflow).then_some(converted)
        }
        other => other.as_f64(),
    }
}

fn to_decimal(value: &Value<'_>) -> Option<Decimal128> {
    match value {
        Value::Bool(value) => Some(Decimal128::from_i64(i64::from(*value))),
        Value::DateTime(milliseconds) => Some(Decimal128::from_i64(*milliseconds)),
        Value::String(text) => decimal::parse(text),
        number if number.is_number() => Some(number::to_decimal(number)),
        _ => None,
    }
}

fn to_date(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::DateTime(milliseconds) | Value::Int64(milliseconds) => Some(*milliseconds),
        Value::Double(_) | Value::Decimal128(_) => to_whole(value),
        Value::ObjectId(id) => Some(i64::from(id.seconds().cast_signed()) * 1_000),
        Value::Timestamp(stamp) => i64::try_from(stamp >> 32)
            .ok()
            .map(|seconds| seconds * 1_000),
        Value::String(text) => date_text::instant(text),
        _ => None,
    }
}
