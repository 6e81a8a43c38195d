//! Functions of arrays.

use crate::bson::{ArrayBuilder, Doc, MAX_DOCUMENT_BYTES, Value, order};
use crate::error::{Code, CommandError};
use crate::query::expression::function::Outcome;
use crate::query::expression::values::null_if_missing;
use crate::query::slice::slice_array;
use crate::query::sort::SortSpec;

/// `$arrayElemAt`
pub fn element_at(arguments: &[Value<'_>]) -> Outcome {
    let [array, index] = arguments else {
        return Ok(Value::Null);
    };
    if array.is_nullish() || index.is_nullish() {
        return Ok(Value::Null);
    }
    let items = array.as_array().ok_or_else(|| {
        let kind = array.kind().alias();
        let message = format!("$arrayElemAt's first argument must be an array, but is {kind}");
        CommandError::location(28_689, message)
    })?;
    let index = index.as_i64().ok_or_else(|| {
        let kind = index.kind().alias();
        let message =
            format!("$arrayElemAt's second argument must be a numeric value, but is {kind}");
        CommandError::location(28_690, message)
    })?;
    Ok(nth(items, index))
}

/// `$first`
pub fn first(arguments: &[Value<'_>]) -> Outcome {
    end("$first", arguments, 0)
}

/// `$last`
pub fn last(arguments: &[Value<'_>]) -> Outcome {
    end("$last", arguments, -1)
}

fn end(name: &str, arguments: &[Value<'_>], index: i64) -> Outcome {
    match arguments {
        [Value::Array(bytes)] => Ok(nth(Doc::new(bytes), index)),
        [value] if !value.is_nullish() => Err(CommandError::location(
            28_689,
            format!(
                "{name}'s argument must be an array, but is {}",
                value.kind().alias()
            ),
        )),
        _ => Ok(Value::Null),
    }
}

/// Returns the element at an index, which counts from the end if negative, or a missing value.
fn nth(items: Doc<'_>, index: i64) -> Value<'static> {
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let index = if index < 0 {
        length.saturating_add(index)
    } else {
        index
    };
    let found = usize::try_from(index)
        .ok()
        .and_then(|index| items.values().nth(index));
    found.map_or(Value::Undefined, Value::into_owned)
}

/// `$concatArrays`
pub fn concat(arguments: &[Value<'_>]) -> Outcome {
    let mut joined = ArrayBuilder::default();
    for argument in arguments {
        if argument.is_nullish() {
            return Ok(Value::Null);
        }
        let items = argument.as_array().ok_or_else(|| {
            let kind = argument.kind().alias();
            CommandError::location(
                28_664,
                format!("$concatArrays only supports arrays, not {kind}"),
            )
        })?;
        items.values().for_each(|item| joined.push(&item));
    }
    Ok(joined.into_value())
}

/// `$in`
pub fn contains(arguments: &[Value<'_>]) -> Outcome {
    let [value, array] = arguments else {
        return Ok(Value::Null);
    };
    let items = array.as_array().ok_or_else(|| {
        let kind = if matches!(array, Value::Undefined) {
            "missing"
        } else {
            array.kind().alias()
        };
        let message = format!("$in requires an array as a second argument, found: {kind}");
        CommandError::location(40_081, message)
    })?;
    Ok(Value::Bool(
        items.values().any(|item| order::equal(&item, value)),
    ))
}

/// `$indexOfArray`
pub fn index_of(arguments: &[Value<'_>]) -> Outcome {
    let (Some(array), Some(value)) = (arguments.first(), arguments.get(1)) else {
        return Ok(Value::Null);
    };
    if array.is_nullish() {
        return Ok(Value::Null);
    }
    let items = array.as_array().ok_or_else(|| {
        let kind = array.kind().alias();
        let message = format!("$indexOfArray requires an array as a first argument, found: {kind}");
        CommandError::location(40_090, message)
    })?;
    let start = bound("$indexOfArray", arguments.get(2))?.unwrap_or(0);
    let end = bound("$indexOfArray", arguments.get(3))?.unwrap_or(usize::MAX);
    let found = items
        .values()
        .enumerate()
        .take(end)
        .skip(start)
        .find(|(_, item)| order::equal(item, value));
    Ok(Value::Int32(found.map_or(-1, |(index, _)| {
        i32::try_from(index).unwrap_or(i32::MAX)
    })))
}

/// Reads the start or the end of a search.
pub fn bound(name: &str, value: Option<&Value<'_>>) -> Result<Option<usize>, CommandError> {
    let Some(value) = value else { return Ok(None) };
    let whole = value.as_i64().and_then(|number| i32::try_from(number).ok());
    let whole = whole.ok_or_else(|| {
        let message =
            format!("{name} requires an integral starting or ending index, found: {value}");
        CommandError::location(40_096, message)
    })?;
    usize::try_from(whole).map(Some).map_err(|_negative| {
        let message =
            format!("{name} requires a nonnegative starting or ending index, found: {value}");
        CommandError::location(40_097, message)
    })
}

/// `$isArray`
pub fn is_array(arguments: &[Value<'_>]) -> Outcome {
    Ok(Value::Bool(matches!(arguments, [Value::Array(_)])))
}

/// `$range`
pub fn range(arguments: &[Value<'_>]) -> Outcome {
    let number = |index: usize, name: &str| {
        let value = arguments.get(index);
        let number = value.and_then(Value::as_i64);
        number
            .filter(|number| i32::try_from(*number).is_ok())
            .ok_or_else(|| {
                let message = format!("$range requires a numeric {name} value that fits 32 bits");
                CommandError::location(34_443, message)
            })
    };
    let start = number(0, "starting")?;
    let end = number(1, "ending")?;
    let step = if arguments.len() > 2 {
        number(2, "step")?
    } else {
        1
    };
    if step == 0 {
        let message = "$range requires a non-zero step value";
        return Err(CommandError::location(34_449, message));
    }
    let mut items = ArrayBuilder::default();
    let mut at = start;
    while (step > 0 && at < end) || (step < 0 && at > end) {
        items.push(&Value::Int32(i32::try_from(at).unwrap_or_default()));
        at += step;
        if items.size() > MAX_DOCUMENT_BYTES {
            return Err(too_large("$range"));
        }
    }
    Ok(items.into_value())
}

/// Returns the error for a value that is larger than a document may be.
pub fn too_large(name: &str) -> CommandError {
    CommandError::new(
        Code::BSON_OBJECT_TOO_LARGE,
        format!("the value of {name} exceeds the size limit of {MAX_DOCUMENT_BYTES} bytes"),
    )
}

/// `$reverseArray`
pub fn reverse(arguments: &[Value<'_>]) -> Outcome {
    match arguments {
        [Value::Array(bytes)] => {
            let mut items: Vec<_> = Doc::new(bytes).values().collect();
            items.reverse();
            Ok(items.into_iter().collect::<ArrayBuilder>().into_value())
        }
        [value] if !value.is_nullish() => Err(CommandError::location(
            34_435,
            format!(
                "The argument to $reverseArray must be an array, but was of type: {}",
                value.kind().alias()
            ),
        )),
        _ => Ok(Value::Null),
    }
}

/// `$size`
pub fn size(arguments: &[Value<'_>]) -> Outcome {
    match arguments {
        [Value::Array(bytes)] => {
            let length = i32::try_from(Doc::new(bytes).len());
            Ok(Value::Int32(length.unwrap_or(i32::MAX)))
        }
        [value] => Err(CommandError::location(
            17_124,
            format!(
                "The argument to $size must be an array, but was of type: {}",
                if matches!(value, Value::Undefined) {
                    "missing"
                } else {
                    value.kind().alias()
                }
            ),
        )),
        _ => Ok(Value::Null),
    }
}

/// `$slice`
pub fn slice(arguments: &[Value<'_>]) -> Outcome {
    if arguments.iter().any(Value::is_nullish) {
        return Ok(Value::Null);
    }
    let Some(array) = arguments.first() else {
        return Ok(Value::Null);
    };
    let items = array.as_array().ok_or_else(|| {
        let kind = array.kind().alias();
        CommandError::location(
            28_724,
            format!("First argument to $slice must be an array, but is of type: {kind}"),
        )
    })?;
    let number = |index: usize| -> Result<i64, CommandError> {
        let (kind, whole) = if index == 1 {
            (28_725, 28_726)
        } else {
            (28_727, 28_728)
        };
        let value = arguments.get(index).filter(|value| value.is_number());
        let value = value.ok_or_else(|| {
            CommandError::location(kind, "the arguments to $slice must be numbers")
        })?;
        let number = value
            .as_i64()
            .filter(|&number| i32::try_from(number).is_ok());
        number.ok_or_else(|| {
            let message = format!("$slice can't represent {value} as a 32-bit integer");
            CommandError::location(whole, message)
        })
    };
    if arguments.len() == 2 {
        let count = number(1)?;
        return Ok(if count < 0 {
            slice_array(items, count, None)
        } else {
            slice_array(items, 0, Some(count))
        });
    }
    let count = number(2)?;
    if count <= 0 {
        let message = format!("Third argument to $slice must be positive: {count}");
        return Err(CommandError::location(28_729, message));
    }
    Ok(slice_array(items, number(1)?, Some(count)))
}

/// `$sortArray`
pub fn sort(arguments: &[Value<'_>]) -> Outcome {
    let [input, by] = arguments else {
        return Ok(Value::Null);
    };
    if input.is_nullish() {
        return Ok(Value::Null);
    }
    let items = input.as_array().ok_or_else(|| {
        let kind = input.kind().alias();
        let message =
            format!("The input argument to $sortArray must be an array, but was of type: {kind}");
        CommandError::location(2_942_504, message)
    })?;
    let mut sorted: Vec<Value<'_>> = items.values().map(null_if_missing).collect();
    match by {
        Value::Document(bytes) => {
            if Doc::new(bytes).is_empty() {
                let message = "The $sortArray sortBy must name a field";
                return Err(CommandError::location(2_942_505, message));
            }
            let spec = SortSpec::parse(Doc::new(bytes))?;
            sorted.sort_by_cached_key(|item| {
                let mut key = Vec::new();
                spec.encode_element(item.as_document().unwrap_or(Doc::EMPTY), &mut key);
                key
            });
        }
        by => match by.as_i64() {
            Some(1) => sorted.sort_by(order::compare),
            Some(-1) => sorted.sort_by(|one, other| order::compare(other, one)),
            _ => {
                let message = "The $sortArray sortBy must be a document, 1 or -1";
                return Err(CommandError::location(2_942_507, message));
            }
        },
    }
    Ok(sorted.into_iter().collect::<ArrayBuilder>().into_value())
}

/// `$zip`
pub fn zip(arguments: &[Value<'_>]) -> Outcome {
    let [inputs, longest, defaults] = arguments else {
        return Ok(Value::Null);
    };
    let wrong = |code: i32, message: &str| CommandError::location(code, message.to_owned());
    let longest = match longest {
        Value::Undefined => false,
        Value::Bool(longest) => *longest,
        _ => return Err(wrong(34_463, "useLongestLength must be a bool")),
    };
    let defaults: Vec<Value<'_>> = match defaults {
        Value::Undefined => Vec::new(),
        Value::Array(bytes) if Doc::new(bytes).is_empty() => Vec::new(),
        Value::Array(bytes) if longest => Doc::new(bytes).values().collect(),
        Value::Array(_) => {
            let message = "cannot specify defaults unless useLongestLength is true";
            return Err(wrong(34_466, message));
        }
        _ => return Err(wrong(34_462, "defaults must be an array of expressions")),
    };
    let inputs = match inputs {
        value if value.is_nullish() => return Ok(Value::Null),
        value => value
            .as_array()
            .ok_or_else(|| wrong(34_461, "inputs must be an array of expressions"))?,
    };
    if inputs.is_empty() {
        return Err(wrong(34_465, "$zip requires at least one input array"));
    }
    if !defaults.is_empty() && defaults.len() != inputs.len() {
        return Err(wrong(
            34_467,
            "defaults and inputs must have the same length",
        ));
    }
    let mut columns = Vec::new();
    for input in inputs.values() {
        if input.is_nullish() {
            return Ok(Value::Null);
        }
        let column = input.as_array().map(|items| {
            let items = items.values().map(Value::into_owned);
            items.collect::<Vec<_>>()
        });
        let column =
            column.ok_or_else(|| wrong(34_468, "$zip found a non-array expression in input"));
        columns.push(column?);
    }
    let lengths = || columns.iter().map(Vec::len);
    let rows = if longest {
        lengths().max()
    } else {
        lengths().min()
    };
    let mut zipped = ArrayBuilder::default();
    for row in 0..rows.unwrap_or(0) {
        let mut items = ArrayBuilder::default();
        for (column, values) in columns.iter().enumerate() {
            let value = values.get(row).or_else(|| defaults.get(column));
            items.push(value.unwrap_or(&Value::Null));
        }
        zipped.push(&items.into_value());
    }
    Ok(zipped.into_value())
}
