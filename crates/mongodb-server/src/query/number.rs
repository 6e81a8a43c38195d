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
            Err(CommandError::unsupported("arithmetic with decimals"))
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
