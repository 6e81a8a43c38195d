//! Sums and averages.

use crate::bson::{Decimal128, Value};
use crate::query::decimal::{self, Precision};
use crate::query::expression::arithmetic::{each, integer};
use crate::query::expression::function::Outcome;

/// `$sum` of the arguments, or of the elements of a single array.
pub fn sum(arguments: &[Value<'_>]) -> Outcome {
    let mut sum = Sum::default();
    each(arguments, |value| sum.add(value));
    Ok(sum.total())
}

/// `$avg` of the arguments, or of the elements of a single array.
pub fn average(arguments: &[Value<'_>]) -> Outcome {
    let mut sum = Sum::default();
    each(arguments, |value| sum.add(value));
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
    /// The sum of the decimals, if there are any.
    decimals: Option<Decimal128>,
}

impl Sum {
    /// Adds a number; ignores other values.
    pub fn add(&mut self, value: &Value<'_>) {
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
            Value::Decimal128(number) => {
                let sum = self.decimals.unwrap_or(Decimal128::from_i64(0));
                self.decimals = Some(decimal::add(sum, *number));
            }
            _ => return,
        }
        self.count += 1;
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
        if let Some(sum) = self.as_decimal() {
            return Value::Decimal128(sum);
        }
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
        if let Some(sum) = self.as_decimal() {
            let count = i64::try_from(self.count).unwrap_or(i64::MAX);
            return Value::Decimal128(decimal::divide(sum, Decimal128::from_i64(count)));
        }
        Value::Double(self.as_f64() / self.count as f64)
    }

    /// Returns the sum as a decimal, if one of the numbers is one.
    fn as_decimal(&self) -> Option<Decimal128> {
        let mut sum = self.decimals?;
        let exact = |number| decimal::from_f64(number, Precision::Full);
        if self.real {
            sum = decimal::add(sum, exact(self.doubles));
            if self.compensation.is_finite() && self.doubles.is_finite() {
                sum = decimal::add(sum, exact(self.compensation));
            }
        }
        Some(decimal::add(sum, decimal::from_i128(self.integers)))
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
