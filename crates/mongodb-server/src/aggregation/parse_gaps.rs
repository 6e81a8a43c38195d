//! Compiles stages that fill gaps: `$densify` and `$fill`.

use crate::aggregation::densify::{DensifyBounds, DensifySpec};
use crate::aggregation::put::put;
use crate::aggregation::spec::StageSpec;
use crate::aggregation::window::parse_window_fields;
use crate::bson::{ArrayBuilder, Builder, Doc, Element, Value, order};
use crate::error::CommandError;
use crate::query::{DateUnit, Environment, Path, Projection, parse_field_path};

/// Compiles `$densify`.
pub fn parse_densify(argument: &Value<'_>) -> Result<DensifySpec, CommandError> {
    let doc = object("$densify", argument)?;
    let (mut field, mut partition_by, mut range) = (None, Vec::new(), None);
    for element in doc.elements() {
        let value = element.value();
        match element.name() {
            "field" => {
                let name = value.as_str();
                let name = name.ok_or_else(|| wrong_type("$densify", element, "string"))?;
                field = Some(parse_field_path(name)?);
            }
            "partitionByFields" => partition_by = parse_names("$densify", element)?,
            "range" => {
                if value.as_document().is_none() {
                    return Err(wrong_type("$densify", element, "object"));
                }
                range = Some(value);
            }
            name => return Err(unknown("$densify", name)),
        }
    }
    let field = field.ok_or_else(|| missing("$densify", "field"))?;
    let range = range.ok_or_else(|| missing("$densify", "range"))?;
    let mut spec = parse_range(range.as_document().unwrap_or(Doc::EMPTY), field)?;
    if matches!(spec.bounds, DensifyBounds::Partition) && partition_by.is_empty() {
        return Err(CommandError::location(
            5_733_408,
            "One cannot specify the bounds as 'partition' without specifying a non-empty array of \
             partitionByFields. You may have meant to specify 'full' bounds.",
        ));
    }
    spec.partition_by = partition_by;
    Ok(spec)
}

fn parse_range(range: Doc<'_>, field: Path) -> Result<DensifySpec, CommandError> {
    const RANGE: &str = "$densify.range";
    let (mut step, mut unit, mut bounds) = (None, None, None);
    for element in range.elements() {
        let value = element.value();
        match element.name() {
            "step" => step = Some(value.into_owned()),
            "unit" => {
                let name = value.as_str();
                let name = name.ok_or_else(|| wrong_type(RANGE, element, "string"))?;
                unit = Some(name.to_owned());
            }
            "bounds" => bounds = Some(value.into_owned()),
            name => return Err(unknown(RANGE, name)),
        }
    }
    let step = step.ok_or_else(|| missing(RANGE, "step"))?;
    let bounds = bounds.ok_or_else(|| missing(RANGE, "bounds"))?;
    if !step.is_number() || order::compare(&step, &Value::Int32(0)).is_le() {
        return Err(CommandError::location(
            5_733_401,
            "The step parameter in a range statement must be a strictly positive numeric value",
        ));
    }
    if unit.is_some() && step.as_i64().is_none() {
        return Err(CommandError::location(
            6_586_400,
            "The step parameter in a range statement must be a whole number when densifying a date \
             range",
        ));
    }
    let unit = unit.map(|name| DateUnit::named(&name)).transpose()?;
    let bounds = parse_bounds(&bounds, &step, unit)?;
    Ok(DensifySpec {
        field,
        partition_by: Vec::new(),
        step,
        unit,
        bounds,
    })
}

