//! Sums and averages.

use crate::bson::decimal::Parts;
use crate::bson::{Decimal128, Value};
use crate::query::decimal::{self, Precision};
use crate::query::expression::arithmetic::{each, integer};
use crate::query::expression::function::Outcome;

/// Largest absolute value up to which a double has every integer.
const EXACT_IN_DOUBLE: u64 = 1 << 53;

/// `$sum` of the arguments, or of the elements of a single array.
pub fn sum(arguments: &[Value<'_>]) -> Outcome {
    let mut sum = Sum::default();
    each(arguments, |value| sum.add(value));
    Ok(sum.total())
}

/// `$avg` of the arguments, or of the elements of a single array.
pub fn average(arguments: &[Value<'_>]) -> Outcome {
    let mut sum = Sum::default();
    // MongoDB takes longs as doubles here, unlike in `$group` and in `$sum`.
    each(arguments, |value| match value {
        Value::Int64(number) if number.unsigned_abs() > EXACT_IN_DOUBLE => {
            sum.add(&Value::Double(*number as f64));
        }
        _ => sum.add(value),
    });
    Ok(sum.average())
}

/// A running sum: exact for integers, compensated (Neumaier) for doubles. Numbers can leave it again.
#[derive(Debug, Clone, Default)]
pub struct Sum {
    integers: i128,
    doubles: f64,
    /// The rounding errors of `doubles`.
    compensation: f64,
    /// The sum of the finite decimals.
    decimals: Option<Decimal128>,
    /// Numbers of each type.
    counts: Counts,
    /// Doubles and decimals that are no finite numbers: they could not leave the sum again.
    special: Special,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    ints: u64,
    longs: u64,
    doubles: u64,
    decimals: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Special {
    not_a_number: u64,
    /// The sign of the first decimal that is not a number.
    negative_nan: Option<bool>,
    infinite: u64,
    minus_infinite: u64,
}

/// Whether a number joins or leaves a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Add,
    Remove,
}

impl Change {
    fn apply(self, count: &mut u64) {
        *count = match self {
            Self::Add => *count + 1,
            Self::Remove => count.saturating_sub(1),
        };
    }
}

impl Special {
    /// Counts a number that is not finite; false if it is.
    fn change(&mut self, number: f64, change: Change) -> bool {
        let count = if number.is_nan() {
            &mut self.not_a_number
        } else if number == f64::INFINITY {
            &mut self.infinite
        } else if number == f64::NEG_INFINITY {
            &mut self.minus_infinite
        } else {
            return false;
        };
        change.apply(count);
        true
    }

    /// Returns the sum, if it is not finite because of these numbers.
    fn sum(self) -> Option<f64> {
        match (self.not_a_number, self.infinite, self.minus_infinite) {
            (0, 0, 0) => None,
            (0, _, 0) => Some(f64::INFINITY),
            (0, 0, _) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }
}

/// Returns a decimal that is not finite as a double; 0 for others, some of which no double can hold.
fn special_of(number: Decimal128) -> f64 {
    match number.parts() {
        Parts::NaN { .. } => f64::NAN,
        Parts::Infinity { negative: false } => f64::INFINITY,
        Parts::Infinity { negative: true } => f64::NEG_INFINITY,
        Parts::Finite { .. } => 0.0,
    }
}

impl Sum {
    /// Adds a number; ignores other values.
    pub fn add(&mut self, value: &Value<'_>) {
        self.change(value, Change::Add);
    }

    /// Removes a number that was added.
    pub fn remove(&mut self, value: &Value<'_>) {
        self.change(value, Change::Remove);
    }

    fn change(&mut self, value: &Value<'_>, change: Change) {
        let signed = |number: i64| match change {
            Change::Add => i128::from(number),
            Change::Remove => -i128::from(number),
        };
        match value {
            Value::Int32(number) => {
                self.integers += signed(i64::from(*number));
                change.apply(&mut self.counts.ints);
            }
            Value::Int64(number) => {
                self.integers += signed(*number);
                change.apply(&mut self.counts.longs);
            }
            Value::Double(number) => {
                change.apply(&mut self.counts.doubles);
                if !self.special.change(*number, change) {
                    self.add_double(match change {
                        Change::Add => *number,
                        Change::Remove => -number,
                    });
                }
                if self.counts.doubles == 0 {
                    (self.doubles, self.compensation) = (0.0, 0.0);
                }
            }
            Value::Decimal128(number) => {
                change.apply(&mut self.counts.decimals);
                if let Parts::NaN { negative } = number.parts() {
                    self.special.negative_nan.get_or_insert(negative);
                }
                if !self.special.change(special_of(*number), change) {
                    let sum = self.decimals.unwrap_or(Decimal128::from_i64(0));
                    self.decimals = Some(match change {
                        Change::Add => decimal::add(sum, *number),
                        Change::Remove => decimal::subtract(sum, *number),
                    });
                }
                if self.counts.decimals == 0 {
                    self.decimals = None;
                }
            }
            _ => {}
        }
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

    fn count(&self) -> u64 {
        let counts = self.counts;
        counts.ints + counts.longs + counts.doubles + counts.decimals
    }

    /// Returns the sum in the widest type of the numbers, or a wider one if it does not fit.
    pub fn total(&self) -> Value<'static> {
        if let Some(sum) = self.as_decimal() {
            return Value::Decimal128(sum);
        }
        if self.counts.doubles > 0 {
            return Value::Double(self.as_f64());
        }
        match i64::try_from(self.integers) {
            Ok(number) => integer(number, self.counts.longs == 0),
            Err(_) => Value::Double(self.integers as f64),
        }
    }

    /// Returns the average; null without numbers.
    pub fn average(&self) -> Value<'static> {
        let count = self.count();
        if count == 0 {
            return Value::Null;
        }
        if let Some(sum) = self.as_decimal() {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            return Value::Decimal128(decimal::divide(sum, Decimal128::from_i64(count)));
        }
        Value::Double(self.as_f64() / count as f64)
    }

    /// Returns the sum as a decimal, if one of the numbers is one.
    fn as_decimal(&self) -> Option<Decimal128> {
        if self.counts.decimals == 0 {
            return None;
        }
        let exact = |number| decimal::from_f64(number, Precision::Full);
        if let Some(special) = self.special.sum() {
            let negative = self.special.negative_nan.unwrap_or(false);
            let nan = special.is_nan().then(|| Decimal128::nan(negative));
            return Some(nan.unwrap_or_else(|| exact(special)));
        }
        let mut sum = self.decimals.unwrap_or(Decimal128::from_i64(0));
        if self.counts.doubles > 0 {
            sum = decimal::add(sum, exact(self.doubles));
            if self.compensation.is_finite() && self.doubles.is_finite() {
                sum = decimal::add(sum, exact(self.compensation));
            }
        }
        Some(decimal::add(sum, decimal::from_i128(self.integers)))
    }

    fn as_f64(&self) -> f64 {
        if let Some(special) = self.special.sum() {
            return special;
        }
        let doubles = self.doubles + self.compensation;
        // After an overflow, the compensation is NaN.
        let doubles = if doubles.is_nan() {
            self.doubles
        } else {
            doubles
        };
        self.integers as f64 + doubles
    }
}
