//! Arithmetic on numbers of different types.

use crate::bson::value::integer_of;
use crate::bson::{Decimal128, Value};
use crate::query::decimal::{self, Precision};

/// Converts a number to an integer: a fraction of a double is cut off, a decimal is rounded, what is
/// out of range becomes the end of the range, and NaN 0.
pub fn saturated(value: &Value<'_>) -> i64 {
    let whole = match *value {
        Value::Double(number) if number.is_nan() => Some(0),
        Value::Double(number) => integer_of(number.trunc()),
        Value::Decimal128(number) if number.to_f64().is_nan() => Some(0),
        Value::Decimal128(number) => decimal::nearest_i64(number),
        ref value => value.as_i64(),
    };
    let negative = value.as_f64().is_some_and(|number| number < 0.0);
    whole.unwrap_or(if negative { i64::MIN } else { i64::MAX })
}

/// Adds two numbers; `None` if an integer sum overflows 64 bits.
pub fn add(left: &Value<'_>, right: &Value<'_>) -> Option<Value<'static>> {
    combine(
        left,
        right,
        i64::checked_add,
        |left, right| left + right,
        decimal::add,
    )
}

/// Subtracts two numbers; `None` if an integer difference overflows 64 bits.
pub fn subtract(left: &Value<'_>, right: &Value<'_>) -> Option<Value<'static>> {
    combine(
        left,
        right,
        i64::checked_sub,
        |left, right| left - right,
        decimal::subtract,
    )
}

/// Multiplies two numbers; `None` if an integer product overflows 64 bits.
pub fn multiply(left: &Value<'_>, right: &Value<'_>) -> Option<Value<'static>> {
    combine(
        left,
        right,
        i64::checked_mul,
        |left, right| left * right,
        decimal::multiply,
    )
}

/// Adds two numbers, as a double if an integer sum overflows.
pub fn sum_of(left: &Value<'_>, right: &Value<'_>) -> Value<'static> {
    add(left, right).unwrap_or_else(|| as_doubles(left, right, |one, other| one + other))
}

/// Subtracts two numbers, as doubles if an integer difference overflows.
pub fn difference_of(left: &Value<'_>, right: &Value<'_>) -> Value<'static> {
    subtract(left, right).unwrap_or_else(|| as_doubles(left, right, |one, other| one - other))
}

/// Multiplies two numbers, as doubles if an integer product overflows.
pub fn product_of(left: &Value<'_>, right: &Value<'_>) -> Value<'static> {
    multiply(left, right).unwrap_or_else(|| as_doubles(left, right, |one, other| one * other))
}

/// Divides two numbers: a double, or a decimal if one of them is one.
pub fn quotient_of(left: &Value<'_>, right: &Value<'_>) -> Value<'static> {
    if any_decimal(left, right) {
        let quotient = decimal::divide(to_decimal(left), to_decimal(right));
        return Value::Decimal128(quotient);
    }
    as_doubles(left, right, |one, other| one / other)
}

/// Computes with two numbers as doubles.
pub fn as_doubles(
    left: &Value<'_>,
    right: &Value<'_>,
    compute: impl Fn(f64, f64) -> f64,
) -> Value<'static> {
    let (left, right) = (left.as_f64(), right.as_f64());
    Value::Double(compute(left.unwrap_or(f64::NAN), right.unwrap_or(f64::NAN)))
}

/// Returns a number as a decimal; a double gives the 15 digits that it surely has.
pub fn to_decimal(value: &Value<'_>) -> Decimal128 {
    match *value {
        Value::Decimal128(number) => number,
        Value::Double(number) => decimal::from_f64(number, Precision::Safe),
        _ => value.as_i64().map_or(Decimal128::NAN, Decimal128::from_i64),
    }
}

/// Returns whether one of two numbers is a decimal, so that the result is one too.
pub fn any_decimal(left: &Value<'_>, right: &Value<'_>) -> bool {
    matches!(left, Value::Decimal128(_)) || matches!(right, Value::Decimal128(_))
}

/// Computes in the wider of the two types; 32-bit results that overflow become 64-bit.
fn combine(
    left: &Value<'_>,
    right: &Value<'_>,
    integers: impl Fn(i64, i64) -> Option<i64>,
    doubles: impl Fn(f64, f64) -> f64,
    decimals: impl Fn(Decimal128, Decimal128) -> Decimal128,
) -> Option<Value<'static>> {
    if any_decimal(left, right) {
        let computed = decimals(to_decimal(left), to_decimal(right));
        return Some(Value::Decimal128(computed));
    }
    if matches!(left, Value::Double(_)) || matches!(right, Value::Double(_)) {
        let (left, right) = left.as_f64().zip(right.as_f64())?;
        return Some(Value::Double(doubles(left, right)));
    }
    let narrow = matches!((left, right), (Value::Int32(_), Value::Int32(_)));
    let (left, right) = left.as_i64().zip(right.as_i64())?;
    let number = integers(left, right)?;
    Some(match i32::try_from(number) {
        Ok(small) if narrow => Value::Int32(small),
        _ => Value::Int64(number),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn integer() -> impl Strategy<Value = Value<'static>> {
        prop_oneof![
            any::<i32>().prop_map(Value::Int32),
            (-3_i32..4).prop_map(Value::Int32),
            any::<i64>().prop_map(Value::Int64),
            any::<i32>().prop_map(|number| Value::Int64(number.into())),
        ]
    }

    fn exact(value: &Value<'_>) -> i128 {
        value.as_i64().expect("an integer").into()
    }

    proptest! {
        #[test]
        fn integer_results_are_exact_or_overflow(left in integer(), right in integer()) {
            let results = [
                (add(&left, &right), exact(&left) + exact(&right)),
                (subtract(&left, &right), exact(&left) - exact(&right)),
                (multiply(&left, &right), exact(&left) * exact(&right)),
            ];
            for (result, expected) in results {
                let found = result.as_ref().map(exact);
                prop_assert_eq!(found, i64::try_from(expected).ok().map(i128::from));
            }
        }

        #[test]
        fn integer_results_are_narrow_only_if_both_operands_are_and_they_fit(
            left in integer(), right in integer()
        ) {
            let sum = add(&left, &right);
            let narrow = matches!((&left, &right), (Value::Int32(_), Value::Int32(_)))
                && i32::try_from(exact(&left) + exact(&right)).is_ok();
            prop_assert_eq!(matches!(sum, Some(Value::Int32(_))), narrow);
        }

        #[test]
        fn a_double_operand_makes_the_result_a_double(left in integer(), right in any::<f64>()) {
            let right = Value::Double(right);
            for result in [add(&left, &right), multiply(&right, &left)] {
                prop_assert!(matches!(result, Some(Value::Double(_))));
            }
        }
    }
}
