//! The compiled form of an expression.

use crate::bson::Value;
use crate::query::expression::function::Function;
use crate::query::expression::percentiles::Percentiles;

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
    /// `$percentile`, `$median`
    Percentiles(Percentiles, Expression),
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

    /// Returns the fields of the document, with values, that are equal if the expression is true.
    ///
    /// An array behind a dotted path is left out: there it may be collected from several documents.
    pub fn equalities(&self) -> Vec<(&[String], &Value<'static>)> {
        match self {
            Self::Call(function, arguments) if function.name == "$eq" => {
                let pair = match arguments.as_slice() {
                    [Self::Field { variable, names }, Self::Constant(value)]
                    | [Self::Constant(value), Self::Field { variable, names }] => {
                        (*variable == Variable::Root).then_some((names.as_slice(), value))
                    }
                    _ => None,
                };
                let usable = |(names, value): &(&[String], &Value<'_>)| match value {
                    Value::Undefined | Value::Null | Value::Regex { .. } => false,
                    Value::Array(_) => names.len() == 1,
                    _ => !names.is_empty(),
                };
                pair.filter(usable).into_iter().collect()
            }
            Self::Special(form) => match form.as_ref() {
                SpecialForm::And(all) => all.iter().flat_map(Self::equalities).collect(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// Returns whether the value depends on the document.
    pub fn reads_document(&self) -> bool {
        match self {
            Self::Constant(_) | Self::Omitted => false,
            Self::Field { variable, .. } => *variable == Variable::Root,
            Self::Document(fields) => fields.iter().any(|(_, field)| field.reads_document()),
            Self::Array(items) | Self::Call(_, items) => items.iter().any(Self::reads_document),
            Self::Given(inner) => inner.reads_document(),
            Self::Special(form) => form.parts().into_iter().any(Self::reads_document),
        }
    }

    /// Returns whether computing the value may be an error.
    pub fn may_fail(&self) -> bool {
        !matches!(self, Self::Constant(_) | Self::Field { .. } | Self::Omitted)
    }

    /// Returns whether this is `$$ROOT`.
    pub fn is_root(&self) -> bool {
        matches!(self, Self::Field { variable: Variable::Root, names } if names.is_empty())
    }

    /// Returns the expression `$$ROOT`.
    pub fn root() -> Self {
        Self::Field {
            variable: Variable::Root,
            names: Vec::new(),
        }
    }
}

impl SpecialForm {
    /// Returns the expressions that this one is made of.
    fn parts(&self) -> Vec<&Expression> {
        match self {
            Self::And(all) | Self::Or(all) | Self::IfNull(all) => all.iter().collect(),
            Self::Condition {
                condition,
                then,
                otherwise,
            } => vec![condition, then, otherwise],
            Self::Switch { branches, default } => {
                let pairs = branches.iter().flat_map(|(case, then)| [case, then]);
                pairs.chain(default).collect()
            }
            Self::Let { variables, inner } => {
                let values = variables.iter().map(|(_, value)| value);
                values.chain([inner]).collect()
            }
            Self::Map { input, inner, .. } => vec![input, inner],
            Self::Filter {
                input,
                condition,
                limit,
                ..
            } => [input, condition].into_iter().chain(limit).collect(),
            Self::Fallback {
                arguments,
                on_error,
                on_null,
                ..
            } => arguments.iter().chain(on_error).chain(on_null).collect(),
            Self::Percentiles(_, input) => vec![input],
            Self::Reduce {
                input,
                initial,
                inner,
            } => vec![input, initial, inner],
        }
    }
}
