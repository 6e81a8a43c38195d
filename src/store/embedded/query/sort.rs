//! The order a client asks for, as bytes to compare.

use std::ops::ControlFlow;

use super::super::bson::{Doc, Element, Kind, Value, key, order};
use super::super::error::CommandError;
use super::path::Path;

/// Ascending or descending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Least first.
    Ascending,
    /// Greatest first.
    Descending,
}

impl Direction {
    /// Reads `1` or `-1`.
    pub fn of(value: &Value<'_>) -> Option<Self> {
        let number = value.as_f64()?;
        if number == 0.0 || number.is_nan() {
            return None;
        }
        Some(if number > 0.0 {
            Self::Ascending
        } else {
            Self::Descending
        })
    }

    /// Appends a value so that plain byte order is this order.
    pub fn encode(self, value: &Value<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Ascending => key::encode(value, out),
            Self::Descending => key::encode_descending(value, out),
        }
    }
}

/// Fields to order by, the most important first.
#[derive(Debug, Clone, Default)]
pub struct SortSpec {
    fields: Vec<(Path, Direction)>,
}

impl SortSpec {
    /// Reads `{ a: 1, b: -1 }`.
    pub fn parse(spec: Doc<'_>) -> Result<Self, CommandError> {
        let mut fields = Vec::new();
        for element in spec.elements() {
            if element.kind() == Kind::Document {
                return Err(CommandError::unsupported("sorting by $meta"));
            }
            let name = element.name();
            if name.is_empty() || name.split('.').any(str::is_empty) {
                let message = "FieldPath field names may not be empty strings.";
                return Err(CommandError::location(15_998, message));
            }
            if name.starts_with('$') {
                return Err(CommandError::location(
                    16_410,
                    "FieldPath field names may not start with '$'. Consider using $getField or \
                     $setField.",
                ));
            }
            let value = element.value();
            let direction = value
                .as_i64()
                .filter(|order| matches!(order, 1 | -1))
                .and_then(|_| Direction::of(&value))
                .ok_or_else(|| {
                    let message = if value.is_number() {
                        "$sort key ordering must be 1 (for ascending) or -1 (for descending)"
                            .to_owned()
                    } else {
                        format!("Illegal key in $sort specification: {name}: {value}")
                    };
                    CommandError::location(if value.is_number() { 15_975 } else { 15_974 }, message)
                })?;
            fields.push((Path::new(name), direction));
        }
        Ok(Self { fields })
    }

    /// Reads `{ $natural: 1 }`, the order of insertion; `None` for any other order.
    pub fn natural(spec: Doc<'_>) -> Option<Self> {
        let element = spec.elements().next()?;
        let direction = Direction::of(&element.value())?;
        let natural = element.name() == "$natural" && spec.len() == 1;
        natural.then(|| Self {
            fields: vec![(Path::new("$natural"), direction)],
        })
    }

    /// Orders by these fields.
    pub fn new(fields: Vec<(Path, Direction)>) -> Self {
        Self { fields }
    }

    /// Returns the fields.
    pub fn fields(&self) -> &[(Path, Direction)] {
        &self.fields
    }

    /// Returns whether any order will do.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Writes the bytes by which a document is ordered, replacing what was in `out`.
    pub fn encode(&self, doc: Doc<'_>, out: &mut Vec<u8>) {
        out.clear();
        for (path, direction) in &self.fields {
            let value = representative(path, doc, *direction).unwrap_or(Value::Null);
            direction.encode(&value, out);
        }
    }
}

/// Returns the value a document is ordered by: of an array its least or its greatest element.
fn representative<'a>(path: &Path, doc: Doc<'a>, direction: Direction) -> Option<Value<'a>> {
    let mut best = None;
    let mut offer = |value: Value<'a>| {
        let better = best.as_ref().is_none_or(|best| {
            let ordering = order::compare(&value, best);
            match direction {
                Direction::Ascending => ordering.is_lt(),
                Direction::Descending => ordering.is_gt(),
            }
        });
        if better {
            best = Some(value);
        }
    };
    let visited = path.visit(doc, &mut |reached| {
        match reached.element().map(|element| (element, items(element))) {
            None => offer(Value::Null),
            Some((_, Some(array))) if array.is_empty() => offer(Value::Undefined),
            Some((_, Some(array))) => array.values().for_each(&mut offer),
            Some((element, None)) => offer(element.value()),
        }
        ControlFlow::Continue(())
    });
    debug_assert!(visited.is_continue(), "the visitor never breaks");
    best
}

fn items(element: Element<'_>) -> Option<Doc<'_>> {
    element.doc().filter(|_| element.kind() == Kind::Array)
}
