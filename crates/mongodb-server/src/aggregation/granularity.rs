//! Series of preferred numbers, to which `$bucketAuto` rounds the ends of its buckets.
//!
//! # References
//!
//! <https://en.wikipedia.org/wiki/Preferred_number>

use crate::bson::Value;
use crate::bson::value::integer_of;
use crate::error::CommandError;

/// A series to round to.
#[derive(Debug, Clone)]
pub enum Granularity {
    /// The numbers of one decade, which repeat in every other.
    Series(Vec<f64>),
    PowersOfTwo,
}

/// Names and numbers of the series that no formula gives.
const SERIES: &[(&str, &[u32])] = &[
    ("R5", &[10, 16, 25, 40, 63]),
    ("R10", &[100, 125, 160, 200, 250, 315, 400, 500, 630, 800]),
    (
        "R20",
        &[
            100, 112, 125, 140, 160, 180, 200, 224, 250, 280, 315, 355, 400, 450, 500, 560, 630,
            710, 800, 900,
        ],
    ),
    (
        "R40",
        &[
            100, 106, 112, 118, 125, 132, 140, 150, 160, 170, 180, 190, 200, 212, 224, 236, 250,
            265, 280, 300, 315, 355, 375, 400, 425, 450, 475, 500, 530, 560, 600, 630, 670, 710,
            750, 800, 850, 900, 950,
        ],
    ),
    (
        "R80",
        &[
            103, 109, 115, 122, 128, 136, 145, 155, 165, 175, 185, 195, 206, 218, 230, 243, 258,
            272, 290, 307, 325, 345, 365, 387, 412, 437, 462, 487, 515, 545, 575, 615, 650, 690,
            730, 775, 825, 875, 925, 975,
        ],
    ),
    ("1-2-5", &[10, 20, 50]),
    ("E6", &[10, 15, 22, 33, 47, 68]),
    ("E12", &[10, 12, 15, 18, 22, 27, 33, 39, 47, 56, 68, 82]),
    (
        "E24",
        &[
            10, 11, 12, 13, 15, 16, 18, 20, 22, 24, 27, 30, 33, 36, 39, 43, 47, 51, 56, 62, 68, 75,
            82, 91,
        ],
    ),
];

impl Granularity {
    /// Returns the series with a name.
    pub fn named(name: &str) -> Result<Self, CommandError> {
        if name == "POWERSOF2" {
            return Ok(Self::PowersOfTwo);
        }
        let known = SERIES.iter().find(|(known, _)| *known == name);
        if let Some((_, numbers)) = known {
            let numbers = numbers.iter().map(|&number| f64::from(number));
            return Ok(Self::Series(numbers.collect()));
        }
        let count = match name {
            "E48" => 48,
            "E96" => 96,
            "E192" => 192,
            _ => {
                let message = format!("Unknown rounding granularity '{name}'");
                return Err(CommandError::location(40_257, message));
            }
        };
        let number = |place: i32| {
            let exact = 100.0 * 10_f64.powf(f64::from(place) / f64::from(count));
            // The standard differs from its own formula in one number.
            if name == "E192" && place == 185 {
                920.0
            } else {
                exact.round()
            }
        };
        Ok(Self::Series((0..count).map(number).collect()))
    }

    /// Returns the least number of the series that is greater.
    pub fn round_up(&self, value: &Value<'_>) -> Value<'static> {
        let number = value.as_f64().unwrap_or_default();
        if number == 0.0 {
            return value.clone().into_owned();
        }
        match self {
            Self::PowersOfTwo => power_of_two(number.log2().floor() + 1.0),
            Self::Series(series) => Value::Double(up(series, number)),
        }
    }

    /// Returns the greatest number of the series that is less.
    pub fn round_down(&self, value: &Value<'_>) -> Value<'static> {
        let number = value.as_f64().unwrap_or_default();
        if number == 0.0 {
            return value.clone().into_owned();
        }
        match self {
            Self::PowersOfTwo => power_of_two(number.log2().ceil() - 1.0),
            Self::Series(series) => Value::Double(down(series, number)),
        }
    }
}

/// Returns a power of two, which is an integer if it fits.
fn power_of_two(exponent: f64) -> Value<'static> {
    let power = exponent.exp2();
    let whole = integer_of(power).map(|power| match i32::try_from(power) {
        Ok(small) => Value::Int32(small),
        Err(_) => Value::Int64(power),
    });
    whole.unwrap_or(Value::Double(power))
}

fn up(series: &[f64], number: f64) -> f64 {
    let (first, last) = ends(series);
    let mut multiplier = 1.0;
    while number >= last * multiplier {
        multiplier *= 10.0;
    }
    while number < first * multiplier {
        let before = first * multiplier;
        multiplier /= 10.0;
        if number >= last * multiplier {
            return before;
        }
    }
    let greater = series.iter().find(|known| number < **known * multiplier);
    greater.unwrap_or(&last) * multiplier
}

fn down(series: &[f64], number: f64) -> f64 {
    let (first, last) = ends(series);
    let mut multiplier = 1.0;
    while number <= first * multiplier {
        multiplier /= 10.0;
    }
    while number > last * multiplier {
        let before = last * multiplier;
        multiplier *= 10.0;
        if number <= first * multiplier {
            return before;
        }
    }
    let less = series
        .iter()
        .rev()
        .find(|known| **known * multiplier < number);
    less.unwrap_or(&first) * multiplier
}

fn ends(series: &[f64]) -> (f64, f64) {
    let first = series.first().copied().unwrap_or(1.0);
    (first, series.last().copied().unwrap_or(first))
}
