//! Values as people type them. Each error completes "invalid value `…` for `--…`: ".

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::load::LONGEST_DURATION;
use crate::record::{MAX_RUN_ID, is_run_id};

/// Parses a value that says itself what is wrong with it.
pub(super) fn value<T>(text: &str) -> Result<T, String>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Parses a whole number of at least one.
pub(super) fn count<T>(text: &str) -> Result<T, String>
where
    T: TryFrom<u64>,
{
    let number = match text.parse::<u64>() {
        Ok(0) => return Err("must be at least 1".to_owned()),
        Ok(number) => number,
        Err(_) => return Err("expected a whole number of at least 1".to_owned()),
    };
    T::try_from(number).map_err(|_too_large| "too large".to_owned())
}

/// Parses a number of replicas.
pub(super) fn replicas(text: &str) -> Result<i16, String> {
    let number: u64 = count(text)?;
    i16::try_from(number).map_err(|_too_large| "too large".to_owned())
}

/// Parses the name of a run or a group, which becomes part of file names and keys.
pub(super) fn name(text: &str) -> Result<String, String> {
    if is_run_id(text) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "expected up to {MAX_RUN_ID} letters, digits, `.`, `_` and `-`, a letter or digit first"
    ))
}

/// Parses a number above zero.
pub(super) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("expected a number above 0".to_owned()),
    }
}

/// Parses a duration with its unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration > LONGEST_DURATION => Err("longer than a year".to_owned()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("expected a duration with its unit, such as `10s` or `250ms`".to_owned()),
    }
}

/// Parses a duration above zero with its unit.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than 0".to_owned()),
        span => Ok(span),
    }
}

/// Parses the name of a topic as Kafka allows it.
pub(super) fn topic(text: &str) -> Result<String, String> {
    let legal = |symbol: char| symbol.is_ascii_alphanumeric() || "._-".contains(symbol);
    if text.is_empty() || text.len() > 249 || text == "." || text == ".." {
        return Err("expected 1 to 249 characters, not `.` or `..`".to_owned());
    }
    if !text.chars().all(legal) {
        return Err("expected letters, digits, `.`, `_` and `-`".to_owned());
    }
    Ok(text.to_owned())
}

/// Parses the name of a database as MongoDB allows it.
pub(super) fn database(text: &str) -> Result<String, String> {
    let illegal = |symbol: char| "/\\. \"$*<>:|?\0".contains(symbol);
    if text.is_empty() || text.len() > 63 {
        return Err("expected 1 to 63 bytes".to_owned());
    }
    if text.contains(illegal) {
        return Err("must not contain spaces or any of /\\.\"$*<>:|?".to_owned());
    }
    Ok(text.to_owned())
}

/// Parses the name of a collection as MongoDB allows it.
pub(super) fn collection(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 200 {
        return Err("expected 1 to 200 bytes".to_owned());
    }
    if text.starts_with("system.") || text.contains(['$', '\0']) {
        return Err("must not start with `system.` or contain `$`".to_owned());
    }
    Ok(text.to_owned())
}

/// Parses the name of a user as basic authentication, SASL and a line of text allow it.
pub(super) fn user(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(':') || text.contains(char::is_control) {
        return Err("expected a name without `:` and control characters".to_owned());
    }
    Ok(text.to_owned())
}
