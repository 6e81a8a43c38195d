//! Functions that take dates apart, build them and convert them to text and back.

use chrono::{Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _, Weekday};

use crate::bson::{Builder, Value};
use crate::error::CommandError;
use crate::query::expression::date_parts::{self, Read, week_of_year};
use crate::query::expression::date_text;
use crate::query::expression::date_zone::Zone;
use crate::query::expression::function::Outcome;

/// Milliseconds per day.
const DAY: i64 = 86_400_000;

/// `$year` and the other parts of a date.
pub fn part(name: &str, arguments: &[Value<'_>]) -> Outcome {
    let [date, timezone] = arguments else {
        return Ok(Value::Null);
    };
    let (Some(milliseconds), Some(zone)) =
        (instant_of(date, 16_006)?, Zone::parse_argument(timezone)?)
    else {
        return Ok(Value::Null);
    };
    let local = local(milliseconds, zone)?;
    let number = match name {
        "$year" => local.year(),
        "$month" => local.month().cast_signed(),
        "$dayOfMonth" => local.day().cast_signed(),
        "$hour" => local.hour().cast_signed(),
        "$minute" => local.minute().cast_signed(),
        "$second" => local.second().cast_signed(),
        "$millisecond" => local.and_utc().timestamp_subsec_millis().cast_signed(),
        "$dayOfWeek" => local.weekday().number_from_sunday().cast_signed(),
        "$dayOfYear" => local.ordinal().cast_signed(),
        "$isoDayOfWeek" => local.weekday().number_from_monday().cast_signed(),
        "$isoWeek" => local.iso_week().week().cast_signed(),
        "$isoWeekYear" => return Ok(Value::Int64(i64::from(local.iso_week().year()))),
        _ => week_of_year(local).cast_signed(),
    };
    Ok(Value::Int32(number))
}

/// `$dateToString`
pub fn to_string(arguments: &[Value<'_>]) -> Outcome {
    let [date, pattern, timezone, _on_null] = arguments else {
        return Ok(Value::Null);
    };
    if let Value::String(pattern) = pattern {
        date_parts::check_format(pattern, date_parts::FORMAT)?;
    }
    let zone = Zone::parse_argument(timezone)?;
    let (Some(milliseconds), Some(zone)) = (instant_of(date, 16_006)?, zone) else {
        return Ok(Value::Null);
    };
    let pattern = match pattern {
        Value::Undefined if zone == Zone::UTC => "%Y-%m-%dT%H:%M:%S.%LZ",
        Value::Undefined => "%Y-%m-%dT%H:%M:%S.%L",
        Value::Null => return Ok(Value::Null),
        Value::String(pattern) => pattern.as_ref(),
        _ => {
            let message = "$dateToString requires that 'format' be a string";
            return Err(CommandError::location(18_533, message));
        }
    };
    let offset = zone.offset_at(milliseconds).ok_or_else(out_of_range)?;
    date_parts::format(local(milliseconds, zone)?, pattern, offset).map(Value::from)
}

/// `$dateFromString`
pub fn from_string(arguments: &[Value<'_>]) -> Outcome {
    let [text, format, timezone, ..] = arguments else {
        return Ok(Value::Null);
    };
    let pattern = match format {
        Value::Undefined => None,
        Value::Null => return Ok(Value::Null),
        Value::String(pattern) => {
            date_parts::check_format(pattern, date_parts::READ)?;
            Some(pattern.as_ref())
        }
        other => {
            let kind = other.kind().alias();
            let message =
                format!("$dateFromString requires that 'format' be a string, found: {kind}");
            return Err(CommandError::location(40_684, message));
        }
    };
    let Some(zone) = Zone::parse_argument(timezone)? else {
        return Ok(Value::Null);
    };
    if text.is_nullish() {
        return Ok(Value::Null);
    }
    let zoned = !matches!(timezone, Value::Undefined);
    let failed = |what: &str| {
        CommandError::conversion_failure(format!("Error parsing date string {text}{what}"))
    };
    let given = text.as_str().ok_or_else(|| {
        let kind = text.kind().alias();
        CommandError::conversion_failure(format!(
            "$dateFromString requires that 'dateString' be a string, found: {kind}"
        ))
    })?;
    let read: Option<Read> = match pattern {
        Some(pattern) => date_parts::read(given, pattern),
        None => date_text::read(given),
    };
    let read = read.ok_or_else(|| failed(""))?;
    if zoned && read.zone.is_some() {
        return Err(failed(
            "; you cannot pass in a date/time string with time zone information together with a \
             timezone argument",
        ));
    }
    let instant = read.zone.unwrap_or(zone).instant(read.local);
    instant.map(Value::DateTime).ok_or_else(out_of_range)
}

/// Rejects parts of calendar dates beside those of ISO weeks.
fn check_mixture(
    by_week: bool,
    calendar: [&Value<'_>; 3],
    week: [&Value<'_>; 2],
) -> Result<(), CommandError> {
    let given = |part: &&Value<'_>| !matches!(part, Value::Undefined);
    let [year, ..] = calendar;
    if by_week && given(&year) || given(&year) && week.iter().any(given) {
        let message = "$dateFromParts does not allow mixing natural dates with ISO dates";
        return Err(CommandError::location(40_489, message));
    }
    if by_week && calendar.iter().any(given) {
        let message = "$dateFromParts does not allow mixing ISO dates with natural dates";
        return Err(CommandError::location(40_525, message));
    }
    if !by_week && !given(&year) {
        let message = "$dateFromParts requires either 'year' or 'isoWeekYear' to be present";
        return Err(CommandError::location(40_516, message));
    }
    Ok(())
}

/// `$dateFromParts`; a part that exceeds its range carries over.
pub fn from_parts(arguments: &[Value<'_>]) -> Outcome {
    let [
        year,
        month,
        day,
        hour,
        minute,
        second,
        millisecond,
        timezone,
        iso_year,
        iso_week,
        iso_day,
    ] = arguments
    else {
        return Ok(Value::Null);
    };
    let by_week = !matches!(iso_year, Value::Undefined);
    check_mixture(by_week, [year, month, day], [iso_week, iso_day])?;
    let dates = if by_week {
        [
            part_or("isoWeekYear", iso_year, 1970)?,
            part_or("isoWeek", iso_week, 1)?,
            part_or("isoDayOfWeek", iso_day, 1)?,
        ]
    } else {
        [
            part_or("year", year, 1970)?,
            part_or("month", month, 1)?,
            part_or("day", day, 1)?,
        ]
    };
    let times = [
        part_or("hour", hour, 0)?,
        part_or("minute", minute, 0)?,
        part_or("second", second, 0)?,
        part_or("millisecond", millisecond, 0)?,
    ];
    let zone = Zone::parse_argument(timezone)?;
    let (
        [Some(year), Some(month), Some(day)],
        [Some(hour), Some(minute), Some(second), Some(milli)],
        Some(zone),
    ) = (dates, times, zone)
    else {
        return Ok(Value::Null);
    };
    check_range(
        if by_week { "isoWeekYear" } else { "year" },
        year,
        1..=9_999,
        40_523,
    )?;
    for (name, value) in [
        ("month", month),
        ("day", day),
        ("hour", hour),
        ("minute", minute),
    ] {
        check_range(name, value, -32_768..=32_767, 31_034)?;
    }
    let start = if by_week {
        first_of_week(year, month)
    } else {
        first_of_month(year, month)
    };
    let local = start.and_then(|start| carried(start, day, [hour, minute, second, milli]));
    let instant = local.and_then(|local| zone.instant(local));
    instant.map(Value::DateTime).ok_or_else(out_of_range)
}

/// Adds days, counted from 1, and the parts of a time, which may exceed their ranges.
fn carried(start: NaiveDate, day: i64, time: [i64; 4]) -> Option<NaiveDateTime> {
    let units = [DAY / 24, 60_000, 1_000, 1];
    let mut sum = (day - 1).checked_mul(DAY)?;
    for (count, unit) in time.into_iter().zip(units) {
        sum = sum.checked_add(count.checked_mul(unit)?)?;
    }
    let start = start.and_time(NaiveTime::MIN);
    start.checked_add_signed(chrono::TimeDelta::try_milliseconds(sum)?)
}

/// Reads a part of a date, which has a default if it is omitted; `None` if it is null or missing.
fn part_or(name: &str, value: &Value<'_>, omitted: i64) -> Result<Option<i64>, CommandError> {
    match value {
        Value::Undefined => Ok(Some(omitted)),
        Value::Null => Ok(None),
        value => value.as_i64().map(Some).ok_or_else(|| {
            let message = format!(
                "'{name}' must evaluate to an integer, found {} with value {value}",
                value.kind().alias()
            );
            CommandError::location(40_515, message)
        }),
    }
}

fn check_range(
    name: &str,
    value: i64,
    range: std::ops::RangeInclusive<i64>,
    code: i32,
) -> Result<(), CommandError> {
    if range.contains(&value) {
        return Ok(());
    }
    let message = format!(
        "'{name}' must evaluate to an integer in the range {} to {}, found {value}",
        range.start(),
        range.end()
    );
    Err(CommandError::location(code, message))
}

/// Returns the first day of a month; months beyond 1 to 12 carry over to the year.
fn first_of_month(year: i64, month: i64) -> Option<NaiveDate> {
    let months = year.checked_mul(12)?.checked_add(month - 1)?;
    let year = i32::try_from(months.div_euclid(12)).ok()?;
    let month = u32::try_from(months.rem_euclid(12)).ok()? + 1;
    NaiveDate::from_ymd_opt(year, month, 1)
}

/// Returns the Monday of an ISO week; weeks beyond those of the year carry over.
fn first_of_week(year: i64, week: i64) -> Option<NaiveDate> {
    let first = NaiveDate::from_isoywd_opt(i32::try_from(year).ok()?, 1, Weekday::Mon)?;
    first.checked_add_signed(chrono::TimeDelta::try_weeks(week - 1)?)
}

/// `$dateToParts`
pub fn to_parts(arguments: &[Value<'_>]) -> Outcome {
    let [date, timezone, iso] = arguments else {
        return Ok(Value::Null);
    };
    let iso = match iso {
        Value::Undefined => false,
        Value::Null => return Ok(Value::Null),
        Value::Bool(iso) => *iso,
        other => {
            let kind = other.kind().alias();
            let message = format!("iso8601 must evaluate to a bool, found {kind}");
            return Err(CommandError::location(40_521, message));
        }
    };
    let zone = Zone::parse_argument(timezone)?;
    let (Some(milliseconds), Some(zone)) = (instant_of(date, 16_006)?, zone) else {
        return Ok(Value::Null);
    };
    let local = local(milliseconds, zone)?;
    let parts = if iso {
        Builder::new()
            .int32("isoWeekYear", local.iso_week().year())
            .int32("isoWeek", local.iso_week().week().cast_signed())
            .int32(
                "isoDayOfWeek",
                local.weekday().number_from_monday().cast_signed(),
            )
    } else {
        Builder::new()
            .int32("year", local.year())
            .int32("month", local.month().cast_signed())
            .int32("day", local.day().cast_signed())
    };
    let parts = parts
        .int32("hour", local.hour().cast_signed())
        .int32("minute", local.minute().cast_signed())
        .int32("second", local.second().cast_signed())
        .int32(
            "millisecond",
            local.and_utc().timestamp_subsec_millis().cast_signed(),
        );
    Ok(Value::Document(parts.finish().into()))
}

/// Returns the local date and time at an instant.
pub fn local(milliseconds: i64, zone: Zone) -> Result<NaiveDateTime, CommandError> {
    zone.local(milliseconds).ok_or_else(out_of_range)
}

/// Returns the error for a date that cannot be represented.
pub fn out_of_range() -> CommandError {
    CommandError::bad_value("a date is out of range")
}

/// Reads a date, or the date of an `ObjectId` or timestamp; `None` if it is null or missing. `code`
/// is that of the error for other types.
pub fn instant_of(value: &Value<'_>, code: i32) -> Result<Option<i64>, CommandError> {
    match value {
        value if value.is_nullish() => Ok(None),
        Value::DateTime(milliseconds) => Ok(Some(*milliseconds)),
        Value::ObjectId(id) => Ok(Some(i64::from(id.seconds().cast_signed()) * 1_000)),
        Value::Timestamp(stamp) => Ok(i64::try_from(stamp >> 32)
            .ok()
            .map(|seconds| seconds * 1_000)),
        other => Err(CommandError::location(
            code,
            format!(
                "can't convert from BSON type {} to Date",
                other.kind().alias()
            ),
        )),
    }
}