fn parse_bounds(
    bounds: &Value<'_>,
    step: &Value<'_>,
    unit: Option<DateUnit>,
) -> Result<DensifyBounds, CommandError> {
    let failed = |number, message: &str| Err(CommandError::location(number, message));
    let array = match bounds {
        Value::String(name) => {
            return match name.as_ref() {
                "full" => Ok(DensifyBounds::Full),
                "partition" => Ok(DensifyBounds::Partition),
                _ => failed(
                    5_946_802,
                    "Bounds string must either be 'full' or 'partition'",
                ),
            };
        }
        Value::Array(bytes) => Doc::new(bytes),
        _ => {
            return failed(
                5_733_404,
                "The bounds in a range statement must be the string 'full', 'partition', or an \
                 ascending array of two numbers or two dates",
            );
        }
    };
    let ends: Vec<Value<'static>> = array.values().map(Value::into_owned).collect();
    let [lower, upper] = ends.as_slice() else {
        let message = "A bounding array in a range statement must have exactly two elements";
        return failed(5_733_403, message);
    };
    if order::compare(lower, upper).is_gt() {
        let message =
            "A bounding array must be an ascending array of either two dates or two numbers";
        return failed(5_733_402, message);
    }
    let mixed = "A bounding array must contain either both dates or both numeric types";
    match lower {
        number if number.is_number() => {
            if unit.is_some() {
                return failed(5_733_409, "Numeric bounds may not have unit parameter");
            }
            if !upper.is_number() {
                return failed(5_733_406, mixed);
            }
            if lower.kind() != upper.kind() || lower.kind() != step.kind() {
                let message = "Upper bound, lower bound, and step must all have the same type";
                return failed(5_876_900, message);
            }
        }
        Value::DateTime(_) => {
            if !matches!(upper, Value::DateTime(_)) {
                return failed(5_733_405, mixed);
            }
            if unit.is_none() {
                return failed(5_733_410, "A bounding array of dates must specify a unit");
            }
        }
        _ => return failed(5_946_800, "Explicit bounds must be numeric or dates"),
    }
    Ok(DensifyBounds::Explicit(lower.clone(), upper.clone()))
}

/// Compiles `$fill` to `$setWindowFields` and `$addFields`.
pub fn parse_fill(
    argument: &Value<'_>,
    environment: &Environment,
    stages: &mut Vec<StageSpec>,
) -> Result<(), CommandError> {
    let doc = object("$fill", argument)?;
    let mut window = Builder::new();
    let (mut partition, mut output) = (None, None);
    for element in doc.elements() {
        let value = element.value();
        let given = match element.name() {
            "sortBy" => {
                if value.as_document().is_none() {
                    return Err(wrong_type("$fill", element, "object"));
                }
                window.push("sortBy", &value);
                continue;
            }
            "output" => {
                if value.as_document().is_none() {
                    return Err(wrong_type("$fill", element, "object"));
                }
                output = Some(value);
                continue;
            }
            "partitionBy" => match value {
                Value::String(_) | Value::Document(_) => value.into_owned(),
                _ => return Err(wrong_type("$fill", element, "object")),
            },
            "partitionByFields" => by_fields(&parse_names("$fill", element)?),
            name => return Err(unknown("$fill", name)),
        };
        if partition.replace(given).is_some() {
            return Err(CommandError::location(
                6_050_204,
                "Maximum one of 'partitionBy' and 'partitionByFields can be specified in '$fill'",
            ));
        }
    }
    let output = output.ok_or_else(|| missing("$fill", "output"))?;
    let output = output.as_document().unwrap_or(Doc::EMPTY);
    if output.is_empty() {
        return Err(CommandError::location(
            6_050_203,
            "The output field in '$fill' must contain an object with at least one element",
        ));
    }
    let (mut series, mut values) = (Builder::new(), Builder::new());
    for field in output.elements() {
        parse_output(field, &mut series, &mut values)?;
    }
    let series = series.finish();
    if !Doc::new(&series).is_empty() {
        if let Some(partition) = partition {
            window.push("partitionBy", &partition);
        }
        let window = window.raw_document("output", Doc::new(&series)).finish();
        let spec = parse_window_fields(&Value::Document(window.into()), environment)?;
        stages.push(StageSpec::SetWindowFields(Box::new(spec)));
    }
    let values = values.finish();
    if !Doc::new(&values).is_empty() {
        let projection = Projection::parse_add_fields(Doc::new(&values), environment)?;
        stages.push(StageSpec::Project(projection));
    }
    Ok(())
}

