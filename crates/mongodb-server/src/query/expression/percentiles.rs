//! `$percentile` and `$median`.

use crate::bson::{ArrayBuilder, Value};

/// Compiled percentiles, without the expression for a value.
#[derive(Debug, Clone)]
pub struct Percentiles {
    /// Fractions of the values, between 0 and 1.
    fractions: Vec<f64>,
    /// Whether the result is one value instead of an array.
    single: bool,
}

impl Percentiles {
    pub fn new(fractions: Vec<f64>, single: bool) -> Self {
        Self { fractions, single }
    }

    /// Returns the percentiles of numbers.
    pub fn of(&self, mut numbers: Vec<f64>) -> Value<'static> {
        numbers.sort_by(f64::total_cmp);
        self.of_sorted(&numbers)
    }

    /// Returns the percentiles of sorted numbers: the least number that is not less than this
    /// fraction of all.
    pub fn of_sorted(&self, numbers: &[f64]) -> Value<'static> {
        let percentile = |fraction: &f64| {
            let rank = (fraction * numbers.len() as f64).ceil();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rank is between 0 and the number of values"
            )]
            let rank = (rank as usize).saturating_sub(1);
            let number = numbers.get(rank.min(numbers.len().saturating_sub(1)));
            number.map_or(Value::Null, |number| Value::Double(*number))
        };
        if self.single {
            return self.fractions.first().map_or(Value::Null, percentile);
        }
        let values = self.fractions.iter().map(percentile);
        values.collect::<ArrayBuilder>().into_value()
    }
}

/// Returns a value as a number that has a rank.
pub fn ranked(value: &Value<'_>) -> Option<f64> {
    value.as_f64().filter(|number| !number.is_nan())
}
