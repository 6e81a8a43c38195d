//! Compiles the arguments of functions.

use crate::bson::{Doc, Element, Value};
use crate::error::{Code, CommandError};
use crate::query::environment::Names;
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
        variables: Names<'_>,
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
            Parameters::Date => self.parse_date(argument, variables),
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
        variables: Names<'_>,
    ) -> Result<Vec<Expression>, CommandError> {
        let arguments = match argument.as_array() {
            Some(array) => array
                .values()
                .map(|value| Expression::parse_with(&value, variables))
                .collect::<Result<Vec<_>, _>>()?,
            // `{ $rand: {} }` has no arguments.
            None if most == 0 && argument.as_document().is_some_and(Doc::is_empty) => Vec::new(),
            None => vec![Expression::parse_with(argument, variables)?],
        };
        let passed = arguments.len();
        if most == 0 && passed > 0 {
            let message = format!("{} does not currently accept arguments", self.name);
            return Err(CommandError::location(3_040_501, message));
        }
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
        variables: Names<'_>,
    ) -> Result<Vec<Expression>, CommandError> {
        let name = self.name;
        let codes = ArgumentCodes::of(name);
        let Some(doc) = argument.as_document() else {
            let message = format!("{name} only supports an object as its argument");
            return Err(CommandError::new(codes.no_object, message));
        };
        for element in doc.elements() {
            let known = [required, optional].concat();
            if !known.contains(&element.name()) {
                let message = format!("Unrecognized argument to {name}: {}", element.name());
                return Err(CommandError::new(codes.unknown, message));
            }
        }
        let mut parsed = Vec::new();
        for (position, parameter) in required.iter().chain(optional).enumerate() {
            let given = doc.get(parameter);
            parsed.push(match given {
                Some(_) if FALLBACKS.contains(parameter) => Expression::Omitted,
                Some(value) if *parameter == "sortBy" => Expression::Constant(value.into_owned()),
                Some(value) => {
                    if *parameter == "field" && name != GET_FIELD {
                        check_constant_field(name, &value)?;
                    }
                    let expression = Expression::parse_with(&value, variables)?;
                    let optional = position >= required.len() && name != GET_FIELD;
                    if optional && expression.as_constant().is_none() {
                        Expression::Given(Box::new(expression))
                    } else {
                        expression
                    }
                }
                None if position < required.len() => {
                    let message = format!("Missing '{parameter}' parameter to {name}");
                    return Err(CommandError::new(codes.missing(position), message));
                }
                None if name == GET_FIELD => {
                    let message = "$getField requires 'input' to be specified";
                    return Err(CommandError::location(3_041_703, message));
                }
                None => Expression::Omitted,
            });
        }
        Ok(parsed)
    }

    /// Compiles a date, or a date and a time zone by name.
    fn parse_date(
        &self,
        argument: &Value<'_>,
        variables: Names<'_>,
    ) -> Result<Vec<Expression>, CommandError> {
        match argument {
            Value::Document(bytes) if !is_operator(Doc::new(bytes)) => {
                self.parse_named(argument, &["date"], &["timezone"], variables)
            }
            Value::Array(bytes) if Doc::new(bytes).len() != 1 => {
                let passed = Doc::new(bytes).len();
                let name = self.name;
                let message = format!(
                    "{name} accepts exactly one argument if given an array, but was given {passed}"
                );
                Err(CommandError::location(40_536, message))
            }
            Value::Array(bytes) => {
                let only = Doc::new(bytes).values().next().unwrap_or(Value::Null);
                let date = Expression::parse_with(&only, variables)?;
                Ok(vec![date, Expression::Omitted])
            }
            other => {
                let date = Expression::parse_with(other, variables)?;
                Ok(vec![date, Expression::Omitted])
            }
        }
    }

    /// Compiles `onError` and `onNull`, if the function has them and they are given.
    pub fn parse_fallbacks(
        &self,
        argument: &Value<'_>,
        variables: Names<'_>,
    ) -> Result<(Option<Expression>, Option<Expression>), CommandError> {
        let Parameters::Named { optional, .. } = self.parameters else {
            return Ok((None, None));
        };
        let parse = |name: &str| -> Result<Option<Expression>, CommandError> {
            let given = argument.as_document().filter(|_| optional.contains(&name));
            let given = given.and_then(|doc| doc.get(name));
            given
                .map(|value| Expression::parse_with(&value, variables))
                .transpose()
        };
        let [on_error, on_null] = FALLBACKS;
        Ok((parse(on_error)?, parse(on_null)?))
    }
}

