//! Functions of a series of values: shifts, rates, averages and gaps.

use std::ops::Range;

use crate::aggregation::window::spec::{Alpha, Bounds, Unit, WindowFunction};
use crate::bson::Value;
use crate::error::CommandError;
use crate::query::{
    DateUnit, Direction, Environment, Expression, SortSpec, Sum, difference_of, null_if_missing,
    product_of, quotient_of, sum_of,
};

/// The number 1.
const ONE: Value<'static> = Value::Int32(1);

/// Compiles `$shift`.
pub fn parse_shift(
    argument: &Value<'_>,
    environment: &Environment,
) -> Result<WindowFunction, CommandError> {
    let doc = argument.as_document().ok_or_else(|| {
        let kind = argument.kind().alias();
        failed(format!(
            "Argument to $shift must be an object, but found {kind}"
        ))
    })?;
    let (mut output, mut by, mut default) = (None, None, Value::Null);
    for element in doc.elements() {
        let value = element.value();
        match element.name() {
            "output" => output = Some(Expression::parse_in(&value, environment)?),
            "by" => {
                let whole = value.as_i64().filter(|&whole| i32::try_from(whole).is_ok());
                by = Some(whole.ok_or_else(|| {
                    failed(format!(
                        "'$shift:by' field must be an integer, but found  {value}"
                    ))
                })?);
            }
            "default" => {
                let expression = Expression::parse_in(&value, environment)?;
                let constant = expression.as_constant().cloned();
                default = constant.ok_or_else(|| {
                    failed("'$shift:default' expression must yield a constant value.")
                })?;
            }
            name => return Err(failed(format!("Unknown argument in $shift: {name}"))),
        }
    }
    let output = output.ok_or_else(|| failed("$shift requires an 'output' expression."))?;
    let by = by.ok_or_else(|| failed("$shift requires 'by' as an integer value."))?;
    Ok(WindowFunction::Shift {
        output,
        by,
        default,
    })
}

/// Compiles `$expMovingAvg`.
pub fn parse_moving_average(
    argument: &Value<'_>,
    environment: &Environment,
) -> Result<WindowFunction, CommandError> {
    let doc = argument
        .as_document()
        .ok_or_else(|| failed("$expMovingAvg must have exactly one argument that is an object"))?;
    let (mut input, mut alpha) = (None, None);
    for element in doc.elements() {
        let value = element.value();
        let given = match element.name() {
            "input" => {
                input = Some(Expression::parse_in(&value, environment)?);
                continue;
            }
            "N" => {
                if !value.is_number() || value.as_i64().is_none() {
                    return Err(failed(
                        "'N' field must be an integer, but found a different value",
                    ));
                }
                let count = value.as_i64().filter(|&count| count > 0);
                Alpha::Documents(
                    count.ok_or_else(|| failed("'N' field must be greater than zero"))?,
                )
            }
            "alpha" => {
                let number = value
                    .as_f64()
                    .ok_or_else(|| failed("'alpha' field must be a number"))?;
                if !(number > 0.0 && number < 1.0) {
                    return Err(failed("'alpha' must be between 0 and 1 (exclusive)"));
                }
                Alpha::Weight(value.into_owned())
            }
            name => {
                return Err(failed(format!(
                    "Got unrecognized field in $expMovingAvg: {name}"
                )));
            }
        };
        if alpha.replace(given).is_some() {
            return Err(failed(
                "$expMovingAvg can take either 'N' or 'alpha', not both",
            ));
        }
    }
    match (input, alpha) {
        (Some(input), Some(alpha)) => Ok(WindowFunction::MovingAverage { input, alpha }),
        _ => Err(failed(
            "$expMovingAvg sub object must have exactly two fields: An 'input' field, and either \
             an 'N' field or an 'alpha' field",
        )),
    }
}

/// Compiles `$derivative` or `$integral`.
pub fn parse_rate(
    name: &str,
    argument: &Value<'_>,
    bounds: Option<Bounds>,
    sort: &SortSpec,
    environment: &Environment,
) -> Result<WindowFunction, CommandError> {
    if !matches!(sort.fields(), [(_, Direction::Ascending)]) {
        return Err(failed(format!(
            "{name} requires a sortBy with exactly one ascending field"
        )));
    }
    let doc = argument
        .as_document()
        .ok_or_else(|| failed(format!("{name} only supports an object as its argument")))?;
    let (mut input, mut unit) = (None, None);
    for element in doc.elements() {
        let value = element.value();
        match element.name() {
            "input" => input = Some(Expression::parse_in(&value, environment)?),
            "unit" => {
                let name = value
                    .as_str()
                    .ok_or_else(|| failed("'unit' must be a string"))?;
                let length = DateUnit::named(name)?.milliseconds();
                unit = Some(length.ok_or_else(|| {
                    CommandError::location(5_490_704, "unit must be 'week' or smaller")
                })?);
            }
            other => return Err(failed(format!("{name} got unexpected argument: {other}"))),
        }
    }
    let input = input.ok_or_else(|| failed(format!("{name} requires an 'input' expression")))?;
    if name == "$derivative" {
        let bounds = bounds.ok_or_else(|| failed("$derivative requires explicit window bounds"))?;
        return Ok(WindowFunction::Derivative {
            input,
            unit,
            bounds,
        });
    }
    Ok(WindowFunction::Integral {
        input,
        unit,
        bounds: bounds.unwrap_or_else(Bounds::all),
    })
}

