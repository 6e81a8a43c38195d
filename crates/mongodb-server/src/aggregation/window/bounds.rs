//! The bounds of windows: compiled, and resolved to the positions of a partition.

use std::ops::Range;

use crate::aggregation::window::spec::{Bounds, Edge};
use crate::bson::{Doc, Value, order};
use crate::error::CommandError;
use crate::query::{DateUnit, Direction, SortSpec, sum_of};

/// Whether a stage says in which order its documents are; it may name no fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Given,
    Missing,
}

/// Compiles `window`.
pub fn parse_bounds(
    window: &Value<'_>,
    sort: &SortSpec,
    order: Order,
) -> Result<Bounds, CommandError> {
    let doc = window
        .as_document()
        .ok_or_else(|| failed("'window' field must be an object"))?;
    let (mut documents, mut range, mut unit) = (None, None, None);
    for element in doc.elements() {
        match element.name() {
            "documents" => documents = Some(element.value()),
            "range" => range = Some(element.value()),
            "unit" => unit = Some(element.value()),
            name => {
                let message = format!("'window' field contains an unknown argument: {name}");
                return Err(failed(message));
            }
        }
    }
    match (documents, range) {
        (Some(_), Some(_)) => Err(failed(
            "Window bounds can specify either 'documents' or 'unit', not both.",
        )),
        (Some(documents), None) => {
            if unit.is_some() {
                return Err(failed(
                    "Window bounds can only specify 'unit' with range-based bounds.",
                ));
            }
            parse_documents(&documents, order)
        }
        (None, Some(range)) => parse_range(&range, unit.as_ref(), sort),
        (None, None) if unit.is_some() => Err(failed(
            "Window bounds can only specify 'unit' with range-based bounds.",
        )),
        (None, None) => Ok(Bounds::all()),
    }
}

/// Reads an array of two ends.
fn pair(bounds: &Value<'_>) -> Result<[Value<'static>; 2], CommandError> {
    let items = bounds.as_array().map(|array| {
        let items = array.values().map(Value::into_owned);
        items.collect::<Vec<_>>()
    });
    let items = items.unwrap_or_default();
    items
        .try_into()
        .map_err(|_other| failed("Window bounds must be a 2-element array"))
}

fn parse_documents(bounds: &Value<'_>, given: Order) -> Result<Bounds, CommandError> {
    let read = |edge: Value<'static>| match edge.as_str() {
        Some("unbounded") => Ok(Edge::Unbounded),
        Some("current") => Ok(Edge::At(0)),
        None if edge.is_number() => {
            let whole = edge.as_i64().filter(|&whole| i32::try_from(whole).is_ok());
            whole
                .map(Edge::At)
                .ok_or_else(|| failed("Numeric document-based bounds must be an integer"))
        }
        _ => Err(unknown_edge()),
    };
    let [lower, upper] = pair(bounds)?;
    let (lower, upper) = (read(lower)?, read(upper)?);
    if let (Edge::At(lower), Edge::At(upper)) = (&lower, &upper)
        && lower > upper
    {
        return Err(inverted(&Value::Int64(*lower), &Value::Int64(*upper)));
    }
    if given == Order::Missing && (lower != Edge::Unbounded || upper != Edge::Unbounded) {
        let message = "Document-based bounds require a sortBy";
        return Err(CommandError::location(5_339_901, message));
    }
    Ok(Bounds::Documents(lower, upper))
}

fn parse_range(
    bounds: &Value<'_>,
    unit: Option<&Value<'_>>,
    sort: &SortSpec,
) -> Result<Bounds, CommandError> {
    let unit = match unit {
        None => None,
        Some(Value::String(name)) => Some(DateUnit::named(name)?),
        Some(_) => return Err(failed("'unit' must be a string")),
    };
    let read = |edge: Value<'static>| match edge.as_str() {
        Some("unbounded") => Ok(Edge::Unbounded),
        Some("current") => Ok(Edge::At(Value::Int32(0))),
        Some(_) => Err(unknown_edge()),
        None if !edge.is_number() => Err(unknown_edge()),
        None if unit.is_some() && edge.as_i64().is_none() => {
            Err(failed("With 'unit', range-based bounds must be an integer"))
        }
        None => Ok(Edge::At(edge)),
    };
    let [lower, upper] = pair(bounds)?;
    let (lower, upper) = (read(lower)?, read(upper)?);
    if let (Edge::At(lower), Edge::At(upper)) = (&lower, &upper)
        && order::compare(lower, upper).is_gt()
    {
        return Err(inverted(lower, upper));
    }
    match sort.fields() {
        [(_, Direction::Ascending)] => Ok(Bounds::Range { lower, upper, unit }),
        _ => Err(CommandError::location(
            5_339_902,
            "Range-based bounds require a sortBy with exactly one ascending element",
        )),
    }
}

