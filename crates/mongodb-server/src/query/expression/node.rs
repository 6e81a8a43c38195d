//! The compiled form of an expression.

use crate::bson::Value;
use crate::query::expression::function::Function;

/// A compiled expression.
#[derive(Debug, Clone)]
pub enum Expression {
    Constant(Value<'static>),
    /// A field of a variable: `$a.b`, `$$name.a.b`.
    Field {
        variable: Variable,
        names: Vec<String>,
    },
    /// A document with computed fields.
    Document(Vec<(String, Self)>),
    /// An array of computed values.
    Array(Vec<Self>),
    /// A function whose arguments are all computed first.
    Call(&'static Function, Vec<Self>),
    Special(Box<SpecialForm>),
    /// An optional argument that is given: a missing value is null, since it is not omitted.
    Given(Box<Self>),
    /// An optional argument that is omitted: undefined.
    Omitted,
}

/// The variable that a field path starts at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// `$$ROOT` and `$$CURRENT`: the document.
    Root,
    /// `$$REMOVE`: a missing value.
    Remove,
    /// `$$NOW`: the time at which the command began.
    Now,
    /// A variable that an outer expression defines.
    Named(String),
}

/// An expression that computes some of its parts only when needed, or defines variables for them.
#[derive(Debug, Clone)]
pub enum SpecialForm {
    /// `$and`; stops at the first part that is false.
    And(Vec<Expression>),
    /// `$or`; stops at the first part that is true.
    Or(Vec<Expression>),
    /// `$cond`
    Condition {
        condition: Expression,
        then: Expression,
        otherwise: Expression,
    },
    /// `$ifNull`: the first value that is neither null nor missing.
    IfNull(Vec<Expression>),
    /// `$switch`: the first branch whose case is true.
    Switch {
        /// Each case and its result.
        branches: Vec<(Expression, Expression)>,
        default: Option<Expression>,
    },
    /// `$let`
    Let {
        variables: Vec<(String, Expression)>,
        inner: Expression,
    },
    /// `$map`
    Map {
        input: Expression,
        /// The variable for an element.
        name: String,
        inner: Expression,
    },
    /// `$filter`
    Filter {
        input: Expression,
        /// The variable for an element.
        name: String,
        condition: Expression,
        limit: Option<Expression>,
    },
    /// A call whose failure or null input has a value: `$convert` and the like.
    Fallback {
        function: &'static Function,
        /// The first one is the input.
        arguments: Vec<Expression>,
        on_error: Option<Expression>,
        on_null: Option<Expression>,
    },
    /// `$reduce`, with the variables `this` and `value`.
    Reduce {
        input: Expression,
        initial: Expression,
        inner: Expression,
    },
}

impl Expression {
    /// Returns the value, if it is the same for every document.
    pub fn as_constant(&self) -> Option<&Value<'static>> {
        match self {
            Self::Constant(value) => Some(value),
            Self::Omitted => Some(&Value::Undefined),
            _ => None,
        }
    }

    /// Returns the expression `$$ROOT`.
    pub fn root() -> Self {
        Self::Field {
            variable: Variable::Root,
            names: Vec::new(),
        }
    }
}
