//! Rates as exact fractions.

use std::fmt;
use std::str::FromStr;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Units of time: suffix and seconds. The first is the default.
const UNITS: [(&str, u64); 3] = [("s", 1), ("m", 60), ("h", 3_600)];

/// Digits after the decimal point.
const FRACTION_DIGITS: usize = 6;

/// Ten to the power of `FRACTION_DIGITS`.
const MICRO: u64 = 1_000_000;

/// One nanosecond apart: the resolution of instants.
const MAX_PER_SECOND: u64 = NANOS_PER_SECOND;

/// Six weeks apart: a run with a lower rate would emit nothing.
const MIN_HOURS_PER_EVENT: u64 = 1_000;

/// Readings per time.
///
/// Written as `2` (per second), `0.5`, `30/m`, `3600/h` or `max`; at most six decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rate {
    /// As fast as the pipeline takes them.
    Max,
    /// A number of readings in a time.
    Timed(Frequency),
}

/// Events per time, as a reduced fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Frequency {
    events: u64,
    nanos: u64,
}

/// A text is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// The text is not a decimal number, or has too many digits.
    #[error("rate `{text}` is not a number with at most six decimals")]
    NotANumber {
        /// The text.
        text: String,
    },
    /// The rate is zero or negative.
    #[error("rate `{text}` is not above zero")]
    NotPositive {
        /// The text.
        text: String,
    },
    /// The suffix is not a unit of time.
    #[error("rate `{text}` has the unknown unit `{unit}` (expected `s`, `m` or `h`)")]
    UnknownUnit {
        /// The text.
        text: String,
        /// Suffix after the slash.
        unit: String,
    },
    /// The rate is higher than one per nanosecond.
    #[error("rate `{text}` is above the maximum of {MAX_PER_SECOND} per second")]
    TooHigh {
        /// The text.
        text: String,
    },
    /// The rate is lower than one in a thousand hours.
    #[error("rate `{text}` is below the minimum of one in {MIN_HOURS_PER_EVENT} hours")]
    TooLow {
        /// The text.
        text: String,
    },
}

impl RateError {
    /// Returns the hint for the user.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooHigh { .. } => "pass `max` to emit as fast as the pipeline takes readings",
            _ => "write a rate as `2`, `0.5`, `30/m`, `3600/h` or `max`",
        }
    }
}

impl Rate {
    /// Returns a rate in events per second, rounded to six decimals.
    pub fn per_second(events: f64) -> Result<Self, RateError> {
        format!("{events:.FRACTION_DIGITS$}").parse()
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
        let Some((_, seconds)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            let (text, unit) = (text.to_owned(), unit.to_owned());
            return Err(RateError::UnknownUnit { text, unit });
        };
        let micro_events = micros(number).map_err(|wrong| wrong(text.to_owned()))?;
        Frequency::new(micro_events, seconds * NANOS_PER_SECOND)
            .map(Self::Timed)
            .map_err(|wrong| wrong(text.to_owned()))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max => f.write_str("max"),
            Self::Timed(frequency) => frequency.fmt(f),
        }
    }
}

impl Frequency {
    /// Returns the events of `nanos`, in lowest terms.
    pub fn events(self) -> u64 {
        self.events
    }

    /// Returns the nanoseconds in which `events` occur, in lowest terms.
    pub fn nanos(self) -> u64 {
        self.nanos
    }

    /// Returns the events per second, for display and estimates.
    pub fn per_second(self) -> f64 {
        self.events as f64 * NANOS_PER_SECOND as f64 / self.nanos as f64
    }

    fn new(micro_events: u128, unit_nanos: u64) -> Result<Self, fn(String) -> RateError> {
        let nanos = u128::from(unit_nanos) * u128::from(MICRO);
        if micro_events * u128::from(NANOS_PER_SECOND) > u128::from(MAX_PER_SECOND) * nanos {
            return Err(|text| RateError::TooHigh { text });
        }
        let longest = u128::from(MIN_HOURS_PER_EVENT * 3_600 * NANOS_PER_SECOND);
        if micro_events * longest < nanos {
            return Err(|text| RateError::TooLow { text });
        }
        let common = greatest_common_divisor(micro_events, nanos);
        let fits = "a rate within its limits has terms below 2^62";
        Ok(Self {
            events: u64::try_from(micro_events / common).expect(fits),
            nanos: u64::try_from(nanos / common).expect(fits),
        })
    }
}

