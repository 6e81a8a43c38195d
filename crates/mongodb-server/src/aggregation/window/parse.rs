//! Compiles `$setWindowFields`.

use crate::aggregation::accumulator::Accumulator;
use crate::aggregation::window::bounds::{Order, parse_bounds};
use crate::aggregation::window::series::{parse_moving_average, parse_rate, parse_shift};
use crate::aggregation::window::spec::{Bounds, Output, WindowFunction, WindowSpec};
use crate::bson::{Builder, Doc, Element, Value};
use crate::error::CommandError;
use crate::query::{Environment, Expression, SortSpec, parse_field_path};

/// Accumulators that a window can have.
const ACCUMULATORS: &[&str] = &[
    "$addToSet",
    "$avg",
    "$bottom",
    "$bottomN",
    "$count",
    "$first",
    "$firstN",
    "$last",
    "$lastN",
    "$max",
    "$maxN",
    "$median",
    "$min",
    "$minN",
    "$percentile",
    "$push",
    "$stdDevPop",
    "$stdDevSamp",
    "$sum",
    "$top",
    "$topN",
];

/// Compiles the argument of the stage.
pub fn parse_window_fields(
    argument: &Value<'_>,
    environment: &Environment,
) -> Result<WindowSpec, CommandError> {
    let doc = argument.as_document().ok_or_else(|| {
        let kind = argument.kind().alias();
        failed(format!(
            "the $setWindowFields stage specification must be an object, found {kind}"
        ))
    })?;
    let mut spec = WindowSpec {
        partition: None,
        sort: SortSpec::default(),
        outputs: Vec::new(),
    };
    let mut order = Order::Missing;
    let mut output = None;
    for element in doc.elements() {
        let value = element.value();
        match element.name() {
            "partitionBy" | "sortBy" | "output" if value.is_nullish() => {}
            "partitionBy" => spec.partition = Some(Expression::parse_in(&value, environment)?),
            "sortBy" => {
                spec.sort = SortSpec::parse(document(element)?)?;
                order = Order::Given;
            }
            "output" => output = Some(value),
            name => {
                let message = format!("BSON field '$setWindowFields.{name}' is an unknown field.");
                return Err(CommandError::location(40_415, message));
            }
        }
    }
    let Some(output) = output else {
        let message = "BSON field '$setWindowFields.output' is missing but a required field";
        return Err(CommandError::location(40_414, message));
    };
    let fields = output.as_document().ok_or_else(|| {
        let kind = output.kind().alias();
        CommandError::type_mismatch(format!(
            "BSON field '$setWindowFields.output' is the wrong type '{kind}', expected type \
             'object'"
        ))
    })?;
    for field in fields.elements() {
        let path = parse_field_path(field.name())?;
        if spec.outputs.iter().any(|known| known.path.overlaps(&path)) {
            let message = format!("specification contains two conflicting paths: {path}");
            return Err(CommandError::location(40_176, message));
        }
        let function = parse_function(field, &spec.sort, order, environment)?;
        spec.outputs.push(Output { path, function });
    }
    Ok(spec)
}

