//! Functions of dates.

use chrono::{
    Datelike as _, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _, Weekday,
};

use crate::bson::{Builder, Value};
use crate::error::CommandError;
use crate::query::expression::date_parts::{self, Offset, week_of_year};
use crate::query::expression::function::Outcome;
use crate::query::expression::values::null_if_missing;

/// Milliseconds per day.
const DAY: i64 = 86_400_000;

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// A number of months.
    Months(i32),
    /// A number of milliseconds.
    Milliseconds(i64),
    /// A week, whose first day is an argument.
    Week,
}

impl Unit {
    fn parse(value: &Value<'_>) -> Result<Option<Self>, CommandError> {
        let Some(name) = value.as_str() else {
            return if value.is_nullish() {
                Ok(None)
            } else {
                let message = "requires 'unit' to be a string";
                Err(CommandError::location(5_439_013, message))
            };
        };
        Ok(Some(match name {
            "year" => Self::Months(12),
            "quarter" => Self::Months(3),
            "month" => Self::Months(1),
            "week" => Self::Week,
            "day" => Self::Milliseconds(DAY),
            "hour" => Self::Milliseconds(DAY / 24),
            "minute" => Self::Milliseconds(60_000),
            "second" => Self::Milliseconds(1_000),
            "millisecond" => Self::Milliseconds(1),
            _ => {
                let message = format!("unknown time unit value: {name}");
                return Err(CommandError::failed_to_parse(message));
            }
        }))
    }
}

