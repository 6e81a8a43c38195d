//! Compiles the arguments of functions.

use crate::bson::{Doc, Value};
use crate::error::CommandError;
use crate::query::expression::function::{Function, Parameters};
use crate::query::expression::node::Expression;

/// The function whose input is the whole document if none is given.
const GET_FIELD: &str = "$getField";

impl Function {
    /// Compiles the arguments.
    ///
    /// `variables` are the names of the variables that the arguments may use.
    pub fn parse_arguments(
        &self,
        argument: &Value<'_>,
        variables: &[&str],
    ) -> Result<Vec<Expression>, CommandError> {
        match self.parameters {
            Parameters::Listed { least, most } => {
                self.parse_listed(argument, least, most, variables)
            }
            // `{ $getField: "a" }` is short for the one required argument.
            Parameters::Named { .. }
                if self.name == GET_FIELD && argument.as_document().is_none_or(is_operator) =>
            {
                let field = Expression::parse_with(argument, variables)?;
                Ok(vec![field, Expression::root()])
            }
            Parameters::Named { required, optional } => {
                self.parse_named(argument, required, optional, variables)
            }
        }
    }

    fn parse_listed(
        &self,
        argument: &Value<'_>,
        least: usize,
        most: usize,
        variables: &[&str],
    ) -> Result<Vec<Expression>, CommandError> {
        let arguments = match argument.as_array() {
            Some(array) => array
                .values()
                .map(|value| Expression::parse_with(&value, variables))
                .collect::<Result<Vec<_>, _>>()?,
            // `{ $rand: {} }` has no arguments.
            None if most == 0 => Vec::new(),
            None => vec![Expression::parse_with(argument, variables)?],
        };
        let passed = arguments.len();
        if (least..=most).contains(&passed) {
            return Ok(arguments);
        }
        let name = self.name;
        Err(if least == most {
            CommandError::location(
                16_020,
                format!(
                    "Expression {name} takes exactly {least} arguments. {passed} were passed in."
                ),
            )
        } else {
            CommandError::location(
                28_667,
                format!(
                    "Expression {name} takes at least {least} arguments, and at most {most}, but \
                     {passed} were passed in."
                ),
            )
        })
    }

    fn parse_named(
        &self,
        argument: &Value<'_>,
        required: &[&str],
        optional: &[&str],
        variables: &[&str],
    ) -> Result<Vec<Expression>, CommandError> {
        let name = self.name;
        let Some(doc) = argument.as_document() else {
            return Err(CommandError::failed_to_parse(format!(
                "{name} only supports an object as its argument"
            )));
        };
        for element in doc.elements() {
            let known = [required, optional].concat();
            if !known.contains(&element.name()) {
                return Err(CommandError::failed_to_parse(format!(
                    "Unrecognized argument to {name}: {}",
                    element.name()
                )));
            }
        }
        let mut parsed = Vec::new();
        for (position, parameter) in required.iter().chain(optional).enumerate() {
            let given = doc.get(parameter);
            parsed.push(match given {
                Some(value) if *parameter == "sortBy" => Expression::Constant(value.into_owned()),
                Some(value) => Expression::parse_with(&value, variables)?,
                None if position < required.len() => {
                    return Err(CommandError::failed_to_parse(format!(
                        "Missing '{parameter}' parameter to {name}"
                    )));
                }
                None if name == GET_FIELD => Expression::root(),
                None => Expression::Constant(Value::Undefined),
            });
        }
        Ok(parsed)
    }
}

fn is_operator(doc: Doc<'_>) -> bool {
    let first = doc.elements().next();
    first.is_some_and(|element| element.name().starts_with('$'))
}
