//! Expressions that compute their parts only where needed, or under names of their own.

use std::borrow::Cow;

use crate::bson::{ArrayBuilder, Doc, Value};
use crate::error::CommandError;
use crate::query::expression::{Environment, Expression, Scope, null_if_missing, parse};

/// An array that is gone through, and what is left to compute from meanwhile.
type Held<'a> = (Cow<'a, [u8]>, Environment<'a>);

/// Such an expression.
#[derive(Debug, Clone)]
pub enum Scoped {
    /// All are true; stops at the first that is not.
    And(Vec<Expression>),
    /// One is true; stops there.
    Or(Vec<Expression>),
    /// One of two.
    Condition {
        condition: Expression,
        then: Expression,
        otherwise: Expression,
    },
    /// The first that is not null.
    IfNull(Vec<Expression>),
    /// The first branch whose case is true.
    Switch {
        branches: Vec<(Expression, Expression)>,
        default: Option<Expression>,
    },
    /// Names for values.
    Let {
        variables: Vec<(String, Expression)>,
        inner: Expression,
    },
    /// An array of what is computed from each element.
    Map {
        input: Expression,
        name: String,
        inner: Expression,
    },
    /// An array of the elements for which a condition holds.
    Filter {
        input: Expression,
        name: String,
        condition: Expression,
        limit: Option<Expression>,
    },
    /// A value computed from element to element.
    Reduce {
        input: Expression,
        initial: Expression,
        inner: Expression,
    },
}

/// Compiles such an expression; `None` if the name is not of one.
pub fn parse(
    name: &str,
    argument: &Value<'_>,
    names: &[&str],
) -> Result<Option<Expression>, CommandError> {
    let scoped = match name {
        "$and" => Scoped::And(parse_list(argument, names)?),
        "$or" => Scoped::Or(parse_list(argument, names)?),
        "$cond" => parse_condition(argument, names)?,
        "$ifNull" => {
            let list = parse_list(argument, names)?;
            if list.len() < 2 {
                return Err(CommandError::location(
                    1_257_300,
                    format!("$ifNull needs at least two arguments, had: {}", list.len()),
                ));
            }
            Scoped::IfNull(list)
        }
        "$switch" => parse_switch(argument, names)?,
        "$let" => parse_let(argument, names)?,
        "$map" => {
            let arguments = Named::of(name, argument, &["input", "as", "in"])?;
            let element = arguments.variable("as")?;
            Scoped::Map {
                input: arguments.required("input", names)?,
                inner: arguments.required("in", &[names, &[&element]].concat())?,
                name: element,
            }
        }
        "$filter" => {
            let arguments = Named::of(name, argument, &["input", "as", "cond", "limit"])?;
            let element = arguments.variable("as")?;
            Scoped::Filter {
                input: arguments.required("input", names)?,
                condition: arguments.required("cond", &[names, &[&element]].concat())?,
                limit: arguments.optional("limit", names)?,
                name: element,
            }
        }
        "$reduce" => {
            let arguments = Named::of(name, argument, &["input", "initialValue", "in"])?;
            Scoped::Reduce {
                input: arguments.required("input", names)?,
                initial: arguments.required("initialValue", names)?,
                inner: arguments.required("in", &[names, &["this", "value"]].concat())?,
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(Expression::Scoped(Box::new(scoped))))
}

impl Scoped {
    /// Computes the value.
    pub fn evaluate<'a>(
        &'a self,
        environment: &Environment<'a>,
    ) -> Result<Value<'a>, CommandError> {
        match self {
            Self::And(all) => {
                for expression in all {
                    if !expression.evaluate(environment)?.is_truthy() {
                        return Ok(Value::Bool(false));
                    }
                }
                Ok(Value::Bool(true))
            }
            Self::Or(any) => {
                for expression in any {
                    if expression.evaluate(environment)?.is_truthy() {
                        return Ok(Value::Bool(true));
                    }
                }
                Ok(Value::Bool(false))
            }
            Self::Condition {
                condition,
                then,
                otherwise,
            } => {
                if condition.evaluate(environment)?.is_truthy() {
                    then.evaluate(environment)
                } else {
                    otherwise.evaluate(environment)
                }
            }
            Self::IfNull(choices) => {
                let mut value = Value::Undefined;
                for choice in choices {
                    value = choice.evaluate(environment)?;
                    if !value.is_nullish() {
                        break;
                    }
                }
                Ok(value)
            }
            Self::Switch { branches, default } => {
                for (case, then) in branches {
                    if case.evaluate(environment)?.is_truthy() {
                        return then.evaluate(environment);
                    }
                }
                match default {
                    Some(default) => default.evaluate(environment),
                    None => Err(CommandError::location(
                        40_066,
                        "$switch could not find a matching branch for an input, and no default \
                         was specified.",
                    )),
                }
            }
            Self::Let { variables, inner } => {
                bind(variables, inner, environment, environment.scope)
            }
            Self::Map { .. } | Self::Filter { .. } | Self::Reduce { .. } => {
                self.evaluate_over_array(environment)
            }
        }
    }

    fn evaluate_over_array<'a>(
        &'a self,
        environment: &Environment<'a>,
    ) -> Result<Value<'a>, CommandError> {
        match self {
            Self::Map { input, name, inner } => {
                let Some((items, mut inside)) = array_input("$map", input, environment)? else {
                    return Ok(Value::Null);
                };
                let mut mapped = ArrayBuilder::default();
                for item in Doc::new(&items).values() {
                    let value = with_name(&inside, name, item, inner)?;
                    inside = inside.holding(&value)?;
                    mapped.push(&null_if_missing(value));
                }
                Ok(mapped.into_value())
            }
            Self::Filter {
                input,
                name,
                condition,
                limit,
            } => {
                let Some((items, inside)) = array_input("$filter", input, environment)? else {
                    return Ok(Value::Null);
                };
                let limit = match limit {
                    Some(limit) => limit.evaluate(environment)?.as_i64(),
                    None => None,
                };
                let limit = limit.and_then(|limit| usize::try_from(limit).ok());
                let mut kept = ArrayBuilder::default();
                for item in Doc::new(&items).values() {
                    if limit.is_some_and(|limit| kept.len() >= limit) {
                        break;
                    }
                    if with_name(&inside, name, item.clone(), condition)?.is_truthy() {
                        kept.push(&item);
                    }
                }
                Ok(kept.into_value())
            }
            Self::Reduce {
                input,
                initial,
                inner,
            } => {
                let Some((items, holding)) = array_input("$reduce", input, environment)? else {
                    return Ok(Value::Null);
                };
                let mut value = initial.evaluate(environment)?.into_owned();
                for item in Doc::new(&items).values() {
                    holding.check_time()?;
                    let inside = holding.holding(&value)?;
                    let outer = Scope {
                        name: "value",
                        value,
                        outer: environment.scope,
                    };
                    let scope = Scope {
                        name: "this",
                        value: item,
                        outer: Some(&outer),
                    };
                    let inside = Environment {
                        scope: Some(&scope),
                        ..inside
                    };
                    value = inner.evaluate(&inside)?.into_owned();
                }
                Ok(value)
            }
            _ => Ok(Value::Undefined),
        }
    }
}

