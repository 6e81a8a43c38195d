//! Compiles special forms: operators that compute their parts only when needed, or define variables.

use crate::bson::{Doc, Value};
use crate::error::CommandError;
use crate::query::environment::Names;
use crate::query::expression::node::{Expression, SpecialForm};
use crate::query::expression::parse_percentiles::parse_percentiles;

/// Compiles a special form; `None` if `name` is not the name of one.
pub fn parse(
    name: &str,
    argument: &Value<'_>,
    variables: Names<'_>,
) -> Result<Option<Expression>, CommandError> {
    let form = match name {
        "$and" => SpecialForm::And(parse_list(argument, variables)?),
        "$or" => SpecialForm::Or(parse_list(argument, variables)?),
        "$cond" => parse_condition(argument, variables)?,
        "$ifNull" => {
            let list = parse_list(argument, variables)?;
            if list.len() < 2 {
                return Err(CommandError::location(
                    1_257_300,
                    format!("$ifNull needs at least two arguments, had: {}", list.len()),
                ));
            }
            SpecialForm::IfNull(list)
        }
        "$switch" => parse_switch(argument, variables)?,
        "$let" => parse_let(argument, variables)?,
        "$map" => {
            let arguments = NamedArguments::new(name, argument, &["input", "as", "in"])?;
            let element = arguments.variable("as")?;
            SpecialForm::Map {
                input: arguments.required("input", variables)?,
                inner: arguments.required(
                    "in",
                    variables.with_local(&[variables.local, &[&element]].concat()),
                )?,
                name: element,
            }
        }
        "$filter" => {
            let arguments = NamedArguments::new(name, argument, &["input", "as", "cond", "limit"])?;
            let element = arguments.variable("as")?;
            SpecialForm::Filter {
                input: arguments.required("input", variables)?,
                condition: arguments.required(
                    "cond",
                    variables.with_local(&[variables.local, &[&element]].concat()),
                )?,
                limit: arguments.optional("limit", variables)?,
                name: element,
            }
        }
        "$percentile" | "$median" => {
            let (percentiles, input) = parse_percentiles(name, argument, variables)?;
            SpecialForm::Percentiles(percentiles, input)
        }
        "$reduce" => {
            let arguments = NamedArguments::new(name, argument, &["input", "initialValue", "in"])?;
            SpecialForm::Reduce {
                input: arguments.required("input", variables)?,
                initial: arguments.required("initialValue", variables)?,
                inner: arguments.required(
                    "in",
                    variables.with_local(&[variables.local, &["this", "value"]].concat()),
                )?,
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(Expression::Special(Box::new(form))))
}

fn parse_list(argument: &Value<'_>, variables: Names<'_>) -> Result<Vec<Expression>, CommandError> {
    match argument.as_array() {
        Some(array) => array
            .values()
            .map(|value| Expression::parse_with(&value, variables))
            .collect(),
        None => Ok(vec![Expression::parse_with(argument, variables)?]),
    }
}

fn parse_condition(
    argument: &Value<'_>,
    variables: Names<'_>,
) -> Result<SpecialForm, CommandError> {
    if argument.as_document().is_some() {
        let arguments = NamedArguments::new("$cond", argument, &["if", "then", "else"])?;
        return Ok(SpecialForm::Condition {
            condition: arguments.required("if", variables)?,
            then: arguments.required("then", variables)?,
            otherwise: arguments.required("else", variables)?,
        });
    }
    let list = parse_list(argument, variables)?;
    let passed = list.len();
    match <[Expression; 3]>::try_from(list) {
        Ok([condition, then, otherwise]) => Ok(SpecialForm::Condition {
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

fn parse_switch(argument: &Value<'_>, variables: Names<'_>) -> Result<SpecialForm, CommandError> {
    let arguments = NamedArguments::new("$switch", argument, &["branches", "default"])?;
    let branches = arguments.doc.get("branches");
    let list = branches.as_ref().and_then(Value::as_array).ok_or_else(|| {
        CommandError::location(40_061, "$switch expected an array for 'branches'")
    })?;
    let mut parsed = Vec::new();
    for branch in list.values() {
        let branch = NamedArguments::new("$switch", &branch, &["case", "then"])?;
        parsed.push((
            branch.required("case", variables)?,
            branch.required("then", variables)?,
        ));
    }
    if parsed.is_empty() {
        let message = "$switch requires at least one branch.";
        return Err(CommandError::location(40_068, message));
    }
    Ok(SpecialForm::Switch {
        default: arguments.optional("default", variables)?,
        branches: parsed,
    })
}

fn parse_let(argument: &Value<'_>, outer: Names<'_>) -> Result<SpecialForm, CommandError> {
    let arguments = NamedArguments::new("$let", argument, &["vars", "in"])?;
    let vars = arguments.doc.get("vars");
    let vars = vars.as_ref().and_then(Value::as_document).ok_or_else(|| {
        CommandError::location(16_876, "invalid parameter: expected an object (vars)")
    })?;
    let mut variables = Vec::new();
    for element in vars.elements() {
        check_variable(element.name())?;
        let expression = Expression::parse_with(&element.value(), outer)?;
        variables.push((element.name().to_owned(), expression));
    }
    let mut inner = outer.local.to_vec();
    inner.extend(variables.iter().map(|(name, _)| name.as_str()));
    Ok(SpecialForm::Let {
        inner: arguments.required("in", outer.with_local(&inner))?,
        variables,
    })
}

/// The arguments of an operator, by name.
struct NamedArguments<'a> {
    operator: &'a str,
    doc: Doc<'a>,
}

impl<'a> NamedArguments<'a> {
    fn new(
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

    fn required(&self, name: &str, variables: Names<'_>) -> Result<Expression, CommandError> {
        self.optional(name, variables)?.ok_or_else(|| {
            let message = format!("Missing '{name}' parameter to {}", self.operator);
            CommandError::failed_to_parse(message)
        })
    }

    fn optional(
        &self,
        name: &str,
        variables: Names<'_>,
    ) -> Result<Option<Expression>, CommandError> {
        let given = self.doc.get(name);
        given
            .map(|value| Expression::parse_with(&value, variables))
            .transpose()
    }

    /// Returns the variable for an element: `this` if the argument is missing.
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

pub fn check_variable(name: &str) -> Result<(), CommandError> {
    let starts = name.starts_with(|first: char| first.is_ascii_lowercase() || !first.is_ascii());
    let allowed =
        |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || !letter.is_ascii();
    if starts && name.chars().all(allowed) {
        return Ok(());
    }
    let message = format!("'{name}' starts with an invalid character for a user variable name");
    Err(CommandError::failed_to_parse(message))
}
