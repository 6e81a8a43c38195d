//! Formats dates, and reads them from text by a format.

use std::iter::Peekable;
use std::str::Chars;

use chrono::{
    DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike as _, Weekday,
};

use crate::error::CommandError;
use crate::query::expression::date_zone::Zone;

/// Milliseconds per minute.
const MINUTE: i64 = 60_000;

/// The specifiers that a date can be formatted by.
pub const FORMAT: &str = "YmdHMSLjGVuwUbBzZ%";

/// The specifiers that a date can be read by.
pub const READ: &str = "YmdHMSLjGVubBzZ%";

/// Names of months in English.
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

/// Days of the week by their ISO number less one.
const DAYS: [Weekday; 7] = [
    Weekday::Mon,
    Weekday::Tue,
    Weekday::Wed,
    Weekday::Thu,
    Weekday::Fri,
    Weekday::Sat,
    Weekday::Sun,
];

/// Formats a date as `2024-01-31T12:00:00.000Z`.
pub fn iso_text(milliseconds: i64) -> Option<String> {
    let local = Zone::UTC.local(milliseconds)?;
    format(local, "%Y-%m-%dT%H:%M:%S.%LZ", 0).ok()
}

/// Returns a timestamp as the functions of strings show it: `Jan  1 00:00:00:1`.
pub fn stamp_text(stamp: u64) -> String {
    let seconds = i64::try_from(stamp >> 32).unwrap_or_default();
    let time = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    let month = MONTHS[usize::try_from(time.month0()).unwrap_or_default()];
    format!(
        "{} {:2} {:02}:{:02}:{:02}:{}",
        &month[..3],
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        stamp & 0xFFFF_FFFF
    )
}

/// Rejects a format with other specifiers than the known ones.
pub fn check_format(pattern: &str, known: &str) -> Result<(), CommandError> {
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            continue;
        }
        match letters.next() {
            Some(specifier) if known.contains(specifier) => {}
            Some(other) => {
                let message = format!("Invalid format character '%{other}' in format string");
                return Err(CommandError::location(18_536, message));
            }
            None => {
                let message = "Unmatched '%' at end of format string";
                return Err(CommandError::location(18_535, message));
            }
        }
    }
    Ok(())
}

/// Formats a date by MongoDB's format specifiers; local time is `offset` milliseconds ahead of UTC.
pub fn format(local: NaiveDateTime, pattern: &str, offset: i64) -> Result<String, CommandError> {
    check_format(pattern, FORMAT)?;
    let mut text = String::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        let piece = match letters.next() {
            Some('Y') => year_text(local.year())?,
            Some('m') => format!("{:02}", local.month()),
            Some('d') => format!("{:02}", local.day()),
            Some('H') => format!("{:02}", local.hour()),
            Some('M') => format!("{:02}", local.minute()),
            Some('S') => format!("{:02}", local.second()),
            Some('L') => format!("{:03}", local.and_utc().timestamp_subsec_millis()),
            Some('j') => format!("{:03}", local.ordinal()),
            Some('G') => year_text(local.iso_week().year())?,
            Some('V') => format!("{:02}", local.iso_week().week()),
            Some('u') => format!("{}", local.weekday().number_from_monday()),
            Some('w') => format!("{}", local.weekday().number_from_sunday()),
            Some('U') => format!("{:02}", week_of_year(local)),
            Some('b') => month_name(local)[..3].to_owned(),
            Some('B') => month_name(local).to_owned(),
            Some('z') => offset_text(offset),
            Some('Z') => (offset / MINUTE).to_string(),
            _ => "%".to_owned(),
        };
        text.push_str(&piece);
    }
    Ok(text)
}

/// Writes a year with four digits.
fn year_text(year: i32) -> Result<String, CommandError> {
    if (0..=9_999).contains(&year) {
        return Ok(format!("{year:04}"));
    }
    let message = format!("$dateToString is only defined on year 0-9999, tried to use year {year}");
    Err(CommandError::location(18_537, message))
}

/// Formats an offset in milliseconds as `+0200`.
fn offset_text(offset: i64) -> String {
    let minutes = offset.abs() / MINUTE;
    let sign = if offset < 0 { '-' } else { '+' };
    format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
}

fn month_name(local: NaiveDateTime) -> &'static str {
    let index = usize::try_from(local.month0()).unwrap_or_default();
    MONTHS.get(index).copied().unwrap_or(MONTHS[0])
}

/// Returns the week of the year; week 1 starts on the first Sunday.
pub fn week_of_year(local: NaiveDateTime) -> u32 {
    (local.ordinal() + 6 - local.weekday().num_days_from_sunday()) / 7
}

/// A date that was read from text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    pub local: NaiveDateTime,
    /// The zone, if the text gives one.
    pub zone: Option<Zone>,
}

/// The parts of a date that a text gives.
#[derive(Debug, Default)]
struct Given {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    iso_year: Option<i32>,
    iso_week: Option<u32>,
    iso_day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    millisecond: u32,
    zone: Option<Zone>,
}

