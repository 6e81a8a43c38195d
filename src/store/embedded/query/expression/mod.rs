//! Expressions of aggregation: values computed from documents.
//!
//! A missing value is [`Value::Undefined`] here. It is less than null and leaves no field behind.
//!
//! # References
//!
//! <https://www.mongodb.com/docs/manual/reference/operator/aggregation/>

#![expect(clippy::unnecessary_wraps, reason = "all functions have one form")]

mod arithmetic;
mod array;
mod boolean;
mod conversion;
mod date;
mod date_parts;
mod functions;
mod object;
mod parse;
mod scoped;
mod set;
mod string;
mod sum;
mod text_search;

use super::super::bson::{ArrayBuilder, Builder, Doc, Kind, Value};
use super::super::error::CommandError;

use functions::Function;
pub use object::merge_into;
use scoped::Scoped;
pub use sum::Sum;

/// A compiled expression.
#[derive(Debug, Clone)]
pub enum Expression {
    /// Always the same.
    Constant(Value<'static>),
    /// A field of a variable: `$a.b`, `$$name.a.b`.
    Field {
        /// Which variable.
        variable: Variable,
        /// The names behind it.
        names: Vec<String>,
    },
    /// A document with computed fields.
    Document(Vec<(String, Self)>),
    /// An array of computed values.
    Array(Vec<Self>),
    /// A function of computed values.
    Call(&'static Function, Vec<Self>),
    /// Something that computes its parts only where needed, or under names of its own.
    Scoped(Box<Scoped>),
}

/// What a field belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// The document.
    Root,
    /// Nothing: the field goes.
    Remove,
    /// When the command began.
    Now,
    /// A name that an expression gave.
    Named(String),
}

/// What an expression computes from.
#[derive(Debug, Clone, Copy)]
pub struct Environment<'a> {
    /// The document.
    pub root: Doc<'a>,
    /// Names given by expressions around.
    pub scope: Option<&'a Scope<'a>>,
    /// Milliseconds since 1970 when the command began.
    pub now_ms: i64,
}

/// A name with its value, and the names around it.
#[derive(Debug)]
pub struct Scope<'a> {
    name: &'a str,
    value: Value<'a>,
    outer: Option<&'a Self>,
}

impl Expression {
    /// Compiles an expression.
    pub fn parse(value: &Value<'_>) -> Result<Self, CommandError> {
        parse::parse(value)
    }

    /// Computes the value.
    pub fn evaluate<'a>(
        &'a self,
        environment: &Environment<'a>,
    ) -> Result<Value<'a>, CommandError> {
        match self {
            Self::Constant(value) => Ok(borrowed(value)),
            Self::Field { variable, names } => Ok(environment.field(variable, names)),
            Self::Document(fields) => {
                let mut builder = Builder::new();
                for (name, expression) in fields {
                    let value = expression.evaluate(environment)?;
                    if !is_missing(&value) {
                        builder.push(name, &value);
                    }
                }
                Ok(Value::Document(builder.finish().into()))
            }
            Self::Array(items) => {
                let mut array = ArrayBuilder::default();
                for item in items {
                    array.push(&null_if_missing(item.evaluate(environment)?));
                }
                Ok(array.into_value())
            }
            Self::Call(function, arguments) => {
                let values = arguments
                    .iter()
                    .map(|argument| argument.evaluate(environment))
                    .collect::<Result<Vec<_>, _>>()?;
                function.call(&values)
            }
            Self::Scoped(scoped) => scoped.evaluate(environment),
        }
    }

    /// Returns the value, if it is the same for every document.
    pub fn as_constant(&self) -> Option<&Value<'static>> {
        match self {
            Self::Constant(value) => Some(value),
            _ => None,
        }
    }
}

impl<'a> Environment<'a> {
    /// Computes from a document alone.
    pub fn new(root: Doc<'a>, now_ms: i64) -> Self {
        Self {
            root,
            scope: None,
            now_ms,
        }
    }

    fn field(&self, variable: &Variable, names: &[String]) -> Value<'a> {
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
        let mut scope = self.scope;
        while let Some(inner) = scope {
            if inner.name == name {
                return inner.value.clone();
            }
            scope = inner.outer;
        }
        Value::Undefined
    }
}

/// Follows names into documents, and into each document of an array.
fn follow<'a>(value: Value<'a>, names: &[String]) -> Value<'a> {
    let Some((first, rest)) = names.split_first() else {
        return value;
    };
    match value {
        Value::Document(std::borrow::Cow::Borrowed(bytes)) => {
            let inner = Doc::new(bytes).get(first).unwrap_or(Value::Undefined);
            follow(inner, rest)
        }
        Value::Document(std::borrow::Cow::Owned(bytes)) => {
            let inner = Doc::new(&bytes).get(first).unwrap_or(Value::Undefined);
            follow(inner, rest).into_owned()
        }
        Value::Array(bytes) => {
            let mut found = ArrayBuilder::default();
            for item in Doc::new(&bytes).elements() {
                if matches!(item.kind(), Kind::Document | Kind::Array) {
                    let nested = item.kind() == Kind::Array;
                    let value = follow(item.value(), names);
                    // Arrays directly in arrays have no names of their own.
                    if !is_missing(&value) && !nested {
                        found.push(&value);
                    }
                }
            }
            found.into_value()
        }
        _ => Value::Undefined,
    }
}

/// Returns whether there is no value.
pub fn is_missing(value: &Value<'_>) -> bool {
    matches!(value, Value::Undefined)
}

/// Returns null for a value that is not there.
pub fn null_if_missing(value: Value<'_>) -> Value<'_> {
    if is_missing(&value) {
        Value::Null
    } else {
        value
    }
}

/// Returns a value that borrows from another.
pub fn borrowed<'a>(value: &'a Value<'_>) -> Value<'a> {
    use std::borrow::Cow;
    match value {
        Value::String(text) => Value::String(Cow::Borrowed(text)),
        Value::Document(bytes) => Value::Document(Cow::Borrowed(bytes)),
        Value::Array(bytes) => Value::Array(Cow::Borrowed(bytes)),
        Value::Binary { subtype, bytes } => Value::Binary {
            subtype: *subtype,
            bytes: Cow::Borrowed(bytes),
        },
        other => other.clone().into_owned(),
    }
}