/// `$year` and the other parts, of a date or of `{ date, timezone }`.
pub fn part(name: &str, arguments: &[Value<'_>]) -> Outcome {
    let Some(argument) = arguments.first() else {
        return Ok(Value::Null);
    };
    let (date, offset) = match argument.as_document() {
        Some(doc) => (
            doc.get("date").unwrap_or(Value::Undefined),
            Offset::parse_argument(doc.get("timezone").as_ref())?,
        ),
        None => (argument.clone(), Some(Offset(0))),
    };
    let (Some(milliseconds), Some(offset)) = (milliseconds(&date)?, offset) else {
        return Ok(Value::Null);
    };
    let local = local(milliseconds, offset)?;
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
    let [date, pattern, timezone, on_null] = arguments else {
        return Ok(Value::Null);
    };
    let (Some(milliseconds), Some(offset)) =
        (milliseconds(date)?, Offset::parse_argument(Some(timezone))?)
    else {
        return Ok(null_if_missing(on_null.clone().into_owned()));
    };
    let zoned = !matches!(timezone, Value::Undefined);
    let pattern = match pattern {
        Value::Undefined if zoned => "%Y-%m-%dT%H:%M:%S.%L",
        Value::Undefined => "%Y-%m-%dT%H:%M:%S.%LZ",
        Value::Null => return Ok(Value::Null),
        Value::String(pattern) => pattern.as_ref(),
        _ => {
            let message = "$dateToString requires that 'format' be a string";
            return Err(CommandError::location(18_533, message));
        }
    };
    let local = local(milliseconds, offset)?;
    date_parts::format(local, pattern, offset).map(Value::from)
}

/// `$dateFromString`, for ISO 8601 without a format.
pub fn from_string(arguments: &[Value<'_>]) -> Outcome {
    let [text, format, timezone, on_error, on_null] = arguments else {
        return Ok(Value::Null);
    };
    if text.is_nullish() {
        return Ok(null_if_missing(on_null.clone().into_owned()));
    }
    if !matches!(format, Value::Undefined) {
        return Err(CommandError::unsupported(
            "the argument 'format' of $dateFromString",
        ));
    }
    let Some(offset) = Offset::parse_argument(Some(timezone))? else {
        return Ok(Value::Null);
    };
    let parsed = text.as_str().and_then(date_parts::parse_iso);
    match parsed {
        Some(milliseconds) => Ok(Value::DateTime(milliseconds - offset.0)),
        None if !matches!(on_error, Value::Undefined) => Ok(on_error.clone().into_owned()),
        None => Err(CommandError::conversion_failure(format!(
            "Error parsing date string {text}"
        ))),
    }
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
    ] = arguments
    else {
        return Ok(Value::Null);
    };
    let parts = [
        part_or(year, 1970)?,
        part_or(month, 1)?,
        part_or(day, 1)?,
        part_or(hour, 0)?,
        part_or(minute, 0)?,
        part_or(second, 0)?,
        part_or(millisecond, 0)?,
    ];
    let [
        Some(year),
        Some(month),
        Some(day),
        Some(hour),
        Some(minute),
        Some(second),
        Some(milli),
    ] = parts
    else {
        return Ok(Value::Null);
    };
    let Some(offset) = Offset::parse_argument(Some(timezone))? else {
        return Ok(Value::Null);
    };
    let start = first_of_month(year, month)
        .and_then(|first| offset.instant(first.and_time(NaiveTime::MIN)));
    let rest = (day - 1)
        .checked_mul(DAY)
        .and_then(|sum| sum.checked_add(hour.checked_mul(DAY / 24)?))
        .and_then(|sum| sum.checked_add(minute.checked_mul(60_000)?))
        .and_then(|sum| sum.checked_add(second.checked_mul(1_000)?))
        .and_then(|sum| sum.checked_add(milli));
    let total = start
        .zip(rest)
        .and_then(|(start, rest)| start.checked_add(rest));
    total.map(Value::DateTime).ok_or_else(out_of_range)
}

/// Reads a part of a date; `None` if it is null.
fn part_or(value: &Value<'_>, missing: i64) -> Result<Option<i64>, CommandError> {
    match value {
        Value::Undefined => Ok(Some(missing)),
        Value::Null => Ok(None),
        value => value.as_i64().map(Some).ok_or_else(|| {
            let message = format!("$dateFromParts needs whole numbers, found {value}");
            CommandError::location(40_515, message)
        }),
    }
}

/// Returns the first day of a month; months beyond 1 to 12 carry over to the year.
fn first_of_month(year: i64, month: i64) -> Option<NaiveDate> {
    let months = year.checked_mul(12)?.checked_add(month - 1)?;
    let year = i32::try_from(months.div_euclid(12)).ok()?;
    let month = u32::try_from(months.rem_euclid(12)).ok()? + 1;
    NaiveDate::from_ymd_opt(year, month, 1)
}

/// `$dateToParts`
pub fn to_parts(arguments: &[Value<'_>]) -> Outcome {
    let [date, timezone, iso] = arguments else {
        return Ok(Value::Null);
    };
    let (Some(milliseconds), Some(offset)) =
        (milliseconds(date)?, Offset::parse_argument(Some(timezone))?)
    else {
        return Ok(Value::Null);
    };
    let local = local(milliseconds, offset)?;
    let parts = if iso.is_truthy() {
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

/// `$dateAdd`
pub fn add(arguments: &[Value<'_>]) -> Outcome {
    shift(arguments, 1)
}

/// `$dateSubtract`
pub fn subtract(arguments: &[Value<'_>]) -> Outcome {
    shift(arguments, -1)
}

fn shift(arguments: &[Value<'_>], sign: i64) -> Outcome {
    let [date, unit, amount, timezone] = arguments else {
        return Ok(Value::Null);
    };
    let (Some(milliseconds), Some(unit), Some(offset)) = (
        milliseconds(date)?,
        Unit::parse(unit)?,
        Offset::parse_argument(Some(timezone))?,
    ) else {
        return Ok(Value::Null);
    };
    if amount.is_nullish() {
        return Ok(Value::Null);
    }
    let amount = amount
        .as_i64()
        .and_then(|amount| amount.checked_mul(sign))
        .ok_or_else(|| {
            let message = "expects integer amount of time units";
            CommandError::location(5_166_405, message)
        })?;
    let shifted = match unit {
        Unit::Milliseconds(unit) => unit
            .checked_mul(amount)
            .and_then(|by| milliseconds.checked_add(by)),
        Unit::Week => (7 * DAY)
            .checked_mul(amount)
            .and_then(|by| milliseconds.checked_add(by)),
        Unit::Months(unit) => {
            let local = local(milliseconds, offset)?;
            let months = amount.checked_mul(i64::from(unit));
            let months = months.and_then(|months| i32::try_from(months).ok());
            let moved = months.and_then(|months| {
                if months < 0 {
                    local.checked_sub_months(Months::new(months.unsigned_abs()))
                } else {
                    local.checked_add_months(Months::new(months.unsigned_abs()))
                }
            });
            moved.and_then(|moved| offset.instant(moved))
        }
    };
    shifted.map(Value::DateTime).ok_or_else(out_of_range)
}

/// `$dateDiff`: the number of unit boundaries between two dates.
pub fn difference(arguments: &[Value<'_>]) -> Outcome {
    let [start, end, unit, timezone, start_of_week] = arguments else {
        return Ok(Value::Null);
    };
    let (Some(start), Some(end), Some(unit), Some(offset)) = (
        milliseconds(start)?,
        milliseconds(end)?,
        Unit::parse(unit)?,
        Offset::parse_argument(Some(timezone))?,
    ) else {
        return Ok(Value::Null);
    };
    let count = |milliseconds: i64| -> Result<i64, CommandError> {
        let local = local(milliseconds, offset)?;
        let since = local.and_utc().timestamp_millis();
        Ok(match unit {
            Unit::Milliseconds(unit) => since.div_euclid(unit),
            Unit::Months(unit) => months_of(local).div_euclid(i64::from(unit)),
            Unit::Week => {
                let first = weekday(start_of_week)?;
                let days = i64::from(local.weekday().days_since(first));
                (since.div_euclid(DAY) - days).div_euclid(7)
            }
        })
    };
    Ok(Value::Int64(count(end)? - count(start)?))
}

/// `$dateTrunc`: the start of the unit, or of the bin of units, that contains a date.
pub fn truncate(arguments: &[Value<'_>]) -> Outcome {
    let [date, unit, size, timezone, start_of_week] = arguments else {
        return Ok(Value::Null);
    };
    let (Some(milliseconds), Some(unit), Some(offset)) = (
        milliseconds(date)?,
        Unit::parse(unit)?,
        Offset::parse_argument(Some(timezone))?,
    ) else {
        return Ok(Value::Null);
    };
    let size = match size {
        Value::Undefined => 1,
        Value::Null => return Ok(Value::Null),
        value => value.as_i64().filter(|&size| size > 0).ok_or_else(|| {
            let message = "$dateTrunc requires 'binSize' to be a positive whole number";
            CommandError::location(5_439_017, message)
        })?,
    };
    let local = local(milliseconds, offset)?;
    let reference = NaiveDate::from_ymd_opt(2000, 1, 1).ok_or_else(out_of_range)?;
    let start = match unit {
        Unit::Months(months) => {
            let bin = size
                .checked_mul(i64::from(months))
                .ok_or_else(out_of_range)?;
            let since = months_of(local) - months_of(reference.and_time(NaiveTime::MIN));
            let months = 24_000 + since.div_euclid(bin) * bin;
            let year = i32::try_from(months.div_euclid(12)).map_err(|_large| out_of_range())?;
            let month = u32::try_from(months.rem_euclid(12)).unwrap_or_default() + 1;
            NaiveDate::from_ymd_opt(year, month, 1).map(|date| date.and_time(NaiveTime::MIN))
        }
        Unit::Milliseconds(_) | Unit::Week => {
            let (bin, reference) = match unit {
                Unit::Milliseconds(unit) => (unit, reference),
                _ => (7 * DAY, first_weekday(reference, weekday(start_of_week)?)),
            };
            let bin = bin.checked_mul(size).ok_or_else(out_of_range)?;
            let reference = reference
                .and_time(NaiveTime::MIN)
                .and_utc()
                .timestamp_millis();
            let since = local.and_utc().timestamp_millis() - reference;
            Offset(0).local(reference + since.div_euclid(bin) * bin)
        }
    };
    let instant = start.and_then(|start| offset.instant(start));
    instant.map(Value::DateTime).ok_or_else(out_of_range)
}

/// Returns the first day on or after a date that is the given weekday.
fn first_weekday(date: NaiveDate, wanted: Weekday) -> NaiveDate {
    let days = wanted.days_since(date.weekday());
    date.checked_add_days(Days::new(u64::from(days)))
        .unwrap_or(date)
}

fn months_of(local: NaiveDateTime) -> i64 {
    i64::from(local.year()) * 12 + i64::from(local.month0())
}

fn weekday(name: &Value<'_>) -> Result<Weekday, CommandError> {
    match name {
        Value::String(name) => name.parse().map_err(|_unknown| {
            CommandError::failed_to_parse(format!("unknown day of week value: {name}"))
        }),
        _ => Ok(Weekday::Sun),
    }
}

fn local(milliseconds: i64, offset: Offset) -> Result<NaiveDateTime, CommandError> {
    offset.local(milliseconds).ok_or_else(out_of_range)
}

fn out_of_range() -> CommandError {
    CommandError::bad_value("a date is out of range")
}

/// Reads a date, or the date of an `ObjectId` or timestamp; `None` if it is null or missing.
fn milliseconds(value: &Value<'_>) -> Result<Option<i64>, CommandError> {
    match value {
        value if value.is_nullish() => Ok(None),
        Value::DateTime(milliseconds) => Ok(Some(*milliseconds)),
        Value::ObjectId(id) => Ok(Some(i64::from(id.seconds()) * 1_000)),
        Value::Timestamp(stamp) => Ok(i64::try_from(stamp >> 32)
            .ok()
            .map(|seconds| seconds * 1_000)),
        other => Err(CommandError::location(
            16_006,
            format!(
                "can't convert from BSON type {} to Date",
                other.kind().alias()
            ),
        )),
    }
}