fn unknown_edge() -> CommandError {
    failed("Window bounds must be 'unbounded', 'current', or a number")
}

fn inverted(lower: &Value<'_>, upper: &Value<'_>) -> CommandError {
    let message = format!("Lower bound must not exceed upper bound: [{lower}, {upper}]");
    CommandError::location(5_339_900, message)
}

fn failed(message: impl Into<String>) -> CommandError {
    CommandError::failed_to_parse(message)
}

impl Bounds {
    /// Returns the window of each document of a partition; `sorted` are the values that they are
    /// sorted by. No window begins or ends before the one of the document before.
    pub fn resolve(&self, sorted: &[Value<'_>]) -> Result<Vec<Range<usize>>, CommandError> {
        let count = sorted.len();
        match self {
            Self::Documents(lower, upper) => Ok((0..count)
                .map(|at| {
                    let start = position(at, lower, 0, count);
                    let end = match upper {
                        Edge::Unbounded => count,
                        Edge::At(by) => position(at, &Edge::At(by.saturating_add(1)), 0, count),
                    };
                    start..end.max(start)
                })
                .collect()),
            Self::Range { lower, upper, unit } => resolve_range(sorted, lower, upper, *unit),
        }
    }
}

/// Returns a position in a partition that is at a distance of another one.
fn position(at: usize, edge: &Edge<i64>, unbounded: usize, count: usize) -> usize {
    let Edge::At(by) = edge else {
        return unbounded;
    };
    let by_size = usize::try_from(by.unsigned_abs()).unwrap_or(usize::MAX);
    if *by < 0 {
        at.saturating_sub(by_size)
    } else {
        at.saturating_add(by_size).min(count)
    }
}

fn resolve_range(
    sorted: &[Value<'_>],
    lower: &Edge<Value<'static>>,
    upper: &Edge<Value<'static>>,
    unit: Option<DateUnit>,
) -> Result<Vec<Range<usize>>, CommandError> {
    // Only these values take part. They are next to each other, since the order is by type.
    let usable = |value: &Value<'_>| match unit {
        Some(_) => matches!(value, Value::DateTime(_)),
        None => value.is_number(),
    };
    let first = sorted.iter().position(usable).unwrap_or(sorted.len());
    let last = sorted.iter().rposition(usable).map_or(first, |at| at + 1);
    let (mut start, mut end) = (first, first);
    let mut windows = Vec::with_capacity(sorted.len());
    for value in sorted {
        check_type(value, unit)?;
        if let Edge::At(by) = lower {
            let threshold = shifted(value, by, unit)?;
            while start < last && order::compare(&sorted[start], &threshold).is_lt() {
                start += 1;
            }
        }
        match upper {
            Edge::Unbounded => end = last,
            Edge::At(by) => {
                let threshold = shifted(value, by, unit)?;
                end = end.max(start);
                while end < last && order::compare(&sorted[end], &threshold).is_le() {
                    end += 1;
                }
            }
        }
        windows.push(start..end.max(start));
    }
    Ok(windows)
}

fn check_type(value: &Value<'_>, unit: Option<DateUnit>) -> Result<(), CommandError> {
    let kind = value.kind().alias();
    match (unit, value) {
        (Some(_), Value::DateTime(_)) => Ok(()),
        (Some(_), _) => Err(CommandError::location(
            5_429_513,
            format!("Invalid range: Expected the sortBy field to be a Date, but it was {kind}"),
        )),
        (None, Value::DateTime(_)) => Err(CommandError::location(
            5_429_413,
            "Invalid range: For windows that involve date or time ranges, a unit must be provided.",
        )),
        (None, value) if value.is_number() => Ok(()),
        (None, _) => Err(CommandError::location(
            5_429_414,
            format!("Invalid range: Expected the sortBy field to be a number, but it was {kind}"),
        )),
    }
}

/// Returns a value at a distance.
fn shifted(
    value: &Value<'_>,
    by: &Value<'static>,
    unit: Option<DateUnit>,
) -> Result<Value<'static>, CommandError> {
    match (unit, value) {
        (Some(unit), Value::DateTime(milliseconds)) => {
            let shifted = unit.add(*milliseconds, by.as_i64().unwrap_or_default());
            shifted
                .map(Value::DateTime)
                .ok_or_else(|| CommandError::location(5_166_406, "a window's date is out of range"))
        }
        _ => Ok(sum_of(value, by)),
    }
}

/// Returns the values that the documents of a partition are sorted by: those of the first field.
pub fn sort_values(sort: &SortSpec, docs: &[Doc<'_>]) -> Vec<Value<'static>> {
    let path = sort.fields().first().map(|(path, _)| path);
    let value = |doc: &Doc<'_>| {
        let element = path.and_then(|path| path.get(*doc));
        element.map_or(Value::Undefined, |element| element.value().into_owned())
    };
    docs.iter().map(value).collect()
}