/// Reads how one field is filled: by a method of series, or by a value.
fn parse_output(
    field: Element<'_>,
    series: &mut Builder,
    values: &mut Builder,
) -> Result<(), CommandError> {
    let name = field.name();
    let path = format!("${name}");
    let wrong = |number, message: &str| Err(CommandError::location(number, message));
    let value = field.value();
    let Some(doc) = value.as_document() else {
        let message = "Each fill output specification must be an object with exactly one field";
        return wrong(6_050_200, message);
    };
    let (mut method, mut filler) = (None, None);
    for element in doc.elements() {
        match element.name() {
            "method" => {
                let value = element.value();
                let name = value.as_str().map(str::to_owned);
                method = Some(name.ok_or_else(|| wrong_type("$fill", element, "string"))?);
            }
            "value" => filler = Some(element.value()),
            name => return Err(unknown("$fill", name)),
        }
    }
    match (method, filler) {
        (Some(_), Some(_)) => wrong(
            6_050_201,
            "Each fill output specification must have exactly one of 'method' or 'value' fields, \
             not both",
        ),
        (Some(method), None) => {
            let function = match method.as_str() {
                "linear" => "$linearFill",
                "locf" => "$locf",
                _ => return wrong(6_050_202, "Method must be either locf or linear"),
            };
            let function = Builder::new().string(function, &path).finish();
            series.push(name, &Value::Document(function.into()));
            Ok(())
        }
        (None, Some(filler)) => {
            let choices: ArrayBuilder = [Value::from(path), filler].into_iter().collect();
            let choice = Builder::new().array("$ifNull", choices).finish();
            values.push(name, &Value::Document(choice.into()));
            Ok(())
        }
        (None, None) => wrong(
            6_050_200,
            "Each fill output specification must be an object with exactly one field",
        ),
    }
}

/// Returns the expression for the partition of a document: an object with these fields.
fn by_fields(paths: &[Path]) -> Value<'static> {
    let mut fields = Doc::EMPTY.bytes().to_vec();
    for path in paths {
        let value = Value::from(format!("${path}"));
        fields = put(Doc::new(&fields), path.parts(), &value);
    }
    Value::Document(fields.into())
}

fn parse_names(stage: &str, element: Element<'_>) -> Result<Vec<Path>, CommandError> {
    let value = element.value();
    let array = value
        .as_array()
        .ok_or_else(|| wrong_type(stage, element, "array"))?;
    let name = |item: Element<'_>| {
        let value = item.value();
        let name = value.as_str().ok_or_else(|| {
            let kind = item.kind().alias();
            let (list, at) = (element.name(), item.name());
            CommandError::type_mismatch(format!(
                "BSON field '{stage}.{list}.{at}' is the wrong type '{kind}', expected type \
                 'string'"
            ))
        })?;
        parse_field_path(name)
    };
    array.elements().map(name).collect()
}

fn object<'v>(stage: &str, argument: &'v Value<'_>) -> Result<Doc<'v>, CommandError> {
    argument.as_document().ok_or_else(|| {
        let kind = argument.kind().alias();
        CommandError::failed_to_parse(format!(
            "The {stage} stage specification must be an object, found {kind}"
        ))
    })
}

fn wrong_type(stage: &str, element: Element<'_>, expected: &str) -> CommandError {
    let (name, kind) = (element.name(), element.kind().alias());
    CommandError::type_mismatch(format!(
        "BSON field '{stage}.{name}' is the wrong type '{kind}', expected type '{expected}'"
    ))
}

fn unknown(stage: &str, name: &str) -> CommandError {
    let message = format!("BSON field '{stage}.{name}' is an unknown field.");
    CommandError::location(40_415, message)
}

fn missing(stage: &str, name: &str) -> CommandError {
    let message = format!("BSON field '{stage}.{name}' is missing but a required field");
    CommandError::location(40_414, message)
}
