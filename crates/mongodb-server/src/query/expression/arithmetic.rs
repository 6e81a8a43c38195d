//! Functions of numbers.

use std::cmp::Ordering;

use crate::bson::value::integer_of;
use crate::bson::{Decimal128, Doc, Value, order};
use crate::error::CommandError;
use crate::query::decimal::{self, To};
use crate::query::expression::function::Outcome;
use crate::query::number::{self, any_decimal, as_doubles, to_decimal};

/// The numbers for which a function is defined, and the error for others.
struct Domain {
    contains: fn(f64) -> bool,
    code: i32,
    message: &'static str,
}

/// `$add`: numbers, or a date and numbers of milliseconds.
pub fn add(arguments: &[Value<'_>]) -> Outcome {
    let mut sum = Value::Int32(0);
    let mut date = None;
    for argument in arguments {
        match argument {
            argument if argument.is_nullish() => return Ok(Value::Null),
            Value::DateTime(milliseconds) => {
                if date.replace(*milliseconds).is_some() {
                    let message = "only one date allowed in an $add expression";
                    return Err(CommandError::location(16_612, message));
                }
            }
            argument if argument.is_number() => {
                sum = number::sum_of(&sum, argument);
            }
            other => {
                return Err(CommandError::type_mismatch(format!(
                    "$add only supports numeric or date types, not {}",
                    other.kind().alias()
                )));
            }
        }
    }
    match date {
        None => Ok(sum),
        Some(date) => shift_date(date, &sum, i64::checked_add),
    }
}

/// `$subtract`: numbers, two dates, or a date and a number of milliseconds.
pub fn subtract(arguments: &[Value<'_>]) -> Outcome {
    let [left, right] = arguments else {
        return Ok(Value::Null);
    };
    if left.is_nullish() || right.is_nullish() {
        return Ok(Value::Null);
    }
    match (left, right) {
        (Value::DateTime(left), Value::DateTime(right)) => left
            .checked_sub(*right)
            .map(Value::Int64)
            .ok_or_else(|| CommandError::bad_value("date overflow in $subtract")),
        (Value::DateTime(date), number) if number.is_number() => {
            shift_date(*date, number, i64::checked_sub)
        }
        _ if left.is_number() && right.is_number() => Ok(number::difference_of(left, right)),
        _ => Err(CommandError::type_mismatch(format!(
            "can't $subtract {} from {}",
            right.kind().alias(),
            left.kind().alias()
        ))),
    }
}

/// `$multiply`
pub fn multiply(arguments: &[Value<'_>]) -> Outcome {
    let mut product = Value::Int32(1);
    for argument in arguments {
        if argument.is_nullish() {
            return Ok(Value::Null);
        }
        if !argument.is_number() {
            return Err(CommandError::type_mismatch(format!(
                "$multiply only supports numeric types, not {}",
                argument.kind().alias()
            )));
        }
        product = number::product_of(&product, argument);
    }
    Ok(product)
}

/// `$divide`; the result is a double, or a decimal if an argument is one.
pub fn divide(arguments: &[Value<'_>]) -> Outcome {
    let Some((left, right)) = two_numbers(arguments, |left, right| {
        format!("$divide only supports numeric types, not {left} and {right}")
    })?
    else {
        return Ok(Value::Null);
    };
    if !right.is_truthy() {
        return Err(CommandError::bad_value("can't $divide by zero"));
    }
    Ok(number::quotient_of(left, right))
}

/// `$mod`; the result has the sign of the dividend.
pub fn modulo(arguments: &[Value<'_>]) -> Outcome {
    let Some((left, right)) = two_numbers(arguments, |left, right| {
        format!("$mod only supports numeric types, not {left} and {right}")
    })?
    else {
        return Ok(Value::Null);
    };
    if !right.is_truthy() {
        return Err(CommandError::location(16_610, "can't $mod by zero"));
    }
    if any_decimal(left, right) {
        let remainder = decimal::remainder(to_decimal(left), to_decimal(right));
        return Ok(Value::Decimal128(remainder));
    }
    Ok(match (left, right) {
        (Value::Int32(left), Value::Int32(right)) => Value::Int32(left.wrapping_rem(*right)),
        (Value::Double(_), _) | (_, Value::Double(_)) => {
            as_doubles(left, right, |one, other| one % other)
        }
        _ => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Value::Int64(left.wrapping_rem(right)),
            _ => Value::Null,
        },
    })
}

/// `$abs`
pub fn abs(arguments: &[Value<'_>]) -> Outcome {
    let Some(value) = one_number("$abs", arguments)? else {
        return Ok(Value::Null);
    };
    Ok(match *value {
        Value::Int32(number) => number.checked_abs().map_or_else(
            || Value::Int64(i64::from(number.unsigned_abs())),
            Value::Int32,
        ),
        Value::Int64(number) => {
            let overflow = || {
                let message = "can't take $abs of long long min";
                CommandError::location(28_680, message)
            };
            Value::Int64(number.checked_abs().ok_or_else(overflow)?)
        }
        Value::Decimal128(number) => Value::Decimal128(decimal::abs(number)),
        _ => Value::Double(value.as_f64().unwrap_or(f64::NAN).abs()),
    })
}

/// `$pow`; the result is an integer if both arguments are and it fits.
pub fn power(arguments: &[Value<'_>]) -> Outcome {
    let Some((base, exponent)) = two_numbers(arguments, |base, exponent| {
        format!("$pow's base and exponent must be numeric, not {base} and {exponent}")
    })?
    else {
        return Ok(Value::Null);
    };
    if !base.is_truthy() && exponent.as_f64().is_some_and(|number| number < 0.0) {
        let message = "$pow cannot take a base of 0 and a negative exponent";
        return Err(CommandError::location(28_764, message));
    }
    if any_decimal(base, exponent) {
        let power = decimal::power(to_decimal(base), to_decimal(exponent));
        return Ok(Value::Decimal128(power));
    }
    let doubles = matches!(base, Value::Double(_)) || matches!(exponent, Value::Double(_));
    if let (false, Some(number), Some(power)) = (doubles, base.as_i64(), exponent.as_i64())
        && let Some(result) = integer_power(number, power)
    {
        let narrow = matches!(base, Value::Int32(_)) && matches!(exponent, Value::Int32(_));
        return Ok(integer(result, narrow));
    }
    Ok(as_doubles(base, exponent, f64::powf))
}

/// Returns a power if it is an integer that fits.
fn integer_power(base: i64, exponent: i64) -> Option<i64> {
    match base {
        1 => Some(1),
        -1 => Some(if exponent % 2 == 0 { 1 } else { -1 }),
        0 if exponent > 0 => Some(0),
        _ => base.checked_pow(u32::try_from(exponent).ok()?),
    }
}

/// `$sqrt`
pub fn square_root(arguments: &[Value<'_>]) -> Outcome {
    let domain = Domain {
        contains: |number| number >= 0.0,
        code: 28_714,
        message: "$sqrt's argument must be greater than or equal to 0",
    };
    real_in("$sqrt", arguments, f64::sqrt, decimal::square_root, &domain)
}

/// `$ln`
pub fn natural_logarithm(arguments: &[Value<'_>]) -> Outcome {
    let domain = Domain {
        contains: |number| number > 0.0,
        code: 28_766,
        message: "$ln's argument must be a positive number",
    };
    real_in(
        "$ln",
        arguments,
        f64::ln,
        decimal::natural_logarithm,
        &domain,
    )
}

/// `$log10`
pub fn decimal_logarithm(arguments: &[Value<'_>]) -> Outcome {
    let domain = Domain {
        contains: |number| number > 0.0,
        code: 28_761,
        message: "$log10's argument must be a positive number",
    };
    real_in(
        "$log10",
        arguments,
        f64::log10,
        decimal::decimal_logarithm,
        &domain,
    )
}

/// `$log`
pub fn logarithm(arguments: &[Value<'_>]) -> Outcome {
    let Some((number, base)) = two_numbers(arguments, |number, base| {
        format!("$log's argument and base must be numeric, not {number} and {base}")
    })?
    else {
        return Ok(Value::Null);
    };
    let (real, real_base) = (number.as_f64().unwrap_or(0.0), base.as_f64().unwrap_or(0.0));
    let positive = |value: &Value<'_>| {
        value.as_f64().is_some_and(f64::is_nan) || order::compare(value, &Value::Int32(0)).is_gt()
    };
    if !positive(number) {
        let message = format!("$log's argument must be a positive number, but is {number}");
        return Err(CommandError::location(28_758, message));
    }
    if !positive(base) || order::equal(base, &Value::Int32(1)) {
        let message =
            format!("$log's base must be a positive number not equal to 1, but is {base}");
        return Err(CommandError::location(28_759, message));
    }
    if real.is_nan() || real_base.is_nan() {
        return Ok(Value::Double(f64::NAN));
    }
    if any_decimal(number, base) {
        let logarithm = |value| decimal::natural_logarithm(to_decimal(value));
        let quotient = decimal::divide(logarithm(number), logarithm(base));
        return Ok(Value::Decimal128(quotient));
    }
    Ok(Value::Double(real.ln() / real_base.ln()))
}

/// `$exp`
pub fn exponential(arguments: &[Value<'_>]) -> Outcome {
    if let Some(Value::Decimal128(number)) = one_number("$exp", arguments)? {
        return Ok(Value::Decimal128(decimal::exponential(*number)));
    }
    real("$exp", arguments, f64::exp)
}

/// Computes a function of a double, such as `$sin`.
pub fn real(name: &str, arguments: &[Value<'_>], compute: fn(f64) -> f64) -> Outcome {
    match one_number(name, arguments)? {
        None => Ok(Value::Null),
        Some(Value::Decimal128(_)) => {
            Err(CommandError::unsupported(format!("{name} of Decimal128")))
        }
        Some(number) => Ok(number
            .as_f64()
            .map_or(Value::Null, |number| Value::Double(compute(number)))),
    }
}

/// `$rand`
pub fn random(_arguments: &[Value<'_>]) -> Outcome {
    Ok(Value::Double(rand::random()))
}

/// `$min` and `$max` of the arguments, or of the elements of a single array.
pub fn extreme(arguments: &[Value<'_>], wanted: Ordering) -> Outcome {
    let mut best: Option<Value<'static>> = None;
    each(arguments, |value| {
        let better = |best: &Value<'_>| order::compare(value, best) == wanted;
        if !value.is_nullish() && best.as_ref().is_none_or(better) {
            best = Some(value.clone().into_owned());
        }
    });
    Ok(best.unwrap_or(Value::Null))
}

/// Calls `take` with each argument, or with each element of a single array.
pub fn each(arguments: &[Value<'_>], mut take: impl FnMut(&Value<'_>)) {
    match arguments {
        [Value::Array(bytes)] => Doc::new(bytes).values().for_each(|value| take(&value)),
        _ => arguments.iter().for_each(take),
    }
}

/// Returns a 32-bit integer if `narrow` is set and the number fits; otherwise a 64-bit one.
pub fn integer(number: i64, narrow: bool) -> Value<'static> {
    match i32::try_from(number) {
        Ok(small) if narrow => Value::Int32(small),
        _ => Value::Int64(number),
    }
}

fn shift_date(date: i64, by: &Value<'_>, shift: fn(i64, i64) -> Option<i64>) -> Outcome {
    let milliseconds = match by {
        Value::Double(number) => integer_of(number.round()),
        Value::Decimal128(number) => decimal::whole(*number, To::Nearest).to_i64(),
        other => other.as_i64(),
    };
    let shifted = milliseconds.and_then(|milliseconds| shift(date, milliseconds));
    shifted
        .map(Value::DateTime)
        .ok_or_else(|| CommandError::bad_value("date overflow"))
}

/// Returns the argument, a number; `None` if it is null or missing.
pub fn one_number<'v, 'a>(
    name: &str,
    arguments: &'v [Value<'a>],
) -> Result<Option<&'v Value<'a>>, CommandError> {
    match arguments.first() {
        None => Ok(None),
        Some(value) if value.is_nullish() => Ok(None),
        Some(value) if value.is_number() => Ok(Some(value)),
        Some(value) => Err(CommandError::location(
            if matches!(name, "$round" | "$trunc") {
                51_081
            } else {
                28_765
            },
            format!(
                "{name} only supports numeric types, not {}",
                value.kind().alias()
            ),
        )),
    }
}

/// Returns both arguments, numbers; `None` if one is null or missing.
fn two_numbers<'v, 'a>(
    arguments: &'v [Value<'a>],
    message: impl Fn(&str, &str) -> String,
) -> Result<Option<(&'v Value<'a>, &'v Value<'a>)>, CommandError> {
    let [left, right] = arguments else {
        return Ok(None);
    };
    if left.is_nullish() || right.is_nullish() {
        return Ok(None);
    }
    if !left.is_number() || !right.is_number() {
        let message = message(left.kind().alias(), right.kind().alias());
        return Err(CommandError::type_mismatch(message));
    }
    Ok(Some((left, right)))
}

/// Computes a function that is not defined for all numbers.
fn real_in(
    name: &str,
    arguments: &[Value<'_>],
    compute: fn(f64) -> f64,
    decimal: fn(Decimal128) -> Decimal128,
    domain: &Domain,
) -> Outcome {
    let Some(value) = one_number(name, arguments)? else {
        return Ok(Value::Null);
    };
    let number = value.as_f64().unwrap_or(f64::NAN);
    // The least decimals are 0 as doubles.
    let contained = if number == 0.0 && value.is_truthy() {
        order::compare(value, &Value::Int32(0)).is_gt()
    } else {
        (domain.contains)(number)
    };
    if !number.is_nan() && !contained {
        let message = format!("{}, but is {value}", domain.message);
        return Err(CommandError::location(domain.code, message));
    }
    Ok(match value {
        // A logarithm of what is not a number is a double.
        Value::Decimal128(_) if number.is_nan() && name != "$sqrt" => Value::Double(f64::NAN),
        Value::Decimal128(number) => Value::Decimal128(decimal(*number)),
        _ => Value::Double(compute(number)),
    })
}
