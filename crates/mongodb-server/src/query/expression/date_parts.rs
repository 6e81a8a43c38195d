//! Formats and parses dates, in UTC or at a fixed offset from it.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _, Utc};

use crate::bson::Value;
use crate::error::CommandError;

/// Milliseconds per minute.
const MINUTE: i64 = 60_000;

/// An offset from UTC in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offset(pub i64);

impl Offset {
    /// Reads `+02:00`, `-0330`, `+02`, `UTC`, `GMT` or `Z`. A missing value is UTC; `None` if null.
    pub fn parse_argument(value: Option<&Value<'_>>) -> Result<Option<Self>, CommandError> {
        match value {
            None | Some(Value::Undefined) => Ok(Some(Self(0))),
            Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Self::parse(text).map(Some),
            Some(other) => Err(CommandError::location(
                40_533,
                format!(
                    "timezone must evaluate to a string, found {}",
                    other.kind().alias()
                ),
            )),
        }
    }

    fn parse(text: &str) -> Result<Self, CommandError> {
        if matches!(text, "UTC" | "GMT" | "Z" | "Etc/UTC" | "Zulu") {
            return Ok(Self(0));
        }
        let sign = match text.as_bytes().first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => {
                return Err(CommandError::unsupported(format!(
                    "time zones by name ({text}); use an offset such as +02:00"
                )));
            }
        };
        let digits: String = text
            .chars()
            .skip(1)
            .filter(|letter| *letter != ':')
            .collect();
        let wrong = || {
            let message = format!("unrecognized time zone identifier: \"{text}\"");
            CommandError::location(40_485, message)
        };
        let number = |text: &str| text.parse::<i64>().map_err(|_invalid| wrong());
        let (hours, minutes) = match digits.len() {
            1 | 2 => (number(&digits)?, 0),
            4 => (number(&digits[..2])?, number(&digits[2..])?),
            _ => return Err(wrong()),
        };
        Ok(Self(sign * (hours * 60 + minutes) * MINUTE))
    }

    /// Formats the offset as `+0200`.
    pub fn text(self) -> String {
        let minutes = self.0.abs() / MINUTE;
        let sign = if self.0 < 0 { '-' } else { '+' };
        format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
    }

    /// Returns the local date and time at this offset.
    pub fn local(self, milliseconds: i64) -> Option<NaiveDateTime> {
        let shifted = milliseconds.checked_add(self.0)?;
        DateTime::<Utc>::from_timestamp_millis(shifted).map(|date| date.naive_utc())
    }

    /// Returns the instant of a local date and time at this offset.
    pub fn instant(self, local: NaiveDateTime) -> Option<i64> {
        local.and_utc().timestamp_millis().checked_sub(self.0)
    }
}

/// Formats a date as `2024-01-31T12:00:00.000Z`.
pub fn iso_text(milliseconds: i64) -> Option<String> {
    let local = Offset(0).local(milliseconds)?;
    format(local, "%Y-%m-%dT%H:%M:%S.%LZ", Offset(0)).ok()
}

/// Formats a date with MongoDB's format specifiers.
pub fn format(local: NaiveDateTime, pattern: &str, offset: Offset) -> Result<String, CommandError> {
    let mut text = String::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        let piece = match letters.next() {
            Some('Y') => format!("{:04}", local.year()),
            Some('m') => format!("{:02}", local.month()),
            Some('d') => format!("{:02}", local.day()),
            Some('H') => format!("{:02}", local.hour()),
            Some('M') => format!("{:02}", local.minute()),
            Some('S') => format!("{:02}", local.second()),
            Some('L') => format!("{:03}", local.and_utc().timestamp_subsec_millis()),
            Some('j') => format!("{:03}", local.ordinal()),
            Some('G') => format!("{:04}", local.iso_week().year()),
            Some('V') => format!("{:02}", local.iso_week().week()),
            Some('u') => format!("{}", local.weekday().number_from_monday()),
            Some('w') => format!("{}", local.weekday().number_from_sunday()),
            Some('U') => format!("{:02}", week_of_year(local)),
            Some('b') => MONTHS[local.month0_index()][..3].to_owned(),
            Some('B') => MONTHS[local.month0_index()].to_owned(),
            Some('z') => offset.text(),
            Some('Z') => format!("{}", offset.0 / MINUTE),
            Some('%') => "%".to_owned(),
            Some(other) => {
                let message = format!("Invalid format character '%{other}' in format string");
                return Err(CommandError::location(18_536, message));
            }
            None => {
                let message = "Unmatched '%' at end of format string";
                return Err(CommandError::location(18_535, message));
            }
        };
        text.push_str(&piece);
    }
    Ok(text)
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

trait MonthIndex {
    fn month0_index(&self) -> usize;
}

impl MonthIndex for NaiveDateTime {
    fn month0_index(&self) -> usize {
        usize::try_from(self.month0()).unwrap_or_default()
    }
}

/// Returns the week of the year; week 1 starts on the first Sunday.
pub fn week_of_year(local: NaiveDateTime) -> u32 {
    (local.ordinal() + 6 - local.weekday().num_days_from_sunday()) / 7
}

/// Parses a date in ISO 8601, with or without a time and an offset.
pub fn parse_iso(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, time) = match text.find(['T', ' ']) {
        Some(at) => (&text[..at], text[at + 1..].trim()),
        None => (text, ""),
    };
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    if time.is_empty() {
        return Offset(0).instant(date.and_time(NaiveTime::MIN));
    }
    let split = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(split);
    let offset = if zone.is_empty() {
        Offset(0)
    } else {
        Offset::parse(zone.trim()).ok()?
    };
    offset.instant(date.and_time(parse_clock(clock.trim())?))
}

/// Parses `12:30`, `12:30:15` or `12:30:15.123`.
fn parse_clock(text: &str) -> Option<NaiveTime> {
    let (text, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut numbers = text.split(':').map(str::parse::<u32>);
    let mut next = || numbers.next().unwrap_or(Ok(0)).ok();
    let (hour, minute, second) = (next()?, next()?, next()?);
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    NaiveTime::from_hms_milli_opt(hour, minute, second, digits.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn offset_parsed_from_its_text_is_the_same(minutes in -14 * 60_i64..=14 * 60) {
            let offset = Offset(minutes * MINUTE);
            prop_assert_eq!(Offset::parse(&offset.text()).ok(), Some(offset));
        }

        #[test]
        fn local_time_and_instant_are_inverse(
            milliseconds in any::<i32>(), minutes in -14 * 60_i64..=14 * 60
        ) {
            let offset = Offset(minutes * MINUTE);
            let local = offset.local(milliseconds.into()).expect("a date near 1970");
            prop_assert_eq!(offset.instant(local), Some(milliseconds.into()));
        }

        #[test]
        fn time_with_an_offset_is_the_same_instant_as_in_utc(
            milliseconds in any::<i32>(), minutes in -14 * 60_i64..=14 * 60
        ) {
            let offset = Offset(minutes * MINUTE);
            let local = offset.local(milliseconds.into()).expect("a date near 1970");
            let text = format(local, "%Y-%m-%dT%H:%M:%S.%L%z", offset).expect("a valid format");
            prop_assert_eq!(parse_iso(&text), Some(milliseconds.into()));
        }
    }
}