/// Returns the value of the document at a distance from each.
pub fn shift(values: &[Value<'static>], by: i64, default: &Value<'static>) -> Vec<Value<'static>> {
    let place = |at: usize| {
        let at = i64::try_from(at).ok()?.checked_add(by)?;
        values.get(usize::try_from(at).ok()?)
    };
    let shifted = (0..values.len()).map(|at| match place(at) {
        Some(value) => null_if_missing(value.clone()),
        None => default.clone(),
    });
    shifted.collect()
}

/// Returns the exponential moving average up to each document.
pub fn moving_average(values: &[Value<'static>], alpha: &Alpha) -> Vec<Value<'static>> {
    let alpha = |decimal: bool| match (alpha, decimal) {
        (Alpha::Documents(count), false) => Value::Double(2.0 / (*count as f64 + 1.0)),
        (Alpha::Documents(count), true) => {
            let more = sum_of(&Value::Int64(*count), &ONE);
            quotient_of(&product_of(&decimal_one(), &Value::Int32(2)), &more)
        }
        (Alpha::Weight(weight), false) => Value::Double(weight.as_f64().unwrap_or_default()),
        (Alpha::Weight(weight), true) => product_of(&decimal_one(), weight),
    };
    let mut current: Option<Value<'static>> = None;
    let mut averages = Vec::with_capacity(values.len());
    for value in values {
        if value.is_number() {
            current = Some(match current.take() {
                None => match value {
                    Value::Decimal128(_) => value.clone(),
                    number => Value::Double(number.as_f64().unwrap_or_default()),
                },
                Some(before) => {
                    let is_decimal = |value: &Value<'_>| matches!(value, Value::Decimal128(_));
                    let alpha = alpha(is_decimal(value) || is_decimal(&before));
                    let rest = difference_of(&ONE, &alpha);
                    sum_of(&product_of(value, &alpha), &product_of(&before, &rest))
                }
            });
        }
        averages.push(current.clone().unwrap_or(Value::Null));
    }
    averages
}

fn decimal_one() -> Value<'static> {
    Value::Decimal128(crate::bson::Decimal128::from_i64(1))
}

/// Returns the change per unit between the first and the last document of each window.
pub fn derivative(
    times: &[Value<'static>],
    values: &[Value<'static>],
    windows: &[Range<usize>],
    unit: Option<Unit>,
) -> Result<Vec<Value<'static>>, CommandError> {
    let one = |window: &Range<usize>| {
        if window.is_empty() {
            return Ok(Value::Null);
        }
        let (first, last) = (window.start, window.end - 1);
        let from = time("$derivative", &times[first], unit)?;
        let to = time("$derivative", &times[last], unit)?;
        for value in [&values[first], &values[last]] {
            if value.is_nullish() {
                let message = "$derivative input must not be null or missing";
                return Err(CommandError::location(5_624_903, message));
            }
            if !value.is_number() {
                let kind = value.kind().alias();
                let message = format!("$derivative input must be numeric, but found {kind}");
                return Err(CommandError::type_mismatch(message));
            }
        }
        let run = difference_of(&to, &from);
        if run.as_f64() == Some(0.0) {
            return Ok(Value::Null);
        }
        let rise = difference_of(&values[last], &values[first]);
        let rate = quotient_of(&rise, &run);
        Ok(match unit {
            Some(unit) => product_of(&rate, &Value::Int64(unit)),
            None => rate,
        })
    };
    windows.iter().map(one).collect()
}

/// Returns the area under the values of each window, by the trapezoidal rule.
pub fn integral(
    times: &[Value<'static>],
    values: &[Value<'static>],
    windows: &[Range<usize>],
    unit: Option<Unit>,
) -> Result<Vec<Value<'static>>, CommandError> {
    let mut moments = Vec::with_capacity(times.len());
    for (at, value) in times.iter().zip(values) {
        let moment = time("$integral", at, unit)?;
        if !value.is_number() {
            let kind = value.kind().alias();
            let message = format!("The input value of $integral must be numeric, but found {kind}");
            return Err(CommandError::location(5_423_900, message));
        }
        moments.push(moment);
    }
    let area = |at: usize| {
        let height = sum_of(&values[at], &values[at + 1]);
        let width = difference_of(&moments[at + 1], &moments[at]);
        quotient_of(&product_of(&height, &width), &Value::Int32(2))
    };
    let areas: Vec<_> = (0..times.len().saturating_sub(1)).map(area).collect();
    let (mut sum, mut current) = (Sum::default(), 0..0);
    let mut integrals = Vec::with_capacity(windows.len());
    for window in windows {
        if window.is_empty() {
            integrals.push(Value::Null);
            continue;
        }
        // Between n documents are n - 1 areas.
        let wanted = window.start..window.end - 1;
        if current.end < wanted.start {
            (sum, current) = (Sum::default(), wanted.start..wanted.start);
        }
        while current.end < wanted.end {
            sum.add(&areas[current.end]);
            current.end += 1;
        }
        while current.start < wanted.start {
            sum.remove(&areas[current.start]);
            current.start += 1;
        }
        let total = match sum.total() {
            Value::Int32(number) => Value::Double(f64::from(number)),
            total => total,
        };
        integrals.push(match unit {
            Some(unit) => quotient_of(&total, &Value::Int64(unit)),
            None => total,
        });
    }
    Ok(integrals)
}

/// Returns the value to sort by as a number.
fn time(
    name: &str,
    value: &Value<'static>,
    unit: Option<Unit>,
) -> Result<Value<'static>, CommandError> {
    let derivative = name == "$derivative";
    match (value, unit) {
        (Value::DateTime(milliseconds), Some(_)) => Ok(Value::Int64(*milliseconds)),
        (Value::DateTime(_), None) => {
            let message = format!("{name} where the sortBy is a Date requires an 'unit'");
            Err(CommandError::location(
                if derivative { 5_624_901 } else { 5_423_902 },
                message,
            ))
        }
        (_, Some(_)) => {
            let message = format!("{name} with 'unit' expects the sortBy field to be a Date");
            Err(CommandError::location(
                if derivative { 5_624_900 } else { 5_423_901 },
                message,
            ))
        }
        (number, None) if number.is_number() => Ok(number.clone()),
        (other, None) => {
            let kind = other.kind().alias();
            let message =
                format!("{name}: expected the sortBy field to be numeric, but it was {kind}");
            Err(CommandError::location(
                if derivative { 5_624_902 } else { 5_423_900 },
                message,
            ))
        }
    }
}

/// Fills each gap with values on the line between its ends.
pub fn linear_fill(
    times: &[Value<'static>],
    values: Vec<Value<'static>>,
) -> Result<Vec<Value<'static>>, CommandError> {
    let mut moments = Vec::with_capacity(times.len());
    for value in times {
        let moment = match value {
            Value::DateTime(milliseconds) => Value::Int64(*milliseconds),
            number if number.is_number() => number.clone(),
            other => {
                let kind = other.kind().alias();
                let message =
                    format!("Expected the sortBy field to be numeric or a date, but it was {kind}");
                return Err(CommandError::type_mismatch(message));
            }
        };
        if moments
            .last()
            .is_some_and(|last| crate::bson::order::equal(last, &moment))
        {
            let message = "There can be no repeated values in the sort field";
            return Err(CommandError::location(6_050_106, message));
        }
        moments.push(moment);
    }
    let mut filled = values;
    let mut known: Option<usize> = None;
    for at in 0..filled.len() {
        if filled[at].is_nullish() {
            filled[at] = Value::Null;
            continue;
        }
        if !filled[at].is_number() {
            let kind = filled[at].kind().alias();
            let message =
                format!("Value to be filled must be numeric or nullish, but found {kind}");
            return Err(CommandError::type_mismatch(message));
        }
        if let Some(before) = known {
            let rise = difference_of(&filled[at], &filled[before]);
            let run = difference_of(&moments[at], &moments[before]);
            let slope = quotient_of(&rise, &run);
            for gap in before + 1..at {
                let distance = difference_of(&moments[gap], &moments[before]);
                let change = product_of(&distance, &slope);
                filled[gap] = sum_of(&filled[before], &change);
            }
        }
        known = Some(at);
    }
    Ok(filled)
}

/// Replaces each null by the last value before it.
pub fn last_observation(values: Vec<Value<'static>>) -> Vec<Value<'static>> {
    let mut last = Value::Null;
    let mut filled = Vec::with_capacity(values.len());
    for value in values {
        if !value.is_nullish() {
            last = value;
        }
        filled.push(last.clone());
    }
    filled
}

fn failed(message: impl Into<String>) -> CommandError {
    CommandError::failed_to_parse(message)
}
