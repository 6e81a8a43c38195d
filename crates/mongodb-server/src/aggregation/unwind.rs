//! `$unwind`: one document per element of an array.

use std::iter::Enumerate;
use std::vec;

use crate::aggregation::stage::{Context, Stage};
use crate::bson::{Builder, Doc, Element, Kind, Value};
use crate::engine::Row;
use crate::error::CommandError;
use crate::query::{Part, Path, set_field};

/// A compiled `$unwind`.
#[derive(Debug, Clone)]
pub struct UnwindSpec {
    path: Path,
    /// The field for the index of the element.
    index_field: Option<Path>,
    /// Whether a document without elements is kept.
    keep_empty: bool,
}

/// Returns a document for each element of an array.
pub struct Unwind {
    input: Box<dyn Stage>,
    spec: UnwindSpec,
    current: Option<Unwinding>,
}

/// A document with the remaining elements of its array.
struct Unwinding {
    row: Row,
    items: Enumerate<vec::IntoIter<Value<'static>>>,
}

impl UnwindSpec {
    /// Compiles the argument of the stage: a path, or a document with options.
    pub fn parse(argument: &Value<'_>) -> Result<Self, CommandError> {
        match argument {
            Value::String(path) => Ok(Self {
                path: parse_path(path)?,
                index_field: None,
                keep_empty: false,
            }),
            Value::Document(bytes) => Self::parse_options(Doc::new(bytes)),
            _ => {
                let message =
                    "expected either a string or an object as specification for $unwind stage";
                Err(CommandError::location(15_981, message))
            }
        }
    }

    fn parse_options(options: Doc<'_>) -> Result<Self, CommandError> {
        let mut path = None;
        let mut index_field = None;
        let mut keep_empty = false;
        for element in options.elements() {
            let value = element.value();
            match (element.name(), &value) {
                ("path", Value::String(text)) => path = Some(text.as_ref().to_owned()),
                ("preserveNullAndEmptyArrays", Value::Bool(keep)) => keep_empty = *keep,
                ("includeArrayIndex", Value::String(name)) if !name.starts_with('$') => {
                    index_field = Some(Path::new(name));
                }
                (name, _) => {
                    let message = format!("unrecognized option to $unwind stage: {name}");
                    return Err(CommandError::location(28_811, message));
                }
            }
        }
        let path = path
            .ok_or_else(|| CommandError::location(28_812, "no path specified to $unwind stage"))?;
        Ok(Self {
            path: parse_path(&path)?,
            index_field,
            keep_empty,
        })
    }
}

fn parse_path(path: &str) -> Result<Path, CommandError> {
    let name = path.strip_prefix('$').filter(|name| !name.is_empty());
    name.map(Path::new).ok_or_else(|| {
        let message = format!("path option to $unwind stage should be prefixed with a '$': {path}");
        CommandError::location(28_818, message)
    })
}

impl Unwind {
    pub fn new(input: Box<dyn Stage>, spec: UnwindSpec) -> Self {
        Self {
            input,
            spec,
            current: None,
        }
    }

    fn with_index(&self, row: Row, index: Option<usize>) -> Row {
        let Some(field) = &self.spec.index_field else {
            return row;
        };
        let index = index.and_then(|index| i64::try_from(index).ok());
        let value = index.map_or(Value::Null, Value::Int64);
        Row::computed(put(row.doc(), field.parts(), &value))
    }
}

impl Stage for Unwind {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        loop {
            if let Some(current) = &mut self.current
                && let Some((index, item)) = current.items.next()
            {
                let made = set_field(current.row.doc(), &self.spec.path, Some(&item))?;
                return Ok(Some(self.with_index(Row::computed(made), Some(index))));
            }
            let Some(row) = self.input.next(context)? else {
                return Ok(None);
            };
            let value = self.spec.path.get(row.doc()).map(Element::value);
            let empty = match &value {
                Some(Value::Array(bytes)) => {
                    let items: Vec<_> = Doc::new(bytes).values().map(Value::into_owned).collect();
                    let empty = items.is_empty();
                    self.current = Some(Unwinding {
                        row: row.clone(),
                        items: items.into_iter().enumerate(),
                    });
                    if !empty {
                        continue;
                    }
                    true
                }
                Some(value) => value.is_nullish(),
                None => true,
            };
            if empty && !self.spec.keep_empty {
                continue;
            }
            if matches!(value, Some(Value::Array(_))) {
                let made = set_field(row.doc(), &self.spec.path, None)?;
                return Ok(Some(self.with_index(Row::computed(made), None)));
            }
            drop(value);
            return Ok(Some(self.with_index(row, None)));
        }
    }
}

/// Returns a document with a value set at a path. Values on the way that are not documents become
/// documents.
fn put(doc: Doc<'_>, parts: &[Part], value: &Value<'_>) -> Vec<u8> {
    let Some((part, rest)) = parts.split_first() else {
        return doc.bytes().to_vec();
    };
    let mut made = Builder::new();
    let mut found = false;
    let enter = |made: &mut Builder, inner: Doc<'_>| {
        if rest.is_empty() {
            made.push(part.name(), value);
        } else {
            let inner = put(inner, rest, value);
            made.push(part.name(), &Value::Document(inner.into()));
        }
    };
    for element in doc.elements() {
        if element.name() == part.name() {
            found = true;
            let inner = element.doc().filter(|_| element.kind() == Kind::Document);
            enter(&mut made, inner.unwrap_or(Doc::EMPTY));
        } else {
            made.push_element(element);
        }
    }
    if !found {
        enter(&mut made, Doc::EMPTY);
    }
    made.finish()
}
