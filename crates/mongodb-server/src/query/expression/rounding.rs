//! Functions that round numbers. Doubles are rounded as the decimals that they are exactly.

use crate::bson::Value;
use crate::error::CommandError;
use crate::query::decimal::{self, Precision, To};
use crate::query::expression::arithmetic::{integer, one_number};
use crate::query::expression::function::Outcome;
use crate::query::number::to_decimal;

/// `$ceil`
pub fn ceil(arguments: &[Value<'_>]) -> Outcome {
    whole("$ceil", arguments, f64::ceil, To::Above)
}

/// `$floor`
pub fn floor(arguments: &[Value<'_>]) -> Outcome {
    whole("$floor", arguments, f64::floor, To::Below)
}

/// `$round`; halves are rounded to even.
pub fn round(arguments: &[Value<'_>]) -> Outcome {
    to_place("$round", arguments, To::Nearest)
}

/// `$trunc`
pub fn truncate(arguments: &[Value<'_>]) -> Outcome {
    to_place("$trunc", arguments, To::Zero)
}

fn whole(name: &str, arguments: &[Value<'_>], compute: fn(f64) -> f64, to: To) -> Outcome {
    Ok(match one_number(name, arguments)? {
        None => Value::Null,
        Some(Value::Double(number)) => Value::Double(compute(*number)),
        Some(Value::Decimal128(number)) => Value::Decimal128(decimal::quantize(*number, to)),
        Some(value) => value.clone().into_owned(),
    })
}

/// Rounds to a number of decimal places; a negative number rounds before the decimal point.
fn to_place(name: &str, arguments: &[Value<'_>], to: To) -> Outcome {
    if arguments.first().is_some_and(Value::is_nullish) {
        return Ok(Value::Null);
    }
    let place = match arguments.get(1) {
        None => 0,
        Some(place) if place.is_nullish() => return Ok(Value::Null),
        Some(place) => read_place(name, place)?,
    };
    let Some(value) = one_number(name, arguments.get(..1).unwrap_or_default())? else {
        return Ok(Value::Null);
    };
    match *value {
        Value::Double(number) if !number.is_finite() => Ok(Value::Double(number)),
        // As decimals, halves are exactly those doubles that are halves.
        Value::Double(number) => {
            let rounded = decimal::round(decimal::from_f64(number, Precision::Full), place, to);
            Ok(Value::Double(rounded.to_f64()))
        }
        Value::Decimal128(number) => Ok(Value::Decimal128(decimal::round(number, place, to))),
        Value::Int32(_) | Value::Int64(_) if place < 0 => {
            let rounded = decimal::round(to_decimal(value), place, to).to_i64();
            let narrow = matches!(value, Value::Int32(_));
            let rounded = rounded.map(|number| integer(number, narrow));
            rounded.ok_or_else(|| {
                let message = format!(
                    "invalid conversion from Decimal128 result in {name} resulting from \
                     arguments: [{value}, {place}]"
                );
                CommandError::location(51_080, message)
            })
        }
        _ => Ok(value.clone().into_owned()),
    }
}

fn read_place(name: &str, place: &Value<'_>) -> Result<i32, CommandError> {
    if !place.is_number() {
        let kind = place.kind().alias();
        let message = format!("precision argument to  {name} must be a integral value, not {kind}");
        return Err(CommandError::location(16_004, message));
    }
    let beyond = |place: f64| place.abs() > f64::from(i32::MAX) || place.is_nan();
    let unbounded = match place {
        Value::Double(place) => beyond(*place),
        other => other
            .as_i64()
            .is_some_and(|place| i32::try_from(place).is_err()),
    };
    if unbounded {
        let message = format!("Can't coerce out of range value {place} to long");
        return Err(CommandError::location(31_109, message));
    }
    let whole = place.as_i64().and_then(|place| i32::try_from(place).ok());
    let whole = whole.ok_or_else(|| {
        let message = format!("precision argument to  {name} must be a integral value");
        CommandError::location(51_082, message)
    })?;
    if (-20..=100).contains(&whole) {
        return Ok(whole);
    }
    let message =
        format!("cannot apply {name} with precision value {whole} value must be in [-20, 100]");
    Err(CommandError::location(51_083, message))
}