fn document(element: Element<'_>) -> Result<Doc<'_>, CommandError> {
    let value = element.value();
    let kind = value.kind().alias();
    value.into_borrowed_document().ok_or_else(|| {
        let name = element.name();
        CommandError::type_mismatch(format!(
            "BSON field '$setWindowFields.{name}' is the wrong type '{kind}', expected type \
             'object'"
        ))
    })
}

/// Compiles `{ $function: argument, window: … }`.
fn parse_function(
    field: Element<'_>,
    sort: &SortSpec,
    order: Order,
    environment: &Environment,
) -> Result<WindowFunction, CommandError> {
    let value = field.value();
    let doc = value.as_document().ok_or_else(|| {
        let message = format!("The field '{}' must be an object", field.name());
        failed(message)
    })?;
    let (function, window) = split(doc)?;
    let name = function.name();
    let argument = function.value();
    let bounds = window
        .map(|window| parse_bounds(&window, sort, order))
        .transpose()?;
    match name {
        "$rank" | "$denseRank" | "$documentNumber" => {
            check_rank(name, &argument, sort)?;
            return Ok(match name {
                "$rank" => WindowFunction::Rank,
                "$denseRank" => WindowFunction::DenseRank,
                _ => WindowFunction::DocumentNumber,
            });
        }
        "$shift" | "$expMovingAvg" | "$linearFill" | "$locf" if bounds.is_some() => {
            return Err(failed(format!("'window' field is not allowed in {name}")));
        }
        "$derivative" | "$integral" => {
            return parse_rate(name, &argument, bounds, sort, environment);
        }
        "$shift" | "$expMovingAvg" if sort.is_empty() => {
            return Err(failed(format!("{name} requires a sortBy")));
        }
        "$shift" => return parse_shift(&argument, environment),
        "$expMovingAvg" => return parse_moving_average(&argument, environment),
        "$linearFill" => {
            if sort.fields().len() != 1 {
                let message = "$linearFill must be specified with a top level sortBy expression \
                               with exactly one element";
                return Err(CommandError::location(605_001, message));
            }
            let input = Expression::parse_in(&argument, environment)?;
            return Ok(WindowFunction::LinearFill(input));
        }
        "$locf" => {
            let input = Expression::parse_in(&argument, environment)?;
            return Ok(WindowFunction::LastObservation(input));
        }
        "$covariancePop" | "$covarianceSamp" => {
            return Ok(WindowFunction::Covariance {
                pair: Expression::parse_in(&argument, environment)?,
                sample: name == "$covarianceSamp",
                bounds: bounds.unwrap_or_else(Bounds::all),
            });
        }
        _ if ACCUMULATORS.contains(&name) => {}
        _ => return Err(failed(format!("Unrecognized window function, {name}"))),
    }
    let only = Builder::new().with(name, &argument).finish();
    let accumulator =
        Accumulator::parse_window(field.name(), &Value::Document(only.into()), environment)?;
    let bounds = bounds.unwrap_or_else(Bounds::all);
    Ok(WindowFunction::Accumulate(accumulator, bounds))
}

/// Splits the specification of a field into its function and its window.
fn split(doc: Doc<'_>) -> Result<(Element<'_>, Option<Value<'_>>), CommandError> {
    let mut function = None;
    let mut window = None;
    let ranks = |name: &str| matches!(name, "$rank" | "$denseRank" | "$documentNumber");
    if doc.elements().any(|element| ranks(element.name())) && doc.len() > 1 {
        let message = "Rank style window functions take no other arguments";
        return Err(CommandError::location(5_371_601, message));
    }
    for element in doc.elements() {
        match element.name() {
            "window" => window = Some(element.value()),
            name if name.starts_with('$') => {
                if function.replace(element).is_some() {
                    let message = "Cannot specify two functions in window function spec";
                    return Err(failed(message));
                }
            }
            name => {
                let message = format!("Window function found an unknown argument: {name}");
                return Err(failed(message));
            }
        }
    }
    let Some(function) = function else {
        return Err(failed("Expected a $-prefixed window function name"));
    };
    Ok((function, window))
}

fn check_rank(name: &str, argument: &Value<'_>, sort: &SortSpec) -> Result<(), CommandError> {
    if argument.as_document().is_none_or(|doc| !doc.is_empty()) {
        let message = format!("{name} must be specified with '{{}}' as the value");
        return Err(CommandError::location(5_371_603, message));
    }
    if sort.fields().len() != 1 {
        let message = format!(
            "{name} must be specified with a top level sortBy expression with exactly one element"
        );
        return Err(CommandError::location(5_371_602, message));
    }
    Ok(())
}

fn failed(message: impl Into<String>) -> CommandError {
    CommandError::failed_to_parse(message)
}
