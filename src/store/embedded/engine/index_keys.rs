//! The keys under which an index finds a document.
//!
//! An array is indexed by each of its elements. Fields below one array go together, element by
//! element; two different arrays in one index are refused.

use super::super::bson::{Doc, Element, Kind, Value};
use super::super::error::{Code, CommandError};
use super::super::query::path::{Part, Path};
use super::super::query::sort::Direction;

/// The values of an index's fields, one tuple per key.
#[derive(Debug, Default)]
pub struct Tuples<'a> {
    /// The tuples, in the order of the arrays that they come from.
    pub values: Vec<Vec<Value<'a>>>,
    /// Whether an array was entered.
    pub multikey: bool,
    /// Whether any of the fields exists.
    pub present: bool,
}

/// How far the way to a field's value has been gone.
#[derive(Debug, Clone)]
enum Way<'a, 'p> {
    /// The end.
    Value(Value<'a>),
    /// At an element, with names still to follow.
    At(Element<'a>, &'p [Part]),
}

/// Collects the values of `fields` in `doc`.
pub fn tuples<'a>(fields: &[(Path, Direction)], doc: Doc<'a>) -> Result<Tuples<'a>, CommandError> {
    let mut out = Tuples::default();
    let ways = fields
        .iter()
        .map(|(path, _)| enter(doc, path.parts(), &mut out.present))
        .collect();
    expand(ways, &mut out)?;
    Ok(out)
}

/// Appends the tuple's bytes, each in the direction of its field.
pub fn encode(fields: &[(Path, Direction)], tuple: &[Value<'_>], out: &mut Vec<u8>) {
    for ((_, direction), value) in fields.iter().zip(tuple) {
        direction.encode(value, out);
    }
}

/// Follows the first name into a document.
fn enter<'a, 'p>(doc: Doc<'a>, parts: &'p [Part], present: &mut bool) -> Way<'a, 'p> {
    let Some((part, rest)) = parts.split_first() else {
        return Way::Value(Value::Null);
    };
    match doc.element(part.name()) {
        Some(element) => follow(element, rest, present),
        None => Way::Value(Value::Null),
    }
}

/// Follows names through documents, up to a value or an array.
fn follow<'a, 'p>(element: Element<'a>, rest: &'p [Part], present: &mut bool) -> Way<'a, 'p> {
    match (element.kind(), element.doc()) {
        (Kind::Array, Some(_)) => {
            *present |= rest.is_empty();
            Way::At(element, rest)
        }
        (_, Some(doc)) if !rest.is_empty() => enter(doc, rest, present),
        _ if rest.is_empty() => {
            *present = true;
            Way::Value(element.value())
        }
        _ => Way::Value(Value::Null),
    }
}

fn expand<'a>(ways: Vec<Way<'a, '_>>, out: &mut Tuples<'a>) -> Result<(), CommandError> {
    let mut arrays = ways.iter().filter_map(|way| match way {
        Way::At(element, _) => Some(*element),
        Way::Value(_) => None,
    });
    let Some(array) = arrays.next() else {
        let values = ways.into_iter().filter_map(|way| match way {
            Way::Value(value) => Some(value),
            Way::At(..) => None,
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
        ways.iter()
            .map(|way| match way {
                Way::Value(value) => Way::Value(value.clone()),
                Way::At(_, rest) => step_into(item, rest, present),
            })
            .collect::<Vec<_>>()
    };
    if items.is_empty() {
        let next = step(None, &mut out.present);
        return expand(next, out);
    }
    items.elements().try_for_each(|item| {
        let next = step(Some(item), &mut out.present);
        expand(next, out)
    })
}

/// Goes on in an array's element; `None` stands for an array without any.
fn step_into<'a, 'p>(
    item: Option<Element<'a>>,
    rest: &'p [Part],
    present: &mut bool,
) -> Way<'a, 'p> {
    let Some(item) = item else {
        return Way::Value(if rest.is_empty() {
            Value::Undefined
        } else {
            Value::Null
        });
    };
    if rest.is_empty() {
        return Way::Value(item.value());
    }
    match item.doc().filter(|_| item.kind() == Kind::Document) {
        Some(doc) => enter(doc, rest, present),
        None => Way::Value(Value::Null),
    }
}
