//! Reads dates from text without a format: ISO 8601, and dates with English names of months.

use chrono::{NaiveDate, NaiveTime};

use crate::query::expression::date_parts::{Read, month_number};
use crate::query::expression::date_zone::Zone;

/// Reads a date, with or without a time and a zone.
pub fn read(text: &str) -> Option<Read> {
    let text = text.trim_matches(|letter: char| letter.is_ascii_whitespace());
    let (date, rest) = read_date(text)?;
    let rest = rest.strip_prefix(['T', 't']).unwrap_or(rest).trim_start();
    let (time, zone) = read_time(rest)?;
    let zone = zone.trim();
    Some(Read {
        local: date.and_time(time),
        zone: if zone.is_empty() {
            None
        } else {
            Some(Zone::parse(zone).or_else(|| abbreviation(zone))?)
        },
    })
}

/// Reads a text as an instant.
pub fn instant(text: &str) -> Option<i64> {
    let read = read(text)?;
    read.zone.unwrap_or(Zone::UTC).instant(read.local)
}

fn read_date(text: &str) -> Option<(NaiveDate, &str)> {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        named_day_first(text).or_else(|| numeric(text))
    } else {
        named_month_first(text)
    }
}

/// Reads `2024-01-31`, `2024/1/31`, `2024-01` or `20240131`.
fn numeric(text: &str) -> Option<(NaiveDate, &str)> {
    let (year, rest) = digits(text)?;
    match year.len() {
        4 => {
            let separator = rest.chars().next();
            let separator = separator.filter(|found| matches!(found, '-' | '/'))?;
            let (month, rest) = digits(&rest[1..])?;
            let (day, rest) = match rest.strip_prefix(separator) {
                Some(rest) => digits(rest)?,
                None => ("1", rest),
            };
            Some((date(year, month.parse().ok()?, day)?, rest))
        }
        8 => Some((
            date(&year[..4], year[4..6].parse().ok()?, &year[6..])?,
            rest,
        )),
        _ => None,
    }
}

/// Reads `31 January 2024`.
fn named_day_first(text: &str) -> Option<(NaiveDate, &str)> {
    let (day, rest) = digits(text)?;
    let (month, rest) = letters(blanks(rest))?;
    let (year, rest) = digits(blanks(rest))?;
    (year.len() == 4).then_some(())?;
    Some((date(year, month_number(month)?, day)?, rest))
}

/// Reads `January 31, 2024`, with or without the name of the weekday in front.
fn named_month_first(text: &str) -> Option<(NaiveDate, &str)> {
    let (name, rest) = letters(text)?;
    let Some(month) = month_number(name) else {
        name.parse::<chrono::Weekday>().ok()?;
        let rest = blanks(rest);
        // Only one weekday, so that this ends.
        return match letters(rest) {
            Some((name, _)) if month_number(name).is_none() => None,
            _ => read_date(rest),
        };
    };
    let (day, rest) = digits(blanks(rest))?;
    let (year, rest) = digits(blanks(rest))?;
    (year.len() == 4).then_some(())?;
    Some((date(year, month, day)?, rest))
}

fn date(year: &str, month: u32, day: &str) -> Option<NaiveDate> {
    (day.len() <= 2).then_some(())?;
    NaiveDate::from_ymd_opt(year.parse().ok()?, month, day.parse().ok()?)
}

/// Reads `12:30`, `12:30:15`, `12:30:15.123` or `123015`; returns what follows. Digits beyond
/// milliseconds are cut off.
fn read_time(text: &str) -> Option<(NaiveTime, &str)> {
    let Some((hour, rest)) = digits(text) else {
        return Some((NaiveTime::MIN, text));
    };
    let (clock, rest) = match (hour.len(), rest.strip_prefix(':')) {
        (1 | 2, Some(rest)) => {
            let (minute, rest) = two_digits(rest)?;
            match rest.strip_prefix(':') {
                Some(rest) => {
                    let (second, rest) = two_digits(rest)?;
                    ([hour, minute, second], rest)
                }
                None => ([hour, minute, "0"], rest),
            }
        }
        (6, None) => ([&hour[..2], &hour[2..4], &hour[4..]], rest),
        (4, None) => ([&hour[..2], &hour[2..], "0"], rest),
        _ => return None,
    };
    let (fraction, rest) = match rest.strip_prefix(['.', ',']) {
        Some(rest) => digits(rest)?,
        None => ("", rest),
    };
    let milliseconds: String = fraction.chars().chain("000".chars()).take(3).collect();
    let [hour, minute, second] = clock.map(|part| part.parse::<u32>().ok());
    let milliseconds = milliseconds.parse().ok()?;
    let time = NaiveTime::from_hms_milli_opt(hour?, minute?, second?, milliseconds)?;
    Some((time, rest))
}

fn two_digits(text: &str) -> Option<(&str, &str)> {
    digits(text).filter(|(digits, _)| digits.len() == 2)
}

fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit());
    let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
    (!digits.is_empty()).then_some((digits, rest))
}

fn letters(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_alphabetic());
    let (letters, rest) = text.split_at(end.unwrap_or(text.len()));
    (!letters.is_empty()).then_some((letters, rest))
}

fn blanks(text: &str) -> &str {
    text.trim_start_matches([' ', ',', '-', '.'])
}

/// Returns the zone of an abbreviation of North America, which have fixed offsets.
fn abbreviation(name: &str) -> Option<Zone> {
    let hours = match name {
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        _ => return None,
    };
    Some(Zone::Fixed(hours * 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::expression::date_parts::iso_text;

    #[test]
    fn usual_forms_are_read() {
        for (text, expected) in [
            ("2024-01-31", "2024-01-31T00:00:00.000Z"),
            ("2020-07", "2020-07-01T00:00:00.000Z"),
            ("2024/1/31 12:30", "2024-01-31T12:30:00.000Z"),
            ("20240131T123015Z", "2024-01-31T12:30:15.000Z"),
            ("2024-01-31T12:30:15.1239+02:00", "2024-01-31T10:30:15.123Z"),
            (
                "2024-01-31 12:30:15 Europe/Berlin",
                "2024-01-31T11:30:15.000Z",
            ),
            ("Wed, 31 Jan 2024 12:30:15 GMT", "2024-01-31T12:30:15.000Z"),
            ("January 31, 2024", "2024-01-31T00:00:00.000Z"),
        ] {
            let read = instant(text).and_then(iso_text);
            assert_eq!(read.as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_text_is_not_a_date() {
        for text in [
            "",
            "abc",
            "2024",
            "2024-13-01",
            "2024-02-30",
            "12:30",
            "2024-01-31T25:00",
            "2024-01-31 x",
            "Mon Mon Mon",
        ] {
            assert_eq!(instant(text), None, "{text}");
        }
    }
}
