//! Arithmetic across the types of numbers.

use crate::bson::Value;
use crate::error::CommandError;

/// Adds; `None` if 64 bits do not suffice.
pub fn add(left: &Value<'_>, right: &Value<'_>) -> Result<Option<Value<'static>>, CommandError> {
    combine(left, right, i64::checked_add, |left, right| left + right)
}

/// Subtracts; `None` if 64 bits do not suffice.
pub fn subtract(
    left: &Value<'_>,
    right: &Value<'_>,
) -> Result<Option<Value<'static>>, CommandError> {
    combine(left, right, i64::checked_sub, |left, right| left - right)
}

/// Multiplies; `None` if 64 bits do not suffice.
pub fn multiply(
    left: &Value<'_>,
    right: &Value<'_>,
) -> Result<Option<Value<'static>>, CommandError> {
    combine(left, right, i64::checked_mul, |left, right| left * right)
}

/// Computes in the wider of the two types: 32 bits while the result fits, then 64, then doubles.
fn combine(
    left: &Value<'_>,
    right: &Value<'_>,
    integers: impl Fn(i64, i64) -> Option<i64>,
    doubles: impl Fn(f64, f64) -> f64,
) -> Result<Option<Value<'static>>, CommandError> {
    match (left, right) {
        (Value::Decimal128(_), _) | (_, Value::Decimal128(_)) => {
            Err(CommandError::unsupported("arithmetic with decimals"))
        }
        (Value::Double(_), _) | (_, Value::Double(_)) => {
            let (left, right) = (left.as_f64(), right.as_f64());
            let computed = left.zip(right).map(|(left, right)| doubles(left, right));
            Ok(computed.map(Value::Double))
        }
        _ => {
            let (left, right) = (whole(left), whole(right));
            let computed = left
                .0
                .zip(right.0)
                .and_then(|(one, other)| integers(one, other));
            Ok(computed.map(|number| match i32::try_from(number) {
                Ok(small) if left.1 && right.1 => Value::Int32(small),
                _ => Value::Int64(number),
            }))
        }
    }
}

/// Returns an integer and whether it has 32 bits.
fn whole(value: &Value<'_>) -> (Option<i64>, bool) {
    (value.as_i64(), matches!(value, Value::Int32(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_take_the_wider_type_and_overflow_is_noticed() {
        let sum = |left, right| add(&left, &right).expect("no decimals");
        assert!(matches!(
            sum(Value::Int32(1), Value::Int32(2)),
            Some(Value::Int32(3))
        ));
        assert!(matches!(
            sum(Value::Int32(i32::MAX), Value::Int32(1)),
            Some(Value::Int64(2_147_483_648))
        ));
        assert!(matches!(
            sum(Value::Int64(1), Value::Int32(2)),
            Some(Value::Int64(3))
        ));
        assert!(matches!(
            sum(Value::Int32(1), Value::Double(0.5)),
            Some(Value::Double(_))
        ));
        assert!(sum(Value::Int64(i64::MAX), Value::Int32(1)).is_none());
    }
}
