//! A function of an expression: its name, its parameters and the code that computes it.

use std::fmt;

use crate::bson::Value;
use crate::error::CommandError;

/// The result of a function.
pub type Outcome = Result<Value<'static>, CommandError>;

/// Computes a value from arguments.
pub type Compute = fn(&[Value<'_>]) -> Outcome;

/// A function that expressions can call.
pub struct Function {
    pub name: &'static str,
    pub parameters: Parameters,
    compute: Compute,
}

/// How a function takes its arguments.
#[derive(Clone, Copy)]
pub enum Parameters {
    /// In an array of between `least` and `most` arguments; one argument may stand without it.
    Listed { least: usize, most: usize },
    /// By name, in a document.
    Named {
        required: &'static [&'static str],
        optional: &'static [&'static str],
    },
    /// A date, or `{ date, timezone }`.
    Date,
}

impl Function {
    pub const fn new(name: &'static str, parameters: Parameters, compute: Compute) -> Self {
        Self {
            name,
            parameters,
            compute,
        }
    }

    /// Computes the value.
    pub fn call(&self, arguments: &[Value<'_>]) -> Outcome {
        (self.compute)(arguments)
    }

    /// Returns whether a call with constant arguments may be replaced by its value: the same
    /// arguments give the same value, and that is not much larger than they are.
    pub fn is_constant(&self) -> bool {
        !matches!(self.name, "$rand" | "$range" | "$replaceAll")
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name)
    }
}