/// Rejects a name of a field that is computed, for `$setField` and `$unsetField`.
fn check_constant_field(function: &str, field: &Value<'_>) -> Result<(), CommandError> {
    let operator = field
        .as_document()
        .and_then(|doc| doc.elements().next())
        .map_or("", Element::name);
    if operator.starts_with('$') && !matches!(operator, "$const" | "$literal") {
        let message = format!(
            "{function} requires 'field' to evaluate to a constant, but got a non-constant argument"
        );
        return Err(CommandError::location(4_161_106, message));
    }
    Ok(())
}

/// Arguments that are computed only if the others have no result.
const FALLBACKS: [&str; 2] = ["onError", "onNull"];

/// The error codes of a function's arguments.
struct ArgumentCodes {
    no_object: Code,
    unknown: Code,
    missing: &'static [i32],
}

impl ArgumentCodes {
    fn of(name: &str) -> Self {
        let (no_object, unknown, missing): (i32, i32, &'static [i32]) = match name {
            "$dateAdd" | "$dateSubtract" => (5_166_400, 5_166_401, &[5_166_402]),
            "$dateDiff" => (5_166_301, 5_166_302, &[5_166_303, 5_166_304, 5_166_305]),
            "$dateFromParts" => (40_519, 40_518, &[40_516]),
            "$dateFromString" => (40_540, 40_541, &[40_542]),
            "$dateToParts" => (40_524, 40_520, &[40_522]),
            "$dateToString" => (18_629, 18_534, &[18_628]),
            "$dateTrunc" => (5_439_007, 5_439_008, &[5_439_009, 5_439_010]),
            "$trim" | "$ltrim" | "$rtrim" => (50_696, 50_694, &[50_695]),
            "$replaceOne" | "$replaceAll" => (51_751, 51_750, &[51_749, 51_748, 51_747]),
            "$regexFind" | "$regexFindAll" | "$regexMatch" => (51_103, 31_024, &[31_022, 31_023]),
            "$sortArray" => (2_942_500, 2_942_501, &[2_942_502, 2_942_503]),
            "$zip" => (34_460, 34_464, &[34_465]),
            _ if DATE_PARTS.contains(&name) => (40_535, 40_535, &[40_539]),
            _ => {
                return Self {
                    no_object: Code::FAILED_TO_PARSE,
                    unknown: Code::FAILED_TO_PARSE,
                    missing: &[],
                };
            }
        };
        Self {
            no_object: Code::location(no_object),
            unknown: Code::location(unknown),
            missing,
        }
    }

    /// Returns the code for a required argument that is not given.
    fn missing(&self, position: usize) -> Code {
        let code = self.missing.get(position).or(self.missing.last());
        code.map_or(Code::FAILED_TO_PARSE, |code| Code::location(*code))
    }
}

/// Functions whose argument is a date.
const DATE_PARTS: &[&str] = &[
    "$dayOfMonth",
    "$dayOfWeek",
    "$dayOfYear",
    "$hour",
    "$isoDayOfWeek",
    "$isoWeek",
    "$isoWeekYear",
    "$millisecond",
    "$minute",
    "$month",
    "$second",
    "$week",
    "$year",
];

fn is_operator(doc: Doc<'_>) -> bool {
    let first = doc.elements().next();
    first.is_some_and(|element| element.name().starts_with('$'))
}
