//! Compiles the arguments of `$percentile` and `$median`.

use crate::bson::Value;
use crate::error::CommandError;
use crate::query::environment::Names;
use crate::query::expression::node::Expression;
use crate::query::expression::percentiles::Percentiles;

/// Compiles the argument, and the expression for a value.
pub fn parse_percentiles(
    name: &str,
    argument: &Value<'_>,
    names: Names<'_>,
) -> Result<(Percentiles, Expression), CommandError> {
    let doc = argument.as_document().ok_or_else(|| {
        let kind = argument.kind().alias();
        let message = format!("specification must be an object; found {kind}");
        CommandError::location(7_436_100, message)
    })?;
    let single = name == "$median";
    let mut fractions = single.then(|| vec![0.5]);
    let (mut input, mut method) = (None, None);
    for element in doc.elements() {
        let value = element.value();
        match element.name() {
            "input" => input = Some(Expression::parse_with(&value, names)?),
            "p" if !single => fractions = Some(parse_fractions(&value, names)?),
            "method" => method = Some(parse_method(name, &value)?),
            other => {
                let message = format!("BSON field '{name}.{other}' is an unknown field.");
                return Err(CommandError::location(40_415, message));
            }
        }
    }
    let missing = |field: &str| {
        let message = format!("BSON field '{name}.{field}' is missing but a required field");
        CommandError::location(40_414, message)
    };
    let input = input.ok_or_else(|| missing("input"))?;
    let fractions = fractions.ok_or_else(|| missing("p"))?;
    method.ok_or_else(|| missing("method"))?;
    Ok((Percentiles::new(fractions, single), input))
}

fn parse_fractions(value: &Value<'_>, names: Names<'_>) -> Result<Vec<f64>, CommandError> {
    let expression = Expression::parse_with(value, names)?;
    let constant = expression.as_constant().ok_or_else(|| {
        let message = "The $percentile 'p' field must be a constant expression";
        CommandError::location(7_750_300, message)
    })?;
    let wrong = |number: i32| {
        let message = format!(
            "The $percentile 'p' field must be an array of numbers from [0.0, 1.0], but found: \
             {constant}"
        );
        CommandError::location(number, message)
    };
    let array = constant.as_array().filter(|array| !array.is_empty());
    let mut fractions = Vec::new();
    for fraction in array.ok_or_else(|| wrong(7_750_301))?.values() {
        let number = fraction.as_f64().ok_or_else(|| wrong(7_750_302))?;
        if !(0.0..=1.0).contains(&number) {
            return Err(wrong(7_750_303));
        }
        fractions.push(number);
    }
    Ok(fractions)
}

fn parse_method(name: &str, value: &Value<'_>) -> Result<(), CommandError> {
    match value.as_str() {
        Some("approximate") => Ok(()),
        Some(_) => Err(CommandError::bad_value(
            "Currently only 'approximate' can be used as percentile 'method'.",
        )),
        None => Err(CommandError::type_mismatch(format!(
            "BSON field '{name}.method' is the wrong type '{}', expected type 'string'",
            value.kind().alias()
        ))),
    }
}
