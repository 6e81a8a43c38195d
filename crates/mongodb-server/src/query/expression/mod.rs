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

use crate::bson::{ArrayBuilder, Builder, Doc, Kind, MAX_DOCUMENT_BYTES, Value};
use crate::error::{Code, CommandError};
use convoy_server_kit::clock::RunClock;

use functions::Function;
pub use object::merge_into;
use scoped::Scoped;
pub use sum::Sum;

/// Bytes of values that are held while another one is computed. A few words can ask for any number:
/// `$reduce` doubles its value with every element.
const ROOM: usize = 4 * MAX_DOCUMENT_BYTES;

/// Bytes of a value that took longer than a look at the clock.
const LARGE: usize = 64 * 1024;

/// Nanoseconds that an expression may take for one document: `$map` in `$map` multiplies.
const LONGEST: u64 = 2_000_000_000;

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
    /// Bytes that may still be held.
    room: usize,
    /// Runs since the first part was computed.
    clock: RunClock,
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
                let mut inside = *environment;
                for (name, expression) in fields {
                    let value = expression.evaluate(&inside)?;
                    inside = inside.holding(&value)?;
                    if !is_missing(&value) {
                        builder.push(name, &value);
                    }
                }
                Ok(Value::Document(builder.finish().into()))
            }
            Self::Array(items) => {
                let mut array = ArrayBuilder::default();
                let mut inside = *environment;
                for item in items {
                    let value = item.evaluate(&inside)?;
                    inside = inside.holding(&value)?;
                    array.push(&null_if_missing(value));
                }
                Ok(array.into_value())
            }
            Self::Call(function, arguments) => {
                let mut values = Vec::with_capacity(arguments.len());
                let mut inside = *environment;
                for argument in arguments {
                    let value = argument.evaluate(&inside)?;
                    inside = inside.holding(&value)?;
                    values.push(value);
                }
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
            room: ROOM,
            clock: RunClock::start(),
        }
    }

    /// Returns what is left to compute from while a value is held.
    fn holding(self, value: &Value<'_>) -> Result<Self, CommandError> {
        let bytes = match value {
            Value::String(text) => text.len(),
            Value::Document(bytes) | Value::Array(bytes) | Value::Binary { bytes, .. } => {
                bytes.len()
            }
            _ => 0,
        };
        if bytes > LARGE {
            self.check_time()?;
        }
        match self.room.checked_sub(bytes) {
            Some(room) => Ok(Self { room, ..self }),
            None => Err(CommandError::new(
                Code::QUERY_EXCEEDED_MEMORY,
                format!("the values of an expression are larger than {ROOM} bytes"),
            )),
        }
    }

    /// Fails if the expression has had its time.
    fn check_time(&self) -> Result<(), CommandError> {
        if self.clock.now() > LONGEST {
            return Err(CommandError::new(
                Code::MAX_TIME_EXPIRED,
                "an expression exceeded its time limit",
            ));
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Each element doubles the value.
    fn doubling(function: &str) -> Expression {
        let range: ArrayBuilder = [Value::Int32(0), Value::Int32(60)].into_iter().collect();
        let range = Builder::new().array("$range", range).finish();
        let value = || Value::String("$$value".into());
        let twice: ArrayBuilder = [value(), value()].into_iter().collect();
        let inner = Builder::new().array(function, twice).finish();
        let reduce = Builder::new()
            .raw_document("input", Doc::new(&range))
            .array("initialValue", [Value::Int32(1)].into_iter().collect())
            .raw_document("in", Doc::new(&inner))
            .finish();
        let reduce = Builder::new().raw_document("$reduce", Doc::new(&reduce));
        Expression::parse(&Value::Document(reduce.finish().into())).expect("it is an expression")
    }

    /// Sixty doublings of a byte are an exabyte.
    #[test]
    fn a_value_that_doubles_is_refused_before_it_fills_the_memory() {
        for function in ["$concatArrays", "inner"] {
            let expression = doubling(function);
            let environment = Environment {
                room: 1 << 16,
                ..Environment::new(Doc::EMPTY, 0)
            };
            let refused = expression.evaluate(&environment).map(|_| ());
            let code = refused.map_err(|error| error.code());
            assert_eq!(code, Err(Code::QUERY_EXCEEDED_MEMORY), "{function}");
        }
    }

    #[test]
    fn an_expression_ends_with_its_time() {
        let expression = doubling("$concatArrays");
        let environment = Environment {
            clock: RunClock::reaching_back(Duration::from_secs(60)),
            ..Environment::new(Doc::EMPTY, 0)
        };
        let refused = expression.evaluate(&environment).map(|_| ());
        let code = refused.map_err(|error| error.code());
        assert_eq!(code, Err(Code::MAX_TIME_EXPIRED));
    }
}