impl fmt::Display for Frequency {
    /// Writes the rate in the first unit that needs at most six decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, seconds) in UNITS {
            let unit_nanos = u128::from(seconds * NANOS_PER_SECOND);
            let scaled = u128::from(self.events) * unit_nanos * u128::from(MICRO);
            let (micros, rest) = (
                scaled / u128::from(self.nanos),
                scaled % u128::from(self.nanos),
            );
            if rest != 0 {
                continue;
            }
            let (whole, fraction) = (micros / u128::from(MICRO), micros % u128::from(MICRO));
            let digits = format!("{whole}.{fraction:0FRACTION_DIGITS$}");
            f.write_str(digits.trim_end_matches('0').trim_end_matches('.'))?;
            return match unit {
                "s" => Ok(()),
                _ => write!(f, "/{unit}"),
            };
        }
        unreachable!("every frequency was parsed in one of the units")
    }
}

/// Reads a decimal number as millionths.
fn micros(number: &str) -> Result<u128, fn(String) -> RateError> {
    let unsigned = number.strip_prefix('-').unwrap_or(number);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let fraction = fraction.trim_end_matches('0');
    let decimals = fraction.is_empty() || digits(fraction);
    if !digits(whole) || !decimals || fraction.len() > FRACTION_DIGITS {
        return Err(|text| RateError::NotANumber { text });
    }
    // A number too long for 64 bits is far above the limit in any unit.
    let whole = u128::from(whole.parse::<u64>().unwrap_or(u64::MAX));
    let fraction = format!("{fraction:0<FRACTION_DIGITS$}").parse::<u128>();
    let micros = whole * u128::from(MICRO) + fraction.unwrap_or(0);
    if micros == 0 || unsigned.len() < number.len() {
        return Err(|text| RateError::NotPositive { text });
    }
    Ok(micros)
}

fn greatest_common_divisor(a: u128, b: u128) -> u128 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().expect("the text is a rate")
    }

    fn error(text: &str) -> RateError {
        text.parse::<Rate>().expect_err("the text is not a rate")
    }

    #[test]
    fn displayed_rates_parse_back() {
        for text in [
            "2",
            "0.5",
            "1/m",
            "7/h",
            "max",
            "1000000000",
            "0.000001",
            "12.25",
            "100/h",
        ] {
            assert_eq!(rate(text).to_string(), text);
        }
        let same = [
            ("1/s", "1"),
            ("30/m", "0.5"),
            ("3600/h", "1"),
            ("2.0", "2"),
            ("1.50/m", "0.025"),
        ];
        for (text, shortest) in same {
            assert_eq!(rate(text), rate(shortest));
            assert_eq!(rate(text).to_string(), shortest);
        }
    }

    #[test]
    fn malformed_rates_are_rejected_with_the_reason() {
        for text in [
            "",
            "-",
            "nan",
            "inf",
            "1e3",
            "1.2345678",
            ".",
            ".5",
            "1 ",
            "+1",
            "١",
            "1.-5",
        ] {
            assert!(
                matches!(error(text), RateError::NotANumber { .. }),
                "{text}"
            );
        }
        for text in ["0", "0.0", "-1", "0/h", "-0.5/m"] {
            assert!(
                matches!(error(text), RateError::NotPositive { .. }),
                "{text}"
            );
        }
        for text in ["1/x", "1/", "1/s/s", "1/S"] {
            assert!(
                matches!(error(text), RateError::UnknownUnit { .. }),
                "{text}"
            );
        }
        for text in [
            "1000000001",
            "99999999999999999999999999",
            "3600000000001/h",
        ] {
            assert!(matches!(error(text), RateError::TooHigh { .. }), "{text}");
        }
        assert!(matches!(error("0.000001/h"), RateError::TooLow { .. }));
        assert!(matches!(
            Rate::per_second(f64::NAN),
            Err(RateError::NotANumber { .. })
        ));
        assert!(matches!(
            Rate::per_second(-1.0),
            Err(RateError::NotPositive { .. })
        ));
        assert_eq!(error("-1").to_string(), "rate `-1` is not above zero");
    }

    #[test]
    fn rates_are_compared_in_lowest_terms() {
        let Rate::Timed(frequency) = rate("90/m") else {
            panic!("90/m is timed");
        };
        assert_eq!((frequency.events(), frequency.nanos()), (3, 2_000_000_000));
        assert_eq!(Rate::per_second(1.5), Ok(rate("90/m")));
    }

    proptest! {
        #[test]
        fn displaying_a_rate_loses_nothing(
            whole in 0_u64..1_000_000, fraction in 0_u64..MICRO, unit in 0..UNITS.len(),
        ) {
            let text = format!("{whole}.{fraction:06}/{}", UNITS[unit].0);
            if let Ok(rate) = text.parse::<Rate>() {
                prop_assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate));
            }
        }

        #[test]
        fn any_text_parses_without_panic(text in "[-+0-9./smhxe]{0,30}") {
            if let Ok(rate) = text.parse::<Rate>() {
                prop_assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate));
            }
        }
    }
}