/// Computes `inner` with one more name.
fn with_name<'v>(
    environment: &Environment<'_>,
    name: &str,
    value: Value<'_>,
    inner: &Expression,
) -> Result<Value<'v>, CommandError> {
    environment.check_time()?;
    let scope = Scope {
        name,
        value,
        outer: environment.scope,
    };
    let inside = Environment {
        scope: Some(&scope),
        ..*environment
    };
    inner.evaluate(&inside).map(Value::into_owned)
}

/// Computes `inner` with all variables, each computed outside of them.
fn bind<'v>(
    variables: &[(String, Expression)],
    inner: &Expression,
    outside: &Environment<'_>,
    scope: Option<&Scope<'_>>,
) -> Result<Value<'v>, CommandError> {
    let Some(((name, expression), rest)) = variables.split_first() else {
        let inside = Environment { scope, ..*outside };
        return inner.evaluate(&inside).map(Value::into_owned);
    };
    let value = expression.evaluate(outside)?;
    let outside = outside.holding(&value)?;
    let scope = Scope {
        name,
        value,
        outer: scope,
    };
    bind(rest, inner, &outside, Some(&scope))
}

/// Computes the array that is gone through; `None` for null.
fn array_input<'a>(
    name: &str,
    input: &'a Expression,
    environment: &Environment<'a>,
) -> Result<Option<Held<'a>>, CommandError> {
    let value = input.evaluate(environment)?;
    let inside = environment.holding(&value)?;
    match value {
        Value::Array(bytes) => Ok(Some((bytes, inside))),
        value if value.is_nullish() => Ok(None),
        value => {
            let kind = value.kind().alias();
            let (number, message) = match name {
                "$map" => (16_883, format!("input to $map must be an array not {kind}")),
                "$filter" => (
                    28_651,
                    format!("input to $filter must be an array not {kind}"),
                ),
                _ => (
                    40_080,
                    format!("$reduce requires that 'input' be an array, found: {value}"),
                ),
            };
            Err(CommandError::location(number, message))
        }
    }
}

fn parse_list(argument: &Value<'_>, names: &[&str]) -> Result<Vec<Expression>, CommandError> {
    match argument.as_array() {
        Some(array) => array
            .values()
            .map(|value| parse::parse_with(&value, names))
            .collect(),
        None => Ok(vec![parse::parse_with(argument, names)?]),
    }
}

