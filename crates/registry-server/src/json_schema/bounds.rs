//! Compares lengths, numbers, patterns and lists of values.

use serde_json::Value;

use crate::json_schema::finding::Found;
use crate::json_schema::graph::{Number, Text};

/// A limit of values.
pub(super) struct Limit {
    pub(super) keyword: &'static str,
    /// Name in the kinds of findings.
    pub(super) name: &'static str,
    /// The limit is an upper one.
    pub(super) upper: bool,
}

impl Limit {
    pub(super) const fn upper(keyword: &'static str, name: &'static str) -> Self {
        Self {
            keyword,
            name,
            upper: true,
        }
    }

    pub(super) const fn lower(keyword: &'static str, name: &'static str) -> Self {
        Self {
            keyword,
            name,
            upper: false,
        }
    }

    /// Compares the limit of a writer with that of a reader.
    pub(super) fn compare(&self, writer: Option<f64>, reader: Option<f64>, found: &mut Found) {
        let Some(reader) = reader else {
            return;
        };
        let (change, text) = match writer {
            None => ("ADDED", "adds this limit"),
            Some(writer) if self.upper && reader < writer => ("DECREASED", "has a smaller limit"),
            Some(writer) if !self.upper && reader > writer => ("INCREASED", "has a larger limit"),
            Some(_) => return,
        };
        found.add(format!("{}_{change}", self.name), self.keyword, text);
    }
}

pub(super) fn texts(writer: &Text<'_>, reader: &Text<'_>, found: &mut Found) {
    Limit::upper("maxLength", "MAX_LENGTH").compare(writer.max_length, reader.max_length, found);
    Limit::lower("minLength", "MIN_LENGTH").compare(writer.min_length, reader.min_length, found);
    match (writer.pattern, reader.pattern) {
        (None, Some(_)) => found.add("PATTERN_ADDED", "pattern", "adds a pattern"),
        (Some(old), Some(new)) if old != new => {
            found.add("PATTERN_CHANGED", "pattern", "has another pattern");
        }
        _ => {}
    }
}

pub(super) fn numbers(writer: &Number<'_>, reader: &Number<'_>, found: &mut Found) {
    Limit::upper("maximum", "MAXIMUM").compare(writer.maximum, reader.maximum, found);
    Limit::lower("minimum", "MINIMUM").compare(writer.minimum, reader.minimum, found);
    Limit::upper("exclusiveMaximum", "EXCLUSIVE_MAXIMUM").compare(
        writer.exclusive_maximum,
        reader.exclusive_maximum,
        found,
    );
    Limit::lower("exclusiveMinimum", "EXCLUSIVE_MINIMUM").compare(
        writer.exclusive_minimum,
        reader.exclusive_minimum,
        found,
    );
    match (writer.multiple_of, reader.multiple_of) {
        (_, None) => {}
        (None, Some(_)) => found.add("MULTIPLE_OF_ADDED", "multipleOf", "adds a divisor"),
        (Some(old), Some(new)) => {
            if let Some((kind, text)) = divisor_change(old, new) {
                found.add(kind, "multipleOf", text);
            }
        }
    }
    if reader.integer && !writer.integer {
        found.add("TYPE_NARROWED", "", "accepts integers only");
    }
}

fn divisor_change(
    old: &serde_json::Number,
    new: &serde_json::Number,
) -> Option<(&'static str, &'static str)> {
    let changed = ("MULTIPLE_OF_CHANGED", "has another divisor");
    let Some((old, new)) = at_one_scale(&old.to_string(), &new.to_string()) else {
        return (old != new).then_some(changed);
    };
    if old == new || (new != 0 && old % new == 0) {
        return None;
    }
    if old != 0 && new % old == 0 {
        return Some(("MULTIPLE_OF_EXPANDED", "has a larger divisor"));
    }
    Some(changed)
}

/// Returns two decimals as integers of the same scale, so that remainders are exact.
fn at_one_scale(one: &str, other: &str) -> Option<(i128, i128)> {
    let (one, one_exponent) = decimal(one)?;
    let (other, other_exponent) = decimal(other)?;
    let exponent = one_exponent.min(other_exponent);
    let scaled = |digits: i128, own: i32| {
        let power = u32::try_from(own - exponent).ok()?;
        digits.checked_mul(10_i128.checked_pow(power)?)
    };
    Some((scaled(one, one_exponent)?, scaled(other, other_exponent)?))
}

/// Returns the digits of a decimal and the power of ten that they are multiplied with.
fn decimal(text: &str) -> Option<(i128, i32)> {
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{whole}{fraction}").parse().ok()?;
    let fraction = i32::try_from(fraction.len()).ok()?;
    Some((digits, exponent.checked_sub(fraction)?))
}

pub(super) fn enums(writer: &[Value], reader: &[Value], found: &mut Found) {
    let all_in = |one: &[Value], other: &[Value]| {
        let known: std::collections::HashSet<String> = other.iter().map(Value::to_string).collect();
        one.iter().all(|value| known.contains(&value.to_string()))
    };
    if all_in(writer, reader) {
        return;
    }
    if all_in(reader, writer) {
        found.add("ENUM_ARRAY_NARROWED", "enum", "accepts fewer values");
    } else {
        found.add("ENUM_ARRAY_CHANGED", "enum", "accepts other values");
    }
}