/// Reads a date from text by a format; `None` if the text does not have it.
pub fn read(text: &str, pattern: &str) -> Option<Read> {
    let mut given = Given::default();
    let mut rest = text.chars().peekable();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            rest.next().filter(|&found| found == letter)?;
            continue;
        }
        given.take(letters.next()?, &mut rest)?;
    }
    if rest.next().is_some() {
        return None;
    }
    given.finish()
}

impl Given {
    fn take(&mut self, specifier: char, rest: &mut Peekable<Chars<'_>>) -> Option<()> {
        match specifier {
            'Y' => self.year = Some(number(rest, 4, 4)?.cast_signed()),
            'm' => self.month = Some(number(rest, 2, 2)?),
            'd' => self.day = Some(number(rest, 2, 2)?),
            'H' => self.hour = number(rest, 2, 2)?,
            'M' => self.minute = number(rest, 2, 2)?,
            'S' => self.second = number(rest, 2, 2)?,
            'L' => self.millisecond = number(rest, 3, 3)?,
            'j' => self.day_of_year = Some(number(rest, 3, 3)?),
            'G' => self.iso_year = Some(number(rest, 4, 4)?.cast_signed()),
            'V' => self.iso_week = Some(number(rest, 2, 2)?),
            'u' => self.iso_day = Some(number(rest, 1, 1)?),
            'b' | 'B' => self.month = Some(month(rest)?),
            'z' => self.zone = Some(zone(rest)?),
            'Z' => {
                let sign = rest.next_if(|sign| matches!(sign, '+' | '-'));
                let minutes = i64::from(number(rest, 1, 4)?);
                let minutes = if sign == Some('-') { -minutes } else { minutes };
                self.zone = Some(Zone::Fixed(minutes));
            }
            _ => {
                rest.next().filter(|&found| found == '%')?;
            }
        }
        Some(())
    }

    fn finish(self) -> Option<Read> {
        let date = if let Some(year) = self.iso_year {
            let day = usize::try_from(self.iso_day.unwrap_or(1)).ok()?;
            let day = DAYS.get(day.checked_sub(1)?)?;
            NaiveDate::from_isoywd_opt(year, self.iso_week.unwrap_or(1), *day)?
        } else if let Some(day) = self.day_of_year {
            // MongoDB's library counts from 0, so that the date is one day late.
            let first = NaiveDate::from_ymd_opt(self.year?, 1, 1)?;
            first.checked_add_signed(TimeDelta::days(i64::from(day)))?
        } else {
            NaiveDate::from_ymd_opt(self.year?, self.month.unwrap_or(1), self.day.unwrap_or(1))?
        };
        let time =
            NaiveTime::from_hms_milli_opt(self.hour, self.minute, self.second, self.millisecond)?;
        Some(Read {
            local: date.and_time(time),
            zone: self.zone,
        })
    }
}

/// Reads between `least` and `most` digits.
fn number(rest: &mut Peekable<Chars<'_>>, least: usize, most: usize) -> Option<u32> {
    let mut digits = String::new();
    while digits.len() < most
        && let Some(digit) = rest.next_if(char::is_ascii_digit)
    {
        digits.push(digit);
    }
    let enough = digits.len() >= least;
    enough.then(|| digits.parse().ok()).flatten()
}

/// Reads the English name of a month, in full or its first three letters.
fn month(rest: &mut Peekable<Chars<'_>>) -> Option<u32> {
    let mut name = String::new();
    while let Some(letter) = rest.next_if(char::is_ascii_alphabetic) {
        name.push(letter);
    }
    month_number(&name)
}

/// Returns the number of a month by its English name, in full or its first three letters.
pub fn month_number(name: &str) -> Option<u32> {
    let index = MONTHS.iter().position(|known| {
        name.eq_ignore_ascii_case(known) || name.eq_ignore_ascii_case(&known[..3])
    })?;
    u32::try_from(index + 1).ok()
}

/// Reads an offset or the name of a zone, up to a blank.
fn zone(rest: &mut Peekable<Chars<'_>>) -> Option<Zone> {
    let mut name = String::new();
    while let Some(letter) = rest.next_if(|letter| !letter.is_whitespace()) {
        name.push(letter);
    }
    Zone::parse(&name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn formatted_date_is_read_by_the_same_format(
            milliseconds in any::<i32>(), minutes in -14 * 60_i64..=14 * 60
        ) {
            let zone = Zone::Fixed(minutes);
            let local = zone.local(milliseconds.into()).expect("a date near 1970");
            for pattern in [
                "%Y-%m-%dT%H:%M:%S.%L%z",
                "%d %B %Y %H.%M.%S,%L %Z",
                "%G-W%V-%u %H%M%S%L%%%z",
            ] {
                let text = format(local, pattern, minutes * MINUTE).expect("a valid format");
                let read = read(&text, pattern).expect("the same format");
                prop_assert_eq!(read, Read { local, zone: Some(zone) });
            }
        }

        #[test]
        fn day_of_the_year_is_read_one_day_late(milliseconds in any::<i32>()) {
            let local = Zone::UTC.local(milliseconds.into()).expect("a date near 1970");
            let pattern = "%Y %j %H:%M:%S.%L";
            let text = format(local, pattern, 0).expect("a valid format");
            let late = Read { local: local + TimeDelta::days(1), zone: None };
            prop_assert_eq!(read(&text, pattern).expect("the same format"), late);
        }
    }
}
