//! ISO 8601 dates: `2024-05-01`, `2024-05-01T10:00:00Z`, `2024-05-01 10:00:00.250+02:00`.
//!
//! MongoDB keeps milliseconds in UTC, so a date is exact as a date if it has no finer fraction.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike};

/// Length of a date in JSON.
pub const DATE_BYTES: usize = 24;

const MINUTE_MS: i64 = 60_000;

/// Digits of nanoseconds.
const FRACTION_DIGITS: usize = 9;

/// A date in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellDate {
    /// Milliseconds since 1970, UTC.
    pub unix_ms: i64,
    /// Whether it has a time without a zone, which is read as UTC.
    pub zone_assumed: bool,
    /// Whether it has a fraction finer than milliseconds.
    pub too_fine: bool,
}

/// Parses an ISO 8601 date with or without a time.
pub fn parse(text: &str) -> Option<CellDate> {
    let bytes = text.as_bytes();
    // Most cells are not dates: decide by their fifth byte.
    if bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return None;
    }
    let day = NaiveDate::from_ymd_opt(
        i32::try_from(digits(bytes.get(..4)?)?).ok()?,
        digits(bytes.get(5..7)?)?,
        digits(bytes.get(8..10)?)?,
    )?;
    let rest = bytes.get(10..)?;
    let date = match rest {
        [] => CellDate {
            unix_ms: unix_ms(day.and_hms_opt(0, 0, 0)?),
            zone_assumed: false,
            too_fine: false,
        },
        [b'T' | b't' | b' ', time @ ..] => parse_time(day, time)?,
        _ => return None,
    };
    // Dates are written with four digits of the year.
    write(date.unix_ms).map(|_written| date)
}

fn parse_time(day: NaiveDate, text: &[u8]) -> Option<CellDate> {
    let hour = digits(text.get(..2)?)?;
    let (minute, text) = after_colon(text.get(2..)?)?;
    let (second, text) = after_colon(text).unwrap_or((0, text));
    let (nanos, text) = fraction(text)?;
    let time = day.and_hms_opt(hour, minute, second)?;
    let offset = offset_minutes(text.strip_prefix(b" ").unwrap_or(text));
    if offset.is_none() && !text.is_empty() {
        return None;
    }
    let local = unix_ms(time) + i64::from(nanos / 1_000_000);
    Some(CellDate {
        unix_ms: local - offset.unwrap_or_default() * MINUTE_MS,
        zone_assumed: offset.is_none(),
        too_fine: nanos % 1_000_000 != 0,
    })
}

/// Parses `:00`.
fn after_colon(text: &[u8]) -> Option<(u32, &[u8])> {
    let text = text.strip_prefix(b":")?;
    let (two, rest) = text.split_at_checked(2)?;
    Some((digits(two)?, rest))
}

/// Parses the nanoseconds of `.25`; none without a fraction.
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let [b'.' | b',', rest @ ..] = text else {
        return Some((0, text));
    };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, rest) = rest.split_at_checked(length)?;
    if !(1..=FRACTION_DIGITS).contains(&length) {
        return None;
    }
    let scale = 10_u32.pow(u32::try_from(FRACTION_DIGITS - length).ok()?);
    Some((digits(fraction)? * scale, rest))
}

/// Parses `Z`, `+02`, `+0200` or `-02:00`.
fn offset_minutes(text: &[u8]) -> Option<i64> {
    let (sign, text) = match text {
        [b'Z' | b'z'] => return Some(0),
        [b'+', text @ ..] => (1, text),
        [b'-', text @ ..] => (-1, text),
        _ => return None,
    };
    let (hours, minutes) = match text {
        [a, b] => ([*a, *b], [b'0', b'0']),
        [a, b, c, d] | [a, b, b':', c, d] => ([*a, *b], [*c, *d]),
        _ => return None,
    };
    let (hours, minutes) = (digits(&hours)?, digits(&minutes)?);
    (hours < 24 && minutes < 60).then(|| sign * i64::from(hours * 60 + minutes))
}

fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        Some(number * 10 + digit)
    })
}

fn unix_ms(time: NaiveDateTime) -> i64 {
    time.and_utc().timestamp_millis()
}

