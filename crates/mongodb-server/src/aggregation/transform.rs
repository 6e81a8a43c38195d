//! Stages that turn documents into other documents.

use rand::seq::IteratorRandom as _;

use crate::aggregation::parse::{StageSpec, build};
use crate::aggregation::stages::{MEMORY_LIMIT, memory_exceeded};
use crate::aggregation::{Context, Stage, drain};
use crate::bson::{ArrayBuilder, Builder, Doc, Element, Kind, Value, validate};
use crate::engine::Row;
use crate::error::{Code, CommandError};
use crate::query::Expression;
use crate::query::expression::Scope;
use crate::query::path::{Part, Path};
use crate::query::update::set_field;

/// Counts documents: one document with the number, none if there are none.
pub struct Count {
    pub input: Option<Box<dyn Stage>>,
    pub field: String,
}

impl Stage for Count {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        let Some(mut input) = self.input.take() else {
            return Ok(None);
        };
        let mut count = 0;
        while input.next(context)?.is_some() {
            count += 1;
        }
        let document = Builder::new().count(&self.field, count).finish();
        Ok((count > 0).then(|| Row::computed(document)))
    }
}

/// Gives a number of empty documents, where only their number matters.
pub struct Blank {
    pub left: usize,
}

impl Stage for Blank {
    fn next(&mut self, _context: &Context) -> Result<Option<Row>, CommandError> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        Ok(Some(Row {
            document: bytes::Bytes::from_static(Doc::EMPTY.bytes()),
            origin: None,
        }))
    }
}

/// Gives documents that are there already.
pub struct Given {
    pub rows: std::vec::IntoIter<Row>,
}

impl Stage for Given {
    fn next(&mut self, _context: &Context) -> Result<Option<Row>, CommandError> {
        Ok(self.rows.next())
    }
}

/// Puts a computed document in the place of each.
pub struct ReplaceRoot {
    pub input: Box<dyn Stage>,
    pub expression: Expression,
}

impl Stage for ReplaceRoot {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        let Some(row) = self.input.next(context)? else {
            return Ok(None);
        };
        let scope = Scope::new(row.doc(), context.now_ms);
        match self.expression.evaluate(&scope)? {
            Value::Document(bytes) => Ok(Some(Row::computed(bytes.into_owned()))),
            other => Err(CommandError::location(
                40_228,
                format!(
                    "'newRoot' expression must evaluate to an object, but resulting value was: \
                     {other}. Type of resulting value: '{}'",
                    other.kind().alias()
                ),
            )),
        }
    }
}

/// What `$unwind` says.
#[derive(Debug, Clone)]
pub struct UnwindSpec {
    pub path: Path,
    pub index_field: Option<Path>,
    pub keep_empty: bool,
}

/// Gives a document for each element of an array.
pub struct Unwind {
    pub input: Box<dyn Stage>,
    pub spec: UnwindSpec,
    /// The document under way, with what is left of its array.
    pub current: Option<Unwinding>,
}

/// A document under way.
pub struct Unwinding {
    row: Row,
    items: std::iter::Enumerate<std::vec::IntoIter<Value<'static>>>,
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

impl Unwind {
    fn with_index(&self, row: Row, index: Option<usize>) -> Row {
        let Some(field) = &self.spec.index_field else {
            return row;
        };
        let index = index.and_then(|index| i64::try_from(index).ok());
        let value = index.map_or(Value::Null, Value::Int64);
        Row::computed(put(row.doc(), field.parts(), &value))
    }
}

/// Returns a document with a value at a path; what is on the way and no document becomes one.
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

/// Gives some documents by chance.
pub struct Sample {
    pub input: Option<Box<dyn Stage>>,
    pub size: usize,
    pub chosen: std::vec::IntoIter<Row>,
}

impl Stage for Sample {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        if let Some(mut input) = self.input.take() {
            let mut failed = None;
            let mut memory = 0;
            let rows = std::iter::from_fn(|| {
                input.next(context).unwrap_or_else(|error| {
                    failed = Some(error);
                    None
                })
            });
            // Copied, so that a chosen document does not hold on to what it was read with.
            let rows = rows.map(|row| Row {
                document: bytes::Bytes::copy_from_slice(&row.document),
                origin: None,
            });
            let chosen = rows.sample(&mut rand::rng(), self.size);
            memory += chosen.iter().map(|row| row.document.len()).sum::<usize>();
            if let Some(error) = failed {
                return Err(error);
            }
            if memory > MEMORY_LIMIT {
                return Err(memory_exceeded("$sample"));
            }
            self.chosen = chosen.into_iter();
        }
        Ok(self.chosen.next())
    }
}

/// Runs several pipelines over the same documents; gives one document with all results.
pub struct Facet {
    pub input: Option<Box<dyn Stage>>,
    pub facets: Vec<(String, Vec<StageSpec>)>,
}

impl Stage for Facet {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        let Some(mut input) = self.input.take() else {
            return Ok(None);
        };
        let mut rows = Vec::new();
        let mut memory = 0;
        while let Some(row) = input.next(context)? {
            memory += row.document.len();
            if memory > MEMORY_LIMIT {
                return Err(memory_exceeded("$facet"));
            }
            rows.push(row);
        }
        let mut document = Builder::new();
        for (name, stages) in &self.facets {
            let given = Given {
                rows: rows.clone().into_iter(),
            };
            let mut stage = build(stages.clone(), Box::new(given));
            let mut results = ArrayBuilder::default();
            for row in drain(stage.as_mut(), context)? {
                results.push_doc(row.doc());
            }
            document = document.array(name, results);
        }
        Ok(Some(Row::computed(document.finish())))
    }
}

/// Refuses computed documents that are nested too deep for anything else to walk them.
pub struct CheckDepth {
    pub input: Box<dyn Stage>,
}

impl Stage for CheckDepth {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        let Some(row) = self.input.next(context)? else {
            return Ok(None);
        };
        if row.document.len() > crate::bson::MAX_DOCUMENT_BYTES {
            return Err(CommandError::new(
                Code::BSON_OBJECT_TOO_LARGE,
                format!(
                    "BSONObj size: {} is invalid. Size must be between 0 and 16793600(16MB)",
                    row.document.len()
                ),
            ));
        }
        match validate::document(&row.document) {
            Ok(()) => Ok(Some(row)),
            Err(invalid) => Err(CommandError::new(Code::OVERFLOW, invalid.to_string())),
        }
    }
}
