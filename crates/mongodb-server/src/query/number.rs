//! Arithmetic on numbers of different types.

use crate::bson::Value;
use crate::error::CommandError;

/// Adds two numbers; `None` if an integer sum overflows 64 bits.
pub fn add(left: &Value<'_>, right: &Value<'_>) -> Result<Option<Value<'static>>, CommandError> {
    combine(left, right, i64::checked_add, |left, right| left + right)
}

/// Subtracts two numbers; `None` if an integer difference overflows 64 bits.
pub fn subtract(
    left: &Value<'_>,
    right: &Value<'_>,
) -> Result<Option<Value<'static>>, CommandError> {
    combine(left, right, i64::checked_sub, |left, right| left - right)
}

/// Multiplies two numbers; `None` if an integer product overflows 64 bits.
pub fn multiply(
    left: &Value<'_>,
    right: &Value<'_>,
) -> Result<Option<Value<'static>>, CommandError> {
    combine(left, right, i64::checked_mul, |left, right| left * right)
}

/// Computes in the wider of the two types; 32-bit results that overflow become 64-bit.
fn combine(
    left: &Value<'_>,
    right: &Value<'_>,
    integers: impl Fn(i64, i64) -> Option<i64>,
    doubles: impl Fn(f64, f64) -> f64,
) -> Result<Option<Value<'static>>, CommandError> {
    match (left, right) {
        (Value::Decimal128(_), _) | (_, Value::Decimal128(_)) => {
            Err(CommandError::unsupported("arithmetic with Decimal128"))
        }
        (Value::Double(_), _) | (_, Value::Double(_)) => {
            let (left, right) = (left.as_f64(), right.as_f64());
            let computed = left.zip(right).map(|(left, right)| doubles(left, right));
            Ok(computed.map(Value::Double))
        }
        _ => {
            let narrow = matches!((left, right), (Value::Int32(_), Value::Int32(_)));
            let (left, right) = (left.as_i64(), right.as_i64());
            let computed = left
                .zip(right)
                .and_then(|(left, right)| integers(left, right));
            Ok(computed.map(|number| match i32::try_from(number) {
                Ok(small) if narrow => Value::Int32(small),
                _ => Value::Int64(number),
            }))
        }
    }
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
                let result = result.expect("integers are supported");
                let found = result.as_ref().map(exact);
                prop_assert_eq!(found, i64::try_from(expected).ok().map(i128::from));
            }
        }

        #[test]
        fn integer_results_are_narrow_only_if_both_operands_are_and_they_fit(
            left in integer(), right in integer()
        ) {
            let sum = add(&left, &right).expect("integers are supported");
            let narrow = matches!((&left, &right), (Value::Int32(_), Value::Int32(_)))
                && i32::try_from(exact(&left) + exact(&right)).is_ok();
            prop_assert_eq!(matches!(sum, Some(Value::Int32(_))), narrow);
        }

        #[test]
        fn a_double_operand_makes_the_result_a_double(left in integer(), right in any::<f64>()) {
            let right = Value::Double(right);
            for result in [add(&left, &right), multiply(&right, &left)] {
                prop_assert!(matches!(result, Ok(Some(Value::Double(_)))));
            }
        }
    }
}
