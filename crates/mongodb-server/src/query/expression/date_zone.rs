//! Time zones: fixed offsets from UTC and the names of the time zone database.

use chrono::{DateTime, NaiveDateTime, Utc};
#[cfg(feature = "time-zones")]
use chrono::{Offset as _, TimeDelta, TimeZone as _};
#[cfg(feature = "time-zones")]
use chrono_tz::Tz;

use crate::bson::Value;
use crate::error::CommandError;

/// Milliseconds per minute.
const MINUTE: i64 = 60_000;

/// Names of time zones that are always UTC.
const NAMES_OF_UTC: [&str; 6] = ["Z", "z", "UTC", "Etc/UTC", "GMT", "Zulu"];

/// A time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// A number of minutes that local time is ahead of UTC.
    Fixed(i64),
    /// A place whose offset depends on the date.
    #[cfg(feature = "time-zones")]
    Named(Tz),
}

impl Zone {
    pub const UTC: Self = Self::Fixed(0);

    /// Reads the argument `timezone`. UTC if it is omitted; `None` if it is null or missing.
    pub fn parse_argument(value: &Value<'_>) -> Result<Option<Self>, CommandError> {
        match value {
            Value::Undefined => Ok(Some(Self::UTC)),
            Value::Null => Ok(None),
            Value::String(text) => match Self::parse(text) {
                // A zone of text, but no identifier.
                Some(zone) if !text.eq_ignore_ascii_case("z") => Ok(Some(zone)),
                _ => Err(unrecognized(text)),
            },
            other => Err(CommandError::location(
                40_517,
                format!(
                    "timezone must evaluate to a string, found {}",
                    other.kind().alias()
                ),
            )),
        }
    }

    /// Reads `+02`, `-0330`, `+02:00`, or a name such as `Europe/Berlin`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.as_bytes().first() {
            Some(b'+' | b'-') => Self::parse_offset(text),
            _ if NAMES_OF_UTC.contains(&text) => Some(Self::UTC),
            #[cfg(feature = "time-zones")]
            _ => text.parse().ok().map(Self::Named),
            #[cfg(not(feature = "time-zones"))]
            _ => None,
        }
    }

    fn parse_offset(text: &str) -> Option<Self> {
        let (sign, digits) = text.split_at_checked(1)?;
        let pair = |text: &str| {
            let digits = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
            digits.then(|| text.parse::<i64>().ok()).flatten()
        };
        let (hours, minutes) = match digits.len() {
            2 => (digits, "00"),
            4 => digits.split_at_checked(2)?,
            _ => digits.split_once(':')?,
        };
        let minutes = pair(hours)? * 60 + pair(minutes)?;
        Some(Self::Fixed(if sign == "-" { -minutes } else { minutes }))
    }

    /// Returns how many milliseconds local time is ahead of UTC at an instant.
    pub fn offset_at(self, milliseconds: i64) -> Option<i64> {
        #[cfg(not(feature = "time-zones"))]
        let _same_at_any_time = milliseconds;
        match self {
            Self::Fixed(minutes) => Some(minutes * MINUTE),
            #[cfg(feature = "time-zones")]
            Self::Named(zone) => {
                let utc = DateTime::<Utc>::from_timestamp_millis(milliseconds)?.naive_utc();
                Some(seconds_ahead(zone, utc) * 1_000)
            }
        }
    }

    /// Returns the local date and time at an instant.
    pub fn local(self, milliseconds: i64) -> Option<NaiveDateTime> {
        let shifted = milliseconds.checked_add(self.offset_at(milliseconds)?)?;
        DateTime::<Utc>::from_timestamp_millis(shifted).map(|date| date.naive_utc())
    }

    /// Returns the instant of a local date and time: the first of two when clocks go back, and as
    /// if they had not moved when clocks go forward.
    pub fn instant(self, local: NaiveDateTime) -> Option<i64> {
        let milliseconds = local.and_utc().timestamp_millis();
        match self {
            Self::Fixed(minutes) => milliseconds.checked_sub(minutes * MINUTE),
            #[cfg(feature = "time-zones")]
            Self::Named(zone) => {
                if let Some(instant) = zone.from_local_datetime(&local).earliest() {
                    return Some(instant.timestamp_millis());
                }
                let before = local.checked_sub_signed(TimeDelta::days(1))?;
                milliseconds.checked_sub(seconds_ahead(zone, before) * 1_000)
            }
        }
    }
}

fn unrecognized(text: &str) -> CommandError {
    let mut message = format!("unrecognized time zone identifier: \"{text}\"");
    if cfg!(not(feature = "time-zones")) {
        message += "; this build knows no time zones by name: enable the feature `time-zones`";
    }
    CommandError::location(40_485, message)
}

#[cfg(feature = "time-zones")]
fn seconds_ahead(zone: Tz, utc: NaiveDateTime) -> i64 {
    i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn malformed_offsets_and_unknown_names_are_rejected() {
        for text in [
            "+5",
            "+1:30",
            "+01:3",
            "+010",
            "5",
            "",
            "Europe/Nowhere",
            "+aa",
            "+é",
        ] {
            assert_eq!(Zone::parse(text), None, "{text}");
        }
    }

    #[cfg(feature = "time-zones")]
    #[test]
    fn clocks_that_move_keep_local_time_defined() {
        let berlin = Zone::parse("Europe/Berlin").expect("a known name");
        let at = |text: &str| {
            let local = text.parse::<NaiveDateTime>().expect("a local time");
            let instant = berlin.instant(local).expect("a date in range");
            Zone::UTC
                .local(instant)
                .expect("a date in range")
                .to_string()
        };
        assert_eq!(at("2024-03-31T02:30:00"), "2024-03-31 01:30:00");
        assert_eq!(at("2024-10-27T02:30:00"), "2024-10-27 00:30:00");
    }

    proptest! {
        #[test]
        fn local_time_and_instant_are_inverse(
            milliseconds in any::<i32>(), minutes in -14 * 60_i64..=14 * 60
        ) {
            let zone = Zone::Fixed(minutes);
            let local = zone.local(milliseconds.into()).expect("a date near 1970");
            prop_assert_eq!(zone.instant(local), Some(milliseconds.into()));
        }
    }
}
