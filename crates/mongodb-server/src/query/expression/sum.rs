//! Sums and averages.

use crate::bson::Value;
use crate::error::CommandError;
use crate::query::expression::arithmetic::{each, integer};
use crate::query::expression::function::Outcome;

/// `$sum` of the arguments, or of the elements of a single array.
pub fn sum(arguments: &[Value<'_>]) -> Outcome {
    let mut sum = Sum::default();
    each(arguments, |value| sum.add(value))?;
    Ok(sum.total())
}

/// `$avg` of the arguments, or of the elements of a single array.
pub fn average(arguments: &[Value<'_>]) -> Outcome {
    let mut sum = Sum::default();
    each(arguments, |value| sum.add(value))?;
    Ok(sum.average())
}

/// A running sum: exact for integers, compensated (Neumaier) for doubles.
#[derive(Debug, Clone, Default)]
pub struct Sum {
    integers: i128,
    doubles: f64,
    /// The rounding errors of `doubles`.
    compensation: f64,
    count: u64,
    wide: bool,
    real: bool,
}

impl Sum {
    /// Adds a number; ignores other values.
    pub fn add(&mut self, value: &Value<'_>) -> Result<(), CommandError> {
        match value {
            Value::Int32(number) => self.integers += i128::from(*number),
            Value::Int64(number) => {
                self.integers += i128::from(*number);
                self.wide = true;
            }
            Value::Double(number) => {
                self.add_double(*number);
                self.real = true;
            }
            Value::Decimal128(_) => {
                return Err(CommandError::unsupported("arithmetic with Decimal128"));
            }
            _ => return Ok(()),
        }
        self.count += 1;
        Ok(())
    }

    fn add_double(&mut self, number: f64) {
        let sum = self.doubles + number;
        self.compensation += if self.doubles.abs() >= number.abs() {
            (self.doubles - sum) + number
        } else {
            (number - sum) + self.doubles
        };
        self.doubles = sum;
    }

    /// Returns the sum in the widest type of the numbers, or a wider one if it does not fit.
    pub fn total(&self) -> Value<'static> {
        if self.real {
            return Value::Double(self.as_f64());
        }
        match i64::try_from(self.integers) {
            Ok(number) => integer(number, !self.wide),
            Err(_) => Value::Double(self.integers as f64),
        }
    }

    /// Returns the average; null without numbers.
    pub fn average(&self) -> Value<'static> {
        if self.count == 0 {
            return Value::Null;
        }
        Value::Double(self.as_f64() / self.count as f64)
    }

    fn as_f64(&self) -> f64 {
        let doubles = self.doubles + self.compensation;
        // After an infinity, the compensation is NaN.
        let doubles = if doubles.is_nan() {
            self.doubles
        } else {
            doubles
        };
        self.integers as f64 + doubles
    }
}
