//! Functions that compute with dates: add, subtract, count and truncate units of time.

use chrono::{Datelike as _, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, Weekday};

use crate::bson::Value;
use crate::error::CommandError;
use crate::query::expression::date::{instant_of, local, out_of_range};
use crate::query::expression::date_zone::Zone;
use crate::query::expression::function::Outcome;

/// Largest number of months, quarters or years of a bin.
const MAX_BIN_MONTHS: i64 = 100_000_000_000;

/// Milliseconds per hour.
const HOUR: i64 = 3_600_000;

/// Milliseconds per day.
const DAY: i64 = 24 * HOUR;

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// A number of months.
    Months(i32),
    /// A week, whose first day is an argument.
    Week,
    Day,
    /// A number of milliseconds, at most an hour.
    Milliseconds(i64),
}

impl Unit {
    /// Reads the name of a unit; `code` is that of the error for other types than strings.
    fn parse(value: &Value<'_>, code: i32) -> Result<Option<Self>, CommandError> {
        let Some(name) = value.as_str() else {
            return if value.is_nullish() {
                Ok(None)
            } else {
                Err(CommandError::location(
                    code,
                    "requires 'unit' to be a string",
                ))
            };
        };
        Ok(Some(match name {
            "year" => Self::Months(12),
            "quarter" => Self::Months(3),
            "month" => Self::Months(1),
            "week" => Self::Week,
            "day" => Self::Day,
            "hour" => Self::Milliseconds(HOUR),
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

/// A unit of time by which other code than expressions moves dates, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateUnit(Unit);

impl DateUnit {
    /// Returns the unit with a name.
    pub fn named(name: &str) -> Result<Self, CommandError> {
        let unit = Unit::parse(&Value::from(name), 5_439_013)?;
        unit.map(Self)
            .ok_or_else(|| CommandError::failed_to_parse("a unit of time is missing"))
    }

    /// Returns its length, if that is constant.
    pub fn milliseconds(self) -> Option<i64> {
        match self.0 {
            Unit::Months(_) => None,
            Unit::Week => Some(7 * DAY),
            Unit::Day => Some(DAY),
            Unit::Milliseconds(length) => Some(length),
        }
    }

    /// Adds a number of units to a date; `None` if there is no such date.
    pub fn add(self, milliseconds: i64, amount: i64) -> Option<i64> {
        shifted(milliseconds, Zone::UTC, self.0, amount)
    }
}

/// `$dateAdd`
pub fn add(arguments: &[Value<'_>]) -> Outcome {
    shift("$dateAdd", arguments, 1)
}

/// `$dateSubtract`
pub fn subtract(arguments: &[Value<'_>]) -> Outcome {
    shift("$dateSubtract", arguments, -1)
}

fn shift(name: &str, arguments: &[Value<'_>], sign: i64) -> Outcome {
    let [date, unit, amount, timezone] = arguments else {
        return Ok(Value::Null);
    };
    if arguments.iter().take(3).any(Value::is_nullish) {
        return Ok(Value::Null);
    }
    let (Some(milliseconds), Some(unit), Some(zone)) = (
        instant_of(date, 5_166_403)?,
        Unit::parse(unit, 5_166_404)?,
        Zone::parse_argument(timezone)?,
    ) else {
        return Ok(Value::Null);
    };
    let whole = amount.as_i64().ok_or_else(|| {
        let message = format!("{name} expects integer amount of time units");
        CommandError::location(5_166_405, message)
    })?;
    let amount = whole.checked_mul(sign).ok_or_else(|| {
        let message = format!("invalid {name} 'amount' parameter value: {whole}");
        CommandError::location(6_045_000, message)
    })?;
    let shifted = shifted(milliseconds, zone, unit, amount);
    shifted.map(Value::DateTime).ok_or_else(|| {
        let message = format!("{name} overflowed");
        CommandError::location(5_166_406, message)
    })
}

/// Adds units. Days and more keep the local time of day, less is time that passes.
fn shifted(milliseconds: i64, zone: Zone, unit: Unit, amount: i64) -> Option<i64> {
    let by_days = |days: i64| {
        let days = amount.checked_mul(days)?;
        let local = zone.local(milliseconds)?;
        zone.instant(local.checked_add_signed(chrono::TimeDelta::try_days(days)?)?)
    };
    match unit {
        Unit::Milliseconds(unit) => milliseconds.checked_add(unit.checked_mul(amount)?),
        Unit::Day => by_days(1),
        Unit::Week => by_days(7),
        Unit::Months(unit) => {
            let local = zone.local(milliseconds)?;
            let months = i32::try_from(amount.checked_mul(i64::from(unit))?).ok()?;
            let by = Months::new(months.unsigned_abs());
            zone.instant(if months < 0 {
                local.checked_sub_months(by)?
            } else {
                local.checked_add_months(by)?
            })
        }
    }
}

/// `$dateDiff`: the number of unit boundaries between two dates.
pub fn difference(arguments: &[Value<'_>]) -> Outcome {
    let [start, end, unit, timezone, start_of_week] = arguments else {
        return Ok(Value::Null);
    };
    if arguments.iter().take(3).any(Value::is_nullish) {
        return Ok(Value::Null);
    }
    let (Some(start), Some(end), Some(unit), Some(zone)) = (
        instant_of(start, 5_166_307)?,
        instant_of(end, 5_166_307)?,
        Unit::parse(unit, 5_439_013)?,
        Zone::parse_argument(timezone)?,
    ) else {
        return Ok(Value::Null);
    };
    let Some(first) = first_weekday_argument(unit, start_of_week)? else {
        return Ok(Value::Null);
    };
    let count = |milliseconds: i64| -> Result<i64, CommandError> {
        if let Unit::Milliseconds(unit) = unit {
            // Only offsets that are no whole number of units move the boundaries.
            let offset = zone.offset_at(milliseconds).ok_or_else(out_of_range)?;
            let shifted = milliseconds.checked_add(offset.rem_euclid(unit));
            return Ok(shifted.ok_or_else(out_of_range)?.div_euclid(unit));
        }
        let local = local(milliseconds, zone)?;
        let days = local.and_utc().timestamp_millis().div_euclid(DAY);
        Ok(match unit {
            Unit::Week => (days - i64::from(local.weekday().days_since(first))).div_euclid(7),
            Unit::Months(unit) => months_of(local).div_euclid(i64::from(unit)),
            Unit::Day | Unit::Milliseconds(_) => days,
        })
    };
    let difference = count(end)?.checked_sub(count(start)?);
    difference.map(Value::Int64).ok_or_else(out_of_range)
}

/// Omits a `startOfWeek` of `$dateTrunc` that is null and not needed. MongoDB does so if all arguments
/// are constants, and returns null otherwise.
pub fn ignore_null_weekday(arguments: &mut [Value<'_>]) {
    if let [_, unit, _, _, start_of_week] = arguments
        && unit.as_str() != Some("week")
        && matches!(start_of_week, Value::Null)
    {
        *start_of_week = Value::Undefined;
    }
}

/// `$dateTrunc`: the start of the unit, or of the bin of units, that contains a date.
pub fn truncate(arguments: &[Value<'_>]) -> Outcome {
    let [date, unit, size, timezone, start_of_week] = arguments else {
        return Ok(Value::Null);
    };
    let null = |value: &Value<'_>| matches!(value, Value::Null);
    if arguments.iter().take(2).any(Value::is_nullish) || null(size) || null(start_of_week) {
        return Ok(Value::Null);
    }
    let (Some(milliseconds), Some(unit), Some(zone)) = (
        instant_of(date, 5_166_307)?,
        Unit::parse(unit, 5_439_013)?,
        Zone::parse_argument(timezone)?,
    ) else {
        return Ok(Value::Null);
    };
    let size = read_bin_size(size)?;
    check_bin_size(unit, size)?;
    let Some(first) = first_weekday_argument(unit, start_of_week)? else {
        return Ok(Value::Null);
    };
    let start = start_of_bin(milliseconds, zone, unit, size, first);
    start.map(Value::DateTime).ok_or_else(out_of_range)
}

fn read_bin_size(size: &Value<'_>) -> Result<i64, CommandError> {
    if matches!(size, Value::Undefined) {
        return Ok(1);
    }
    let whole = size.as_i64().ok_or_else(|| {
        let message = "$dateTrunc requires 'binSize' to be a 64-bit integer";
        CommandError::location(5_439_017, message)
    })?;
    if whole <= 0 {
        let message = "$dateTrunc requires 'binSize' to be greater than 0";
        return Err(CommandError::location(5_439_018, message));
    }
    Ok(whole)
}

/// Rejects a bin that is longer than the dates of MongoDB reach.
fn check_bin_size(unit: Unit, size: i64) -> Result<(), CommandError> {
    let (fits, code) = match unit {
        Unit::Milliseconds(unit) => (unit.checked_mul(size).is_some(), 5_439_002),
        Unit::Months(_) => (size <= MAX_BIN_MONTHS, 5_439_006),
        Unit::Day | Unit::Week => (true, 0),
    };
    if fits {
        return Ok(());
    }
    let message = format!("$dateTrunc does not support a 'binSize' of {size} for this unit");
    Err(CommandError::location(code, message))
}

/// Returns the start of the bin of units that contains an instant; bins are counted from 2000.
fn start_of_bin(
    milliseconds: i64,
    zone: Zone,
    unit: Unit,
    size: i64,
    first: Weekday,
) -> Option<i64> {
    let reference = NaiveDate::from_ymd_opt(2000, 1, 1)?;
    let local = zone.local(milliseconds)?;
    match unit {
        Unit::Milliseconds(unit) => {
            let reference = zone.instant(reference.and_time(NaiveTime::MIN))?;
            let bin = unit.checked_mul(size)?;
            let since = milliseconds.checked_sub(reference)?;
            reference.checked_add(since.div_euclid(bin).checked_mul(bin)?)
        }
        Unit::Day | Unit::Week => {
            let (days, reference) = match unit {
                Unit::Day => (1, reference),
                _ => (7, first_weekday(reference, first)),
            };
            let bin = size.checked_mul(days)?;
            let since = local.date().signed_duration_since(reference).num_days();
            let days = since.div_euclid(bin).checked_mul(bin)?;
            let start = reference.checked_add_signed(chrono::TimeDelta::try_days(days)?)?;
            zone.instant(start.and_time(NaiveTime::MIN))
        }
        Unit::Months(months) => {
            let bin = size.checked_mul(i64::from(months))?;
            let since = months_of(local) - 24_000;
            let months = since
                .div_euclid(bin)
                .checked_mul(bin)?
                .checked_add(24_000)?;
            let year = i32::try_from(months.div_euclid(12)).ok()?;
            let month = u32::try_from(months.rem_euclid(12)).ok()? + 1;
            let start = NaiveDate::from_ymd_opt(year, month, 1)?;
            zone.instant(start.and_time(NaiveTime::MIN))
        }
    }
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

/// Reads the first day of the week, which only weeks need. Sunday if omitted; `None` if null.
fn first_weekday_argument(unit: Unit, name: &Value<'_>) -> Result<Option<Weekday>, CommandError> {
    if unit != Unit::Week {
        return Ok(Some(Weekday::Sun));
    }
    match name {
        Value::Undefined => Ok(Some(Weekday::Sun)),
        Value::Null => Ok(None),
        Value::String(name) => match name.parse() {
            Ok(day) if name.len() == 3 || name.len() > 5 => Ok(Some(day)),
            _ => {
                let message = format!("unknown day of week value: {name}");
                Err(CommandError::location(5_439_016, message))
            }
        },
        other => Err(CommandError::location(
            5_439_015,
            format!(
                "requires 'startOfWeek' to be a string, but got {}",
                other.kind().alias()
            ),
        )),
    }
}
