//! `$unwind`: one document per element of an array.

use std::iter::Enumerate;
use std::vec;

use crate::aggregation::held::Charge;
use crate::aggregation::memory::check_memory;
use crate::aggregation::put::put;
use crate::aggregation::stage::{Context, Stage};
use crate::bson::{Doc, Element, Value};
use crate::engine::Row;
use crate::error::CommandError;
use crate::query::{Path, parse_field_path, set_field};

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
    /// Memory of the elements and of their document.
    charge: Charge,
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
                ("path", other) => {
                    return Err(wrong_option(28_808, "path", "a string", other));
                }
                ("preserveNullAndEmptyArrays", Value::Bool(keep)) => keep_empty = *keep,
                (option @ "preserveNullAndEmptyArrays", other) => {
                    return Err(wrong_option(28_809, option, "a boolean", other));
                }
                ("includeArrayIndex", Value::String(name)) if !name.is_empty() => {
                    if name.starts_with('$') {
                        let message = format!(
                            "includeArrayIndex option to $unwind stage should not be prefixed \
                             with a '$': {name}"
                        );
                        return Err(CommandError::location(28_822, message));
                    }
                    index_field = Some(parse_field_path(name)?);
                }
                (option @ "includeArrayIndex", other) => {
                    return Err(wrong_option(28_810, option, "a non-empty string", other));
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

fn wrong_option(code: i32, option: &str, expected: &str, given: &Value<'_>) -> CommandError {
    let message = format!("expected {expected} for the {option} option of $unwind, got {given}");
    CommandError::location(code, message)
}

fn parse_path(path: &str) -> Result<Path, CommandError> {
    let name = path.strip_prefix('$').ok_or_else(|| {
        let message = format!("path option to $unwind stage should be prefixed with a '$': {path}");
        CommandError::location(28_818, message)
    })?;
    if name.contains('\0') {
        let message = "field path must not contain embedded null bytes";
        return Err(CommandError::location(16_419, message));
    }
    parse_field_path(name)
}

impl Unwind {
    pub fn new(input: Box<dyn Stage>, spec: UnwindSpec) -> Self {
        Self {
            input,
            spec,
            current: None,
            charge: Charge::default(),
        }
    }

    /// Returns the document for the next element of the current array.
    fn next_element(&mut self) -> Result<Option<Row>, CommandError> {
        let Some(current) = &mut self.current else {
            return Ok(None);
        };
        let Some((index, item)) = current.items.next() else {
            return Ok(None);
        };
        let unwound = set_field(current.row.doc(), &self.spec.path, Some(&item))?;
        Ok(Some(self.with_index(Row::computed(unwound), Some(index))))
    }

    /// Starts with the elements of a document; returns a document without elements if it is kept.
    fn start(&mut self, row: Row) -> Result<Option<Row>, CommandError> {
        let (items, keep) = match self.spec.path.get(row.doc()).map(Element::value) {
            Some(Value::Array(bytes)) => {
                let items: Vec<_> = Doc::new(&bytes).values().map(Value::into_owned).collect();
                (Some(items), self.spec.keep_empty)
            }
            Some(value) if !value.is_nullish() => (None, true),
            _ => (None, self.spec.keep_empty),
        };
        match items {
            Some(items) if !items.is_empty() => {
                let memory = 2 * row.document.len() + size_of_val(items.as_slice());
                self.charge.set(memory);
                // The elements of one document are no more than its own size allows.
                check_memory("$unwind", 0)?;
                let items = items.into_iter().enumerate();
                self.current = Some(Unwinding { row, items });
                Ok(None)
            }
            _ if !keep => Ok(None),
            Some(_) => {
                let without = set_field(row.doc(), &self.spec.path, None)?;
                Ok(Some(self.with_index(Row::computed(without), None)))
            }
            None => Ok(Some(self.with_index(row, None))),
        }
    }

    /// Adds the index of the element, if the stage has a field for it.
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
            // Nested stages make far more documents than they read.
            context.check()?;
            if let Some(row) = self.next_element()? {
                return Ok(Some(row));
            }
            let Some(row) = self.input.next(context)? else {
                return Ok(None);
            };
            if let Some(row) = self.start(row)? {
                return Ok(Some(row));
            }
        }
    }
}