/// Writes a date as in JSON: `2024-05-01T10:00:00.000Z`. `None` outside the years 0 to 9999.
///
/// Every date has one form, so equal dates have equal payloads.
pub fn write(unix_ms: i64) -> Option<[u8; DATE_BYTES]> {
    let date = DateTime::from_timestamp_millis(unix_ms)?.naive_utc();
    let year = u32::try_from(date.year())
        .ok()
        .filter(|year| *year < 10_000)?;
    let mut out = *b"0000-00-00T00:00:00.000Z";
    for (at, length, number) in [
        (0, 4, year),
        (5, 2, date.month()),
        (8, 2, date.day()),
        (11, 2, date.hour()),
        (14, 2, date.minute()),
        (17, 2, date.second()),
        (20, 3, date.nanosecond() / 1_000_000),
    ] {
        let mut number = number;
        for byte in out.iter_mut().skip(at).take(length).rev() {
            *byte = b'0' + u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
        }
    }
    Some(out)
}

/// Parses a date as [`write()`] writes it, and no other form.
pub fn parse_written(text: &str) -> Option<i64> {
    if text.len() != DATE_BYTES {
        return None;
    }
    let date = parse(text)?;
    (write(date.unix_ms)? == text.as_bytes()).then_some(date.unix_ms)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> Option<String> {
        let date = parse(text)?;
        let written = write(date.unix_ms).expect("a parsed date can be written");
        Some(String::from_utf8(written.to_vec()).unwrap())
    }

    #[test]
    fn dates_have_one_form_in_json() {
        for (text, expected) in [
            ("2024-05-01", "2024-05-01T00:00:00.000Z"),
            ("2024-05-01T10:00", "2024-05-01T10:00:00.000Z"),
            ("2024-05-01T10:00:05Z", "2024-05-01T10:00:05.000Z"),
            ("2024-05-01 10:00:05", "2024-05-01T10:00:05.000Z"),
            ("2024-05-01T10:00:05.25Z", "2024-05-01T10:00:05.250Z"),
            ("2024-05-01T10:00:05,250000Z", "2024-05-01T10:00:05.250Z"),
            ("2024-05-01T10:00:05+02:00", "2024-05-01T08:00:05.000Z"),
            ("2024-05-01 10:00:05.1 -0130", "2024-05-01T11:30:05.100Z"),
            ("2024-05-01T00:30:00+01", "2024-04-30T23:30:00.000Z"),
            ("2024-02-29t23:59:59.999z", "2024-02-29T23:59:59.999Z"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
            ("0001-01-01", "0001-01-01T00:00:00.000Z"),
            ("9999-12-31", "9999-12-31T00:00:00.000Z"),
        ] {
            assert_eq!(written(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn texts_that_are_not_iso_dates_are_not_dates() {
        for text in [
            "",
            "2024",
            "2024-05",
            "2024-5-1",
            "2024-13-01",
            "2023-02-29",
            "20240501",
            "2024/05/01",
            "01.05.2024",
            "05/01/2024",
            "12345-6789",
            "2024-05-01T",
            "2024-05-01T10",
            "2024-05-01T24:00:00",
            "2024-05-01T10:60",
            "2024-05-01T23:59:60Z",
            "10:00:00",
            "2024-05-01Z",
            "2024-05-01T10:00:00.Z",
            "2024-05-01T10:00:00+25:00",
            "2024-05-01T10:00:00 CET",
            "2024-05-01T10:00:00.1234567890Z",
            "9999-12-31T23:00:00-02",
            "2024-05-01 ",
            "+024-05-01",
            "２０24-05-01",
        ] {
            assert_eq!(written(text), None, "{text}");
        }
    }

    #[test]
    fn assumptions_and_losses_are_known() {
        let facts = |text: &str| parse(text).map(|date| (date.zone_assumed, date.too_fine));
        assert_eq!(facts("2024-05-01"), Some((false, false)));
        assert_eq!(facts("2024-05-01 10:00:00"), Some((true, false)));
        assert_eq!(facts("2024-05-01 10:00:00Z"), Some((false, false)));
        assert_eq!(facts("2024-05-01T10:00:00.123456Z"), Some((false, true)));
        assert_eq!(facts("2024-05-01T10:00:00.123000Z"), Some((false, false)));
    }

    proptest! {
        #[test]
        fn written_dates_read_back(unix_ms in -62_167_219_200_000_i64..253_402_300_800_000) {
            let written = write(unix_ms).unwrap();
            prop_assert_eq!(parse_written(std::str::from_utf8(&written).unwrap()), Some(unix_ms));
        }

        #[test]
        fn any_instant_is_written_or_not(unix_ms: i64) {
            let _written = write(unix_ms);
        }

        #[test]
        fn any_text_is_a_date_or_not(text: String, close in "2024-0[0-9]-[0-3][0-9][T ]?[0-9:.+Z-]{0,16}") {
            let _dates = (parse(&text), parse(&close), parse_written(&close));
        }
    }
}
