//! Sort orders, and sort keys that compare as bytes.

use crate::bson::{Doc, Element, Kind, Value};
use crate::error::{Code, CommandError};
use crate::query::direction::Direction;
use crate::query::field_path::parse_field_path;
use crate::query::path::{Part, Path};
use crate::query::tuples::{Tuples, encode_tuple};

/// Largest number of fields to sort by.
const MAX_FIELDS: usize = 32;

/// The fields to sort by, the most significant first.
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
            let path = parse_field_path(name)?;
            let value = element.value();
            let direction = value
                .as_i64()
                .filter(|order| matches!(order, 1 | -1))
                .and_then(|_| Direction::parse(&value))
                .ok_or_else(|| {
                    let message = if value.is_number() {
                        "$sort key ordering must be 1 (for ascending) or -1 (for descending)"
                            .to_owned()
                    } else {
                        format!("Illegal key in $sort specification: {name}: {value}")
                    };
                    CommandError::location(if value.is_number() { 15_975 } else { 15_974 }, message)
                })?;
            if fields.iter().any(|(known, _)| *known == path) {
                let message =
                    format!("$sort key must not contain duplicate keys (duplicate: '{name}')");
                return Err(CommandError::location(7_472_500, message));
            }
            fields.push((path, direction));
        }
        if fields.len() > MAX_FIELDS {
            let message = format!("too many compound keys: at most {MAX_FIELDS} fields");
            return Err(CommandError::location(13_103, message));
        }
        Ok(Self { fields })
    }

    /// Reads `{ $natural: 1 }`, the insertion order; `None` for other orders.
    pub fn natural(spec: Doc<'_>) -> Option<Self> {
        let element = spec.elements().next()?;
        let direction = Direction::parse(&element.value())?;
        let natural = element.name() == "$natural" && spec.len() == 1;
        natural.then(|| Self {
            fields: vec![(Path::new("$natural"), direction)],
        })
    }

    pub fn new(fields: Vec<(Path, Direction)>) -> Self {
        Self { fields }
    }

    pub fn fields(&self) -> &[(Path, Direction)] {
        &self.fields
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Appends the sort key of an array element. Unlike in [`Self::encode`], an array in it
    /// compares as a whole.
    pub fn encode_element(&self, doc: Doc<'_>, out: &mut Vec<u8>) {
        for (path, direction) in &self.fields {
            let value = whole(doc, path.parts()).map_or(Value::Null, Element::value);
            direction.encode(&value, out);
        }
    }

    /// Replaces `out` by the sort key of a document.
    ///
    /// The key of an array is that of its first element in the order. Fields of the same array are
    /// combined per element: the sort key is the document's first key in an index on these fields.
    pub fn encode(&self, doc: Doc<'_>, out: &mut Vec<u8>) -> Result<(), CommandError> {
        let tuples = Tuples::new(&self.fields, doc).map_err(|error| {
            if error.code() == Code::CANNOT_INDEX_PARALLEL_ARRAYS {
                CommandError::bad_value("cannot sort with keys that are parallel arrays")
            } else {
                error
            }
        })?;
        out.clear();
        let mut next = Vec::new();
        for (at, tuple) in tuples.values.iter().enumerate() {
            next.clear();
            encode_tuple(&self.fields, tuple, &mut next);
            if at == 0 || next < *out {
                std::mem::swap(out, &mut next);
            }
        }
        Ok(())
    }
}

/// Returns the element at a path; enters arrays by index only.
fn whole<'a>(doc: Doc<'a>, parts: &[Part]) -> Option<Element<'a>> {
    let (part, rest) = parts.split_first()?;
    let element = doc.element(part.name())?;
    if rest.is_empty() {
        return Some(element);
    }
    whole(element.doc()?, rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bson::{Builder, order};
    use crate::query::strategies::{array, document_without_arrays, scalar};

    fn spec(fields: &[(&str, i32)]) -> SortSpec {
        let mut spec = Builder::new();
        for (name, order) in fields {
            spec.push(name, &Value::Int32(*order));
        }
        SortSpec::parse(Doc::new(&spec.finish())).expect("a valid sort order")
    }

    fn key(spec: &SortSpec, doc: &[u8]) -> Vec<u8> {
        let mut key = vec![1, 2, 3];
        spec.encode(Doc::new(doc), &mut key)
            .expect("no parallel arrays");
        key
    }

    fn field(doc: &[u8], name: &str) -> Value<'static> {
        let value = Doc::new(doc).get(name).unwrap_or(Value::Null);
        value.into_owned()
    }

    proptest! {
        #[test]
        fn keys_compare_like_the_values_of_the_fields(
            one in document_without_arrays(), other in document_without_arrays()
        ) {
            let keys = |spec: &SortSpec| key(spec, &one).cmp(&key(spec, &other));
            let values = |name| order::compare(&field(&one, name), &field(&other, name));
            prop_assert_eq!(keys(&spec(&[("a", 1)])), values("a"));
            prop_assert_eq!(keys(&spec(&[("a", -1)])), values("a").reverse());
            let both = values("a").then(values("b").reverse());
            prop_assert_eq!(keys(&spec(&[("a", 1), ("b", -1)])), both);
        }

        #[test]
        fn array_sorts_by_its_first_element_in_the_order(
            items in proptest::collection::vec(scalar(), 1..5), ascending in any::<bool>()
        ) {
            let spec = spec(&[("a", if ascending { 1 } else { -1 })]);
            let keys = items.iter().map(|item| key(&spec, &Builder::new().with("a", item).finish()));
            let first = keys.min().expect("at least one element");
            let doc = Builder::new().with("a", &array(items)).finish();
            prop_assert_eq!(key(&spec, &doc), first);
        }
    }
}
