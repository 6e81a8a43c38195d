//! Functions of strings.

use crate::bson::builder::count_value;
use crate::bson::value::integer_of;
use crate::bson::{ArrayBuilder, MAX_DOCUMENT_BYTES, Value};
use crate::error::{Code, CommandError};
use crate::query::decimal;
use crate::query::expression::array::{bound, too_large};
use crate::query::expression::function::Outcome;
use crate::query::expression::{conversion, date_parts, is_missing, number_text};

/// `$concat`
pub fn concat(arguments: &[Value<'_>]) -> Outcome {
    let mut joined = String::new();
    for argument in arguments {
        match argument {
            Value::String(text) => joined.push_str(text),
            other if other.is_nullish() => return Ok(Value::Null),
            other => {
                let kind = other.kind().alias();
                let message = format!("$concat only supports strings, not {kind}");
                return Err(CommandError::location(16_702, message));
            }
        }
    }
    if joined.len() > MAX_DOCUMENT_BYTES {
        return Err(too_large("$concat"));
    }
    Ok(Value::from(joined))
}

/// `$toLower` and `$toUpper`, for ASCII letters.
pub fn change_case(arguments: &[Value<'_>], change: fn(&str) -> String) -> Outcome {
    Ok(Value::from(change(&as_text(arguments.first())?)))
}

/// `$strcasecmp`
pub fn compare_without_case(arguments: &[Value<'_>]) -> Outcome {
    let left = as_text(arguments.first())?.to_ascii_uppercase();
    let right = as_text(arguments.get(1))?.to_ascii_uppercase();
    Ok(Value::Int32(match left.cmp(&right) {
        std::cmp::Ordering::Less => -1,
        std::cmp::Ordering::Equal => 0,
        std::cmp::Ordering::Greater => 1,
    }))
}

/// `$strLenBytes` and `$strLenCP`
pub fn length(name: &str, arguments: &[Value<'_>], count: fn(&str) -> usize) -> Outcome {
    match arguments {
        [Value::String(text)] => Ok(count_value(count(text))),
        other => {
            let kind = other
                .first()
                .filter(|value| !is_missing(value))
                .map_or("missing", |value| value.kind().alias());
            let code = if name == "$strLenBytes" {
                34_473
            } else {
                34_471
            };
            let message = format!("{name} requires a string argument, found: {kind}");
            Err(CommandError::location(code, message))
        }
    }
}

/// `$binarySize`
pub fn binary_size(arguments: &[Value<'_>]) -> Outcome {
    match arguments {
        [Value::String(text)] => Ok(count_value(text.len())),
        [Value::Binary { bytes, .. }] => Ok(count_value(bytes.len())),
        [value] if !value.is_nullish() => Err(CommandError::location(
            51_276,
            format!(
                "$binarySize requires a string or BinData argument, found: {}",
                value.kind().alias()
            ),
        )),
        _ => Ok(Value::Null),
    }
}

/// `$substrBytes`: start and length in bytes; a negative length extends to the end.
pub fn substring_bytes(arguments: &[Value<'_>]) -> Outcome {
    let text = as_text(arguments.first())?;
    let number = |index: usize| arguments.get(index).and_then(coerced_i64);
    let Some(start) = number(1) else {
        let message = "$substrBytes: starting index must be a numeric type";
        return Err(CommandError::location(16_034, message));
    };
    let Some(length) = number(2) else {
        let message = "$substrBytes: length must be a numeric type";
        return Err(CommandError::location(16_035, message));
    };
    let (start, length) = (start?, length?);
    let start = usize::try_from(start).map_err(|_negative| {
        let message = "$substrBytes: starting index must be non-negative";
        CommandError::location(50_752, message)
    })?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let wrong = |code: i32, what: &str| {
        let message = format!("$substrBytes: Invalid range, {what}");
        Err(CommandError::location(code, message))
    };
    if start < text.len() && !text.is_char_boundary(start) {
        return wrong(28_656, "starting at a UTF-8 continuation byte.");
    }
    let end = start.saturating_add(length).min(text.len());
    if !text.is_char_boundary(end) {
        return wrong(28_657, "ending in the middle of a UTF-8 character.");
    }
    let piece = text.get(start..end).unwrap_or_default();
    Ok(Value::from(piece.to_owned()))
}

/// Converts a number to an integer: a fraction of a double is cut off, a decimal is rounded, and a
/// decimal out of range becomes the least integer. `None` for other values.
fn coerced_i64(value: &Value<'_>) -> Option<Result<i64, CommandError>> {
    Some(match *value {
        Value::Double(number) => integer_of(number.trunc()).ok_or_else(|| {
            let message = format!("Can't coerce out of range value {number} to long");
            CommandError::location(31_109, message)
        }),
        Value::Decimal128(number) => Ok(decimal::nearest_i64(number).unwrap_or(i64::MIN)),
        Value::Int32(_) | Value::Int64(_) => Ok(value.as_i64().unwrap_or_default()),
        _ => return None,
    })
}

/// `$substrCP`: start and length in code points.
pub fn substring_code_points(arguments: &[Value<'_>]) -> Outcome {
    let text = as_text(arguments.first())?;
    let number = |index: usize, codes: [i32; 3], what: &str| {
        let value = arguments.get(index).unwrap_or(&Value::Null);
        let wrong = |code: i32, must: &str| {
            CommandError::location(code, format!("$substrCP: {what} must be {must}"))
        };
        let [kind, whole, negative] = codes;
        if !value.is_number() {
            return Err(wrong(kind, "a numeric type"));
        }
        let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
        let number =
            number.ok_or_else(|| wrong(whole, "representable as a 32-bit integral value"))?;
        usize::try_from(number).map_err(|_negative| wrong(negative, "nonnegative"))
    };
    let start = number(1, [34_450, 34_451, 34_455], "starting index")?;
    let length = number(2, [34_452, 34_453, 34_454], "length")?;
    let piece: String = text.chars().skip(start).take(length).collect();
    Ok(Value::from(piece))
}

/// `$split`
pub fn split(arguments: &[Value<'_>]) -> Outcome {
    if arguments.iter().any(Value::is_nullish) {
        return Ok(Value::Null);
    }
    let (Some(text), Some(separator)) = (
        arguments.first().and_then(Value::as_str),
        arguments.get(1).and_then(Value::as_str),
    ) else {
        let message = "$split requires two expressions that evaluate to strings";
        return Err(CommandError::location(40_085, message));
    };
    if separator.is_empty() {
        let message = "$split requires a non-empty separator";
        return Err(CommandError::location(40_087, message));
    }
    let pieces = text.split(separator).map(Value::from);
    Ok(pieces.collect::<ArrayBuilder>().into_value())
}

/// `$trim`, `$ltrim` and `$rtrim`
pub fn trim(arguments: &[Value<'_>], start: bool, end: bool) -> Outcome {
    let Some(input) = arguments.first().filter(|value| !value.is_nullish()) else {
        return Ok(Value::Null);
    };
    let text = input.as_str().ok_or_else(|| {
        let message = format!("$trim requires its input to be a string, got {input}");
        CommandError::location(50_699, message)
    })?;
    let set: Option<Vec<char>> = match arguments.get(1) {
        None | Some(Value::Undefined) => None,
        Some(Value::Null) => return Ok(Value::Null),
        Some(Value::String(letters)) => Some(letters.chars().collect()),
        Some(other) => {
            let message = format!("$trim requires 'chars' to be a string, got {other}");
            return Err(CommandError::location(50_700, message));
        }
    };
    let unwanted = |letter: char| match &set {
        None => is_blank(letter),
        Some(set) => set.contains(&letter),
    };
    let mut text = text;
    if start {
        text = text.trim_start_matches(unwanted);
    }
    if end {
        text = text.trim_end_matches(unwanted);
    }
    Ok(Value::from(text.to_owned()))
}

/// Returns whether a letter is one of the blanks that MongoDB trims.
fn is_blank(letter: char) -> bool {
    matches!(
        letter,
        '\0' | ' ' | '\t'..='\r' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}'
    )
}

/// `$replaceOne` and `$replaceAll`
pub fn replace(arguments: &[Value<'_>], all: bool) -> Outcome {
    let name = if all { "$replaceAll" } else { "$replaceOne" };
    let text = |index: usize, code: i32, which: &str| {
        let value = arguments.get(index).filter(|value| !value.is_nullish());
        let text = value.map(|value| {
            let wrong = || format!("{name} requires that '{which}' be a string, found: {value}");
            let text = value.as_str();
            text.ok_or_else(|| CommandError::location(code, wrong()))
        });
        text.transpose()
    };
    // A wrong type is an error even next to null.
    let (Some(input), Some(find), Some(replacement)) = (
        text(0, 10_503_904, "input")?,
        text(1, 10_503_901, "find")?,
        text(2, 10_503_902, "replacement")?,
    ) else {
        return Ok(Value::Null);
    };
    let replaced = if all {
        input.replace(find, replacement)
    } else {
        input.replacen(find, replacement, 1)
    };
    if replaced.len() > MAX_DOCUMENT_BYTES {
        return Err(too_large(name));
    }
    Ok(Value::from(replaced))
}

/// `$indexOfBytes`
pub fn index_of_bytes(arguments: &[Value<'_>]) -> Outcome {
    let Some((text, wanted)) = search("$indexOfBytes", arguments)? else {
        return Ok(Value::Null);
    };
    let start = bound("$indexOfBytes", arguments.get(2))?.unwrap_or(0);
    let end = bound("$indexOfBytes", arguments.get(3))?.unwrap_or(text.len());
    // A search from the middle of a character begins at the next one.
    let mut start = start;
    while start < text.len() && !text.is_char_boundary(start) {
        start += 1;
    }
    let mut end = end.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let window = text.get(start..end);
    let found = window.and_then(|window| window.find(wanted));
    Ok(index(found.map(|at| at + start)))
}

/// `$indexOfCP`
pub fn index_of_code_points(arguments: &[Value<'_>]) -> Outcome {
    let Some((text, wanted)) = search("$indexOfCP", arguments)? else {
        return Ok(Value::Null);
    };
    let start = bound("$indexOfCP", arguments.get(2))?.unwrap_or(0);
    let end = bound("$indexOfCP", arguments.get(3))?.unwrap_or(usize::MAX);
    // A match may begin before `end` and go on after it.
    let offset = |count: usize| {
        let mut ends = text.char_indices().map(|(at, _)| at);
        ends.nth(count).unwrap_or(text.len())
    };
    let (first, last) = (offset(start), offset(end));
    let beyond = start > text.chars().count() || start > end;
    let within = text.get(first..).filter(|_| !beyond);
    let found = within.and_then(|rest| rest.find(wanted).map(|at| at + first));
    let both_empty = text.is_empty() && wanted.is_empty();
    let found = found.filter(|at| *at < last || both_empty);
    Ok(index(found.map(|at| text[..at].chars().count())))
}

fn search<'v>(
    name: &str,
    arguments: &'v [Value<'_>],
) -> Result<Option<(&'v str, &'v str)>, CommandError> {
    let (Some(text), Some(wanted)) = (arguments.first(), arguments.get(1)) else {
        return Ok(None);
    };
    if text.is_nullish() {
        return Ok(None);
    }
    let bytes = name == "$indexOfBytes";
    let string = |value: &'v Value<'_>, code: i32, which: &str| {
        value.as_str().ok_or_else(|| {
            let kind = value.kind().alias();
            let message =
                format!("{name} requires a string as the {which} argument, found: {kind}");
            CommandError::location(code, message)
        })
    };
    let text = string(text, if bytes { 40_091 } else { 40_093 }, "first")?;
    let wanted = string(wanted, if bytes { 40_092 } else { 40_094 }, "second")?;
    Ok(Some((text, wanted)))
}

fn index(found: Option<usize>) -> Value<'static> {
    Value::Int32(found.map_or(-1, |at| i32::try_from(at).unwrap_or(i32::MAX)))
}

/// Converts a value to text; null becomes an empty string.
fn as_text(value: Option<&Value<'_>>) -> Result<String, CommandError> {
    match value {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.as_ref().to_owned()),
        Some(value) if value.is_nullish() => Ok(String::new()),
        Some(Value::Double(number)) => Ok(number_text::six_digits(*number)),
        Some(Value::Code(text) | Value::Symbol(text)) => Ok(text.as_ref().to_owned()),
        Some(Value::Timestamp(stamp)) => Ok(date_parts::stamp_text(*stamp)),
        // Unlike `$toString`, the functions of strings take neither.
        Some(Value::Bool(_) | Value::ObjectId(_)) => Err(no_text(value)),
        Some(known) => conversion::text_of(known).ok_or_else(|| no_text(value)),
    }
}

fn no_text(value: Option<&Value<'_>>) -> CommandError {
    let kind = value.map_or("missing", |value| value.kind().alias());
    let message = format!("can't convert from BSON type {kind} to String");
    CommandError::new(Code::location(16_007), message)
}
