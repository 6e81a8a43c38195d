//! The document and variables that an expression computes from, with limits on memory and time.

use std::borrow::Cow;

use convoy_server_kit::RunClock;

use crate::bson::{ArrayBuilder, Doc, Kind, MAX_DOCUMENT_BYTES, Value};
use crate::error::{Code, CommandError};
use crate::query::expression::node::Variable;
use crate::query::expression::values::is_missing;

/// Bytes of values that an expression may hold while it computes another one.
///
/// A short expression can produce any number of bytes: `$reduce` can double its value with every
/// element.
const MEMORY_LIMIT: usize = 4 * MAX_DOCUMENT_BYTES;

/// Size in bytes from which on computing a value takes longer than reading the clock.
const LARGE_VALUE_BYTES: usize = 64 * 1024;

/// Nanoseconds that an expression may take per document: nested `$map`s multiply.
const TIME_LIMIT: u64 = 2_000_000_000;

/// The document, the variables and the limits of an expression.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub root: Doc<'a>,
    /// The innermost variable that an outer expression defines.
    pub(super) variables: Option<&'a Binding<'a>>,
    /// Milliseconds since 1970 when the command began.
    pub(super) now_ms: i64,
    /// Bytes that may still be held.
    pub(super) free_bytes: usize,
    /// Started when the evaluation began.
    pub(super) clock: RunClock,
}

/// A variable, its value and the next outer variable.
#[derive(Debug)]
pub struct Binding<'a> {
    pub name: &'a str,
    pub value: Value<'a>,
    pub outer: Option<&'a Self>,
}

impl<'a> Scope<'a> {
    /// Returns a scope with a document and no variables.
    pub fn new(root: Doc<'a>, now_ms: i64) -> Self {
        Self {
            root,
            variables: None,
            now_ms,
            free_bytes: MEMORY_LIMIT,
            clock: RunClock::start(),
        }
    }

    /// Returns the scope with these variables instead of its own.
    pub fn with_variables<'b>(&self, variables: Option<&'b Binding<'b>>) -> Scope<'b>
    where
        'a: 'b,
    {
        Scope { variables, ..*self }
    }

    /// Returns the scope for what is computed while a value is held.
    pub fn holding(self, value: &Value<'_>) -> Result<Self, CommandError> {
        let bytes = match value {
            Value::String(text) => text.len(),
            Value::Document(bytes) | Value::Array(bytes) | Value::Binary { bytes, .. } => {
                bytes.len()
            }
            _ => 0,
        };
        if bytes > LARGE_VALUE_BYTES {
            self.check_time()?;
        }
        match self.free_bytes.checked_sub(bytes) {
            Some(free_bytes) => Ok(Self { free_bytes, ..self }),
            None => Err(CommandError::new(
                Code::QUERY_EXCEEDED_MEMORY,
                format!(
                    "the values of an expression exceeded the memory limit of {MEMORY_LIMIT} bytes"
                ),
            )),
        }
    }

    /// Fails if the expression has exceeded its time limit.
    pub fn check_time(&self) -> Result<(), CommandError> {
        if self.clock.now() > TIME_LIMIT {
            return Err(CommandError::new(
                Code::MAX_TIME_EXPIRED,
                "an expression exceeded its time limit",
            ));
        }
        Ok(())
    }

    /// Returns the value of a field of a variable.
    pub fn field(&self, variable: &Variable, names: &[String]) -> Value<'a> {
        let start = match variable {
            Variable::Root => match names.split_first() {
                None => return Value::Document(self.root.bytes().into()),
                Some((first, rest)) => {
                    let value = self.root.get(first).unwrap_or(Value::Undefined);
                    return follow(value, rest);
                }
            },
            Variable::Remove => Value::Undefined,
            Variable::Now => Value::DateTime(self.now_ms),
            Variable::Named(name) => self.lookup(name),
        };
        follow(start, names)
    }

    fn lookup(&self, name: &str) -> Value<'a> {
        let mut next = self.variables;
        while let Some(binding) = next {
            if binding.name == name {
                return binding.value.clone();
            }
            next = binding.outer;
        }
        Value::Undefined
    }
}

/// Follows names into documents, and into each document of an array.
pub fn follow<'a>(value: Value<'a>, names: &[String]) -> Value<'a> {
    let Some((first, rest)) = names.split_first() else {
        return value;
    };
    match value {
        Value::Document(Cow::Borrowed(bytes)) => {
            let inner = Doc::new(bytes).get(first).unwrap_or(Value::Undefined);
            follow(inner, rest)
        }
        Value::Document(Cow::Owned(bytes)) => {
            let inner = Doc::new(&bytes).get(first).unwrap_or(Value::Undefined);
            follow(inner, rest).into_owned()
        }
        Value::Array(bytes) => {
            let mut found = ArrayBuilder::default();
            for item in Doc::new(&bytes).elements() {
                // Arrays directly in arrays have no named fields.
                if item.kind() == Kind::Document {
                    let value = follow(item.value(), names);
                    if !is_missing(&value) {
                        found.push(&value);
                    }
                }
            }
            found.into_value()
        }
        _ => Value::Undefined,
    }
}