fn parse_condition(argument: &Value<'_>, names: &[&str]) -> Result<Scoped, CommandError> {
    if argument.as_document().is_some() {
        let arguments = Named::of("$cond", argument, &["if", "then", "else"])?;
        return Ok(Scoped::Condition {
            condition: arguments.required("if", names)?,
            then: arguments.required("then", names)?,
            otherwise: arguments.required("else", names)?,
        });
    }
    let list = parse_list(argument, names)?;
    let passed = list.len();
    match <[Expression; 3]>::try_from(list) {
        Ok([condition, then, otherwise]) => Ok(Scoped::Condition {
            condition,
            then,
            otherwise,
        }),
        Err(_) => Err(CommandError::location(
            16_020,
            format!("Expression $cond takes exactly 3 arguments. {passed} were passed in."),
        )),
    }
}

fn parse_switch(argument: &Value<'_>, names: &[&str]) -> Result<Scoped, CommandError> {
    let arguments = Named::of("$switch", argument, &["branches", "default"])?;
    let branches = arguments.doc.get("branches");
    let list = branches.as_ref().and_then(Value::as_array).ok_or_else(|| {
        CommandError::location(40_061, "$switch expected an array for 'branches'")
    })?;
    let mut parsed = Vec::new();
    for branch in list.values() {
        let branch = Named::of("$switch", &branch, &["case", "then"])?;
        parsed.push((
            branch.required("case", names)?,
            branch.required("then", names)?,
        ));
    }
    if parsed.is_empty() {
        let message = "$switch requires at least one branch.";
        return Err(CommandError::location(40_068, message));
    }
    Ok(Scoped::Switch {
        default: arguments.optional("default", names)?,
        branches: parsed,
    })
}

fn parse_let(argument: &Value<'_>, names: &[&str]) -> Result<Scoped, CommandError> {
    let arguments = Named::of("$let", argument, &["vars", "in"])?;
    let vars = arguments.doc.get("vars");
    let vars = vars.as_ref().and_then(Value::as_document).ok_or_else(|| {
        CommandError::location(16_876, "invalid parameter: expected an object (vars)")
    })?;
    let mut variables = Vec::new();
    for element in vars.elements() {
        check_variable(element.name())?;
        let expression = parse::parse_with(&element.value(), names)?;
        variables.push((element.name().to_owned(), expression));
    }
    let mut inside = names.to_vec();
    inside.extend(variables.iter().map(|(name, _)| name.as_str()));
    Ok(Scoped::Let {
        inner: arguments.required("in", &inside)?,
        variables,
    })
}

/// Arguments by name.
struct Named<'a> {
    operator: &'a str,
    doc: Doc<'a>,
}

impl<'a> Named<'a> {
    fn of(
        operator: &'a str,
        argument: &'a Value<'_>,
        known: &[&str],
    ) -> Result<Self, CommandError> {
        let doc = argument.as_document().ok_or_else(|| {
            CommandError::failed_to_parse(format!(
                "{operator} only supports an object as its argument"
            ))
        })?;
        for element in doc.elements() {
            if !known.contains(&element.name()) {
                return Err(CommandError::failed_to_parse(format!(
                    "Unrecognized parameter to {operator}: {}",
                    element.name()
                )));
            }
        }
        Ok(Self { operator, doc })
    }

    fn required(&self, name: &str, names: &[&str]) -> Result<Expression, CommandError> {
        self.optional(name, names)?.ok_or_else(|| {
            let message = format!("Missing '{name}' parameter to {}", self.operator);
            CommandError::failed_to_parse(message)
        })
    }

    fn optional(&self, name: &str, names: &[&str]) -> Result<Option<Expression>, CommandError> {
        let given = self.doc.get(name);
        given
            .map(|value| parse::parse_with(&value, names))
            .transpose()
    }

    /// Returns the name for an element, `this` if none is given.
    fn variable(&self, name: &str) -> Result<String, CommandError> {
        match self.doc.get(name) {
            None => Ok("this".to_owned()),
            Some(Value::String(variable)) => {
                check_variable(&variable)?;
                Ok(variable.into_owned())
            }
            Some(_) => Err(CommandError::failed_to_parse(format!(
                "'{name}' of {} must be a string",
                self.operator
            ))),
        }
    }
}

fn check_variable(name: &str) -> Result<(), CommandError> {
    let starts = name.starts_with(|first: char| first.is_ascii_lowercase() || !first.is_ascii());
    let allowed =
        |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || !letter.is_ascii();
    if starts && name.chars().all(allowed) {
        return Ok(());
    }
    let message = format!("'{name}' starts with an invalid character for a user variable name");
    Err(CommandError::failed_to_parse(message))
}
