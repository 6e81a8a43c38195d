//! The values of a document for a compound sort order or index.
//!
//! An array contributes each of its elements. Fields of the same array are combined per element;
//! two different arrays are rejected.

use crate::bson::{Doc, Element, Kind, Value};
use crate::error::{Code, CommandError};
use crate::query::direction::Direction;
use crate::query::path::{Part, Path};

/// The values of several fields: one tuple per index key.
#[derive(Debug, Default)]
pub struct Tuples<'a> {
    /// The tuples, in the order of the array elements.
    pub values: Vec<Vec<Value<'a>>>,
    /// Whether one of the fields is in an array.
    pub multikey: bool,
    /// Whether at least one of the fields exists.
    pub present: bool,
}

/// The progress of a walk along a path.
#[derive(Debug, Clone)]
enum Walk<'a, 'p> {
    /// Arrived at a value.
    Value(Value<'a>),
    /// Stopped at an array; the rest of the path continues in each element.
    Array(Element<'a>, &'p [Part]),
}

impl<'a> Tuples<'a> {
    /// Collects the values of `fields` in `doc`.
    pub fn new(fields: &[(Path, Direction)], doc: Doc<'a>) -> Result<Self, CommandError> {
        let mut out = Self::default();
        let walks = fields
            .iter()
            .map(|(path, _)| enter(doc, path.parts(), &mut out.present))
            .collect::<Result<_, _>>()?;
        expand(walks, &mut out)?;
        Ok(out)
    }
}

/// Appends the encoding of a tuple, each value in the direction of its field.
pub fn encode_tuple(fields: &[(Path, Direction)], tuple: &[Value<'_>], out: &mut Vec<u8>) {
    for ((_, direction), value) in fields.iter().zip(tuple) {
        direction.encode(value, out);
    }
}

/// Continues a walk in a document.
fn enter<'a, 'p>(
    doc: Doc<'a>,
    parts: &'p [Part],
    present: &mut bool,
) -> Result<Walk<'a, 'p>, CommandError> {
    let Some((part, rest)) = parts.split_first() else {
        return Ok(Walk::Value(Value::Null));
    };
    match doc.element(part.name()) {
        Some(element) => follow(element, rest, present),
        None => Ok(Walk::Value(Value::Null)),
    }
}

/// Continues a walk at an element, up to a value or an array.
fn follow<'a, 'p>(
    element: Element<'a>,
    rest: &'p [Part],
    present: &mut bool,
) -> Result<Walk<'a, 'p>, CommandError> {
    match (element.kind(), element.doc()) {
        (Kind::Array, Some(array)) => {
            if let Some(item) = by_position(array, rest)? {
                return follow_item(item, &rest[1..], present);
            }
            *present |= rest.is_empty();
            Ok(Walk::Array(element, rest))
        }
        (_, Some(doc)) if !rest.is_empty() => enter(doc, rest, present),
        _ if rest.is_empty() => {
            *present = true;
            Ok(Walk::Value(element.value()))
        }
        _ => Ok(Walk::Value(Value::Null)),
    }
}

/// Returns the array element that the next name stands for, if the name is an index.
fn by_position<'a>(array: Doc<'a>, rest: &[Part]) -> Result<Option<Element<'a>>, CommandError> {
    let Some(part) = rest.first() else {
        return Ok(None);
    };
    let index = part.index();
    let Some(item) = index.and_then(|index| array.elements().nth(index)) else {
        return Ok(None);
    };
    let mut documents = array
        .elements()
        .filter(|item| item.kind() == Kind::Document)
        .filter_map(Element::doc);
    if documents.any(|doc| doc.element(part.name()).is_some()) {
        return Err(CommandError::location(
            16_746,
            format!(
                "Ambiguous field name found in array (do not use numeric field names in embedded \
                 elements in an array), field: '{}'",
                part.name()
            ),
        ));
    }
    Ok(Some(item))
}

/// Continues a walk at an element named by its index: an array at the end counts as a whole.
fn follow_item<'a, 'p>(
    item: Element<'a>,
    rest: &'p [Part],
    present: &mut bool,
) -> Result<Walk<'a, 'p>, CommandError> {
    if rest.is_empty() {
        *present = true;
        return Ok(Walk::Value(item.value()));
    }
    follow(item, rest, present)
}

fn expand<'a>(walks: Vec<Walk<'a, '_>>, out: &mut Tuples<'a>) -> Result<(), CommandError> {
    let mut arrays = walks.iter().filter_map(|walk| match walk {
        Walk::Array(element, _) => Some(*element),
        Walk::Value(_) => None,
    });
    let Some(array) = arrays.next() else {
        let values = walks.into_iter().filter_map(|walk| match walk {
            Walk::Value(value) => Some(value),
            Walk::Array(..) => None,
        });
        out.values.push(values.collect());
        return Ok(());
    };
    if let Some(other) = arrays.find(|other| !std::ptr::eq(other.payload(), array.payload())) {
        return Err(CommandError::new(
            Code::CANNOT_INDEX_PARALLEL_ARRAYS,
            format!(
                "cannot index parallel arrays [{}] [{}]",
                other.name(),
                array.name()
            ),
        ));
    }
    out.multikey = true;
    let items = array.doc().unwrap_or(Doc::EMPTY);
    let step = |item: Option<Element<'a>>, present: &mut bool| {
        walks
            .iter()
            .map(|walk| match walk {
                Walk::Value(value) => Ok(Walk::Value(value.clone())),
                Walk::Array(_, rest) => step_into(item, rest, present),
            })
            .collect::<Result<Vec<_>, _>>()
    };
    if items.is_empty() {
        let next = step(None, &mut out.present)?;
        return expand(next, out);
    }
    items.elements().try_for_each(|item| {
        let next = step(Some(item), &mut out.present)?;
        expand(next, out)
    })
}

/// Continues a walk in an array element; `None` stands for an empty array.
fn step_into<'a, 'p>(
    item: Option<Element<'a>>,
    rest: &'p [Part],
    present: &mut bool,
) -> Result<Walk<'a, 'p>, CommandError> {
    let Some(item) = item else {
        return Ok(Walk::Value(if rest.is_empty() {
            Value::Undefined
        } else {
            Value::Null
        }));
    };
    if rest.is_empty() {
        return Ok(Walk::Value(item.value()));
    }
    match item.doc().filter(|_| item.kind() == Kind::Document) {
        Some(doc) => enter(doc, rest, present),
        None => Ok(Walk::Value(Value::Null)),
    }
}
