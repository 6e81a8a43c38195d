//! Evaluates compiled expressions.

use std::borrow::Cow;

use crate::bson::{ArrayBuilder, Builder, Doc, Value};
use crate::error::{Code, CommandError};
use crate::query::expression::node::{Expression, SpecialForm};
use crate::query::expression::percentiles::ranked;
use crate::query::expression::scope::{Binding, Scope};
use crate::query::expression::values::{borrowed, is_missing, null_if_missing};

/// An input array, and the scope for what is computed while it is held.
struct HeldArray<'a> {
    bytes: Cow<'a, [u8]>,
    scope: Scope<'a>,
}

impl Expression {
    /// Computes the value.
    pub fn evaluate<'a>(&'a self, scope: &Scope<'a>) -> Result<Value<'a>, CommandError> {
        match self {
            Self::Constant(value) => Ok(borrowed(value)),
            Self::Field { variable, names } => Ok(scope.field(variable, names)),
            Self::Document(fields) => evaluate_document(fields, *scope),
            Self::Array(items) => evaluate_array(items, *scope),
            Self::Call(function, arguments) => {
                function.call(&evaluate_arguments(arguments, *scope)?)
            }
            Self::Special(form) => form.evaluate(scope),
            Self::Given(argument) => argument.evaluate(scope).map(null_if_missing),
            Self::Omitted => Ok(Value::Undefined),
        }
    }
}

impl SpecialForm {
    fn evaluate<'a>(&'a self, scope: &Scope<'a>) -> Result<Value<'a>, CommandError> {
        match self {
            Self::And(all) => {
                for expression in all {
                    if !expression.evaluate(scope)?.is_truthy() {
                        return Ok(Value::Bool(false));
                    }
                }
                Ok(Value::Bool(true))
            }
            Self::Or(any) => {
                for expression in any {
                    if expression.evaluate(scope)?.is_truthy() {
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
                if condition.evaluate(scope)?.is_truthy() {
                    then.evaluate(scope)
                } else {
                    otherwise.evaluate(scope)
                }
            }
            Self::IfNull(choices) => evaluate_if_null(choices, scope),
            Self::Switch { branches, default } => {
                evaluate_switch(branches, default.as_ref(), scope)
            }
            Self::Let { variables, inner } => {
                evaluate_let(variables, inner, scope, scope.variables)
            }
            Self::Fallback {
                function,
                arguments,
                on_error,
                on_null,
            } => {
                let values = evaluate_arguments(arguments, *scope)?;
                let null = values.first().is_some_and(Value::is_nullish);
                let outcome = function.call(&values);
                evaluate_fallback(outcome, null, [on_error.as_ref(), on_null.as_ref()], scope)
            }
            Self::Map { input, name, inner } => evaluate_map(input, name, inner, scope),
            Self::Filter {
                input,
                name,
                condition,
                limit,
            } => evaluate_filter(input, name, condition, limit.as_ref(), scope),
            Self::Percentiles(percentiles, input) => {
                Ok(percentiles.of(numbers_in(&input.evaluate(scope)?)))
            }
            Self::Reduce {
                input,
                initial,
                inner,
            } => evaluate_reduce(input, initial, inner, scope),
        }
    }
}

/// Returns the first value that is neither null nor missing, else the last one.
fn evaluate_if_null<'a>(
    choices: &'a [Expression],
    scope: &Scope<'a>,
) -> Result<Value<'a>, CommandError> {
    let mut value = Value::Undefined;
    for choice in choices {
        value = choice.evaluate(scope)?;
        if !value.is_nullish() {
            break;
        }
    }
    Ok(value)
}

/// Returns the numbers of an array, or a number itself.
fn numbers_in(value: &Value<'_>) -> Vec<f64> {
    match value.as_array() {
        Some(array) => array.values().filter_map(|item| ranked(&item)).collect(),
        None => ranked(value).into_iter().collect(),
    }
}

/// Returns the outcome of a call, or else what the call says to return.
fn evaluate_fallback<'a>(
    outcome: Result<Value<'a>, CommandError>,
    null: bool,
    fallbacks: [Option<&'a Expression>; 2],
    scope: &Scope<'a>,
) -> Result<Value<'a>, CommandError> {
    match (outcome, fallbacks) {
        (Ok(_), [_, Some(on_null)]) if null => on_null.evaluate(scope),
        (Err(error), [Some(on_error), _]) if error.code() == Code::CONVERSION_FAILURE => {
            on_error.evaluate(scope)
        }
        (outcome, _) => outcome,
    }
}

fn evaluate_arguments<'a>(
    arguments: &'a [Expression],
    mut scope: Scope<'a>,
) -> Result<Vec<Value<'a>>, CommandError> {
    let mut values = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let value = argument.evaluate(&scope)?;
        scope = scope.holding(&value)?;
        values.push(value);
    }
    Ok(values)
}

fn evaluate_document<'a>(
    fields: &'a [(String, Expression)],
    mut scope: Scope<'a>,
) -> Result<Value<'a>, CommandError> {
    let mut builder = Builder::new();
    for (name, expression) in fields {
        let value = expression.evaluate(&scope)?;
        scope = scope.holding(&value)?;
        if !is_missing(&value) {
            builder.push(name, &value);
        }
    }
    Ok(Value::Document(builder.finish().into()))
}

fn evaluate_array<'a>(
    items: &'a [Expression],
    mut scope: Scope<'a>,
) -> Result<Value<'a>, CommandError> {
    let mut array = ArrayBuilder::default();
    for item in items {
        let value = item.evaluate(&scope)?;
        scope = scope.holding(&value)?;
        array.push(&null_if_missing(value));
    }
    Ok(array.into_value())
}

fn evaluate_switch<'a>(
    branches: &'a [(Expression, Expression)],
    default: Option<&'a Expression>,
    scope: &Scope<'a>,
) -> Result<Value<'a>, CommandError> {
    for (case, then) in branches {
        if case.evaluate(scope)?.is_truthy() {
            return then.evaluate(scope);
        }
    }
    match default {
        Some(default) => default.evaluate(scope),
        None => Err(CommandError::location(
            40_066,
            "$switch could not find a matching branch for an input, and no default was specified.",
        )),
    }
}

/// Evaluates `inner` with all variables; each of them is computed in the outer scope.
fn evaluate_let<'v>(
    variables: &[(String, Expression)],
    inner: &Expression,
    outer: &Scope<'_>,
    bound: Option<&Binding<'_>>,
) -> Result<Value<'v>, CommandError> {
    let Some(((name, expression), rest)) = variables.split_first() else {
        let scope = outer.with_variables(bound);
        return inner.evaluate(&scope).map(Value::into_owned);
    };
    let value = expression.evaluate(outer)?;
    let outer = outer.holding(&value)?;
    let binding = Binding {
        name,
        value,
        outer: bound,
    };
    evaluate_let(rest, inner, &outer, Some(&binding))
}

fn evaluate_map<'a>(
    input: &'a Expression,
    name: &str,
    inner: &Expression,
    scope: &Scope<'a>,
) -> Result<Value<'a>, CommandError> {
    let Some(array) = array_input("$map", input, scope)? else {
        return Ok(Value::Null);
    };
    let mut scope = array.scope;
    let mut mapped = ArrayBuilder::default();
    for item in Doc::new(&array.bytes).values() {
        let value = evaluate_with(&scope, name, item, inner)?;
        scope = scope.holding(&value)?;
        mapped.push(&null_if_missing(value));
    }
    Ok(mapped.into_value())
}

fn evaluate_filter<'a>(
    input: &'a Expression,
    name: &str,
    condition: &Expression,
    limit: Option<&'a Expression>,
    scope: &Scope<'a>,
) -> Result<Value<'a>, CommandError> {
    let Some(array) = array_input("$filter", input, scope)? else {
        return Ok(Value::Null);
    };
    let limit = match limit {
        Some(limit) => filter_limit(&limit.evaluate(scope)?)?,
        None => None,
    };
    let mut kept = ArrayBuilder::default();
    for item in Doc::new(&array.bytes).values() {
        if limit.is_some_and(|limit| kept.len() >= limit) {
            break;
        }
        if evaluate_with(&array.scope, name, item.clone(), condition)?.is_truthy() {
            kept.push(&item);
        }
    }
    Ok(kept.into_value())
}

/// Reads the limit of `$filter`; `None` if it is null or missing.
fn filter_limit(limit: &Value<'_>) -> Result<Option<usize>, CommandError> {
    if limit.is_nullish() {
        return Ok(None);
    }
    let whole = limit.as_i64().and_then(|limit| i32::try_from(limit).ok());
    let whole = whole.ok_or_else(|| {
        let message =
            format!("$filter: limit must be represented as a 32-bit integral value: {limit}");
        CommandError::location(327_391, message)
    })?;
    match usize::try_from(whole) {
        Ok(limit) if limit > 0 => Ok(Some(limit)),
        _ => {
            let message = format!("$filter: limit must be greater than 0: {whole}");
            Err(CommandError::location(327_392, message))
        }
    }
}

fn evaluate_reduce<'a>(
    input: &'a Expression,
    initial: &'a Expression,
    inner: &Expression,
    scope: &Scope<'a>,
) -> Result<Value<'a>, CommandError> {
    let Some(array) = array_input("$reduce", input, scope)? else {
        return Ok(Value::Null);
    };
    let mut value = initial.evaluate(scope)?.into_owned();
    for item in Doc::new(&array.bytes).values() {
        array.scope.check_time()?;
        let holding = array.scope.holding(&value)?;
        let outer = Binding {
            name: "value",
            value,
            outer: scope.variables,
        };
        let binding = Binding {
            name: "this",
            value: item,
            outer: Some(&outer),
        };
        let inside = holding.with_variables(Some(&binding));
        value = inner.evaluate(&inside)?.into_owned();
    }
    Ok(value)
}

/// Evaluates `inner` with one more variable.
fn evaluate_with<'v>(
    scope: &Scope<'_>,
    name: &str,
    value: Value<'_>,
    inner: &Expression,
) -> Result<Value<'v>, CommandError> {
    scope.check_time()?;
    let binding = Binding {
        name,
        value,
        outer: scope.variables,
    };
    let scope = scope.with_variables(Some(&binding));
    inner.evaluate(&scope).map(Value::into_owned)
}

/// Evaluates the input array of `$map`, `$filter` or `$reduce`; `None` if it is null or missing.
fn array_input<'a>(
    name: &str,
    input: &'a Expression,
    scope: &Scope<'a>,
) -> Result<Option<HeldArray<'a>>, CommandError> {
    let value = input.evaluate(scope)?;
    let scope = scope.holding(&value)?;
    match value {
        Value::Array(bytes) => Ok(Some(HeldArray { bytes, scope })),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use convoy_server_kit::RunClock;

    use super::*;
    use crate::query::environment::Environment;

    /// Returns a `$reduce` whose value doubles with each of 60 elements: to an exabyte.
    fn doubling(function: &str) -> Expression {
        let range: ArrayBuilder = [Value::Int32(0), Value::Int32(60)].into_iter().collect();
        let range = Builder::new().array("$range", range).finish();
        let value = || Value::String("$$value".into());
        let twice: ArrayBuilder = [value(), value()].into_iter().collect();
        let inner = Builder::new().array(function, twice).finish();
        let reduce = Builder::new()
            .raw_document("input", Doc::new(&range))
            .array("initialValue", [Value::Int32(1)].into_iter().collect())
            .raw_document("in", Doc::new(&inner))
            .finish();
        let reduce = Builder::new().raw_document("$reduce", Doc::new(&reduce));
        Expression::parse_in(
            &Value::Document(reduce.finish().into()),
            &Environment::default(),
        )
        .expect("a valid expression")
    }

    #[test]
    fn doubling_value_is_rejected_before_it_fills_memory() {
        for function in ["$concatArrays", "inner"] {
            let expression = doubling(function);
            let scope = Scope {
                free_bytes: 1 << 16,
                ..Scope::new(Doc::EMPTY, 0)
            };
            let refused = expression.evaluate(&scope).map(|_| ());
            let code = refused.map_err(|error| error.code());
            assert_eq!(code, Err(Code::QUERY_EXCEEDED_MEMORY), "{function}");
        }
    }

    #[test]
    fn expression_fails_after_its_time_limit() {
        let expression = doubling("$concatArrays");
        let scope = Scope {
            clock: RunClock::reaching_back(Duration::from_secs(60)),
            ..Scope::new(Doc::EMPTY, 0)
        };
        let refused = expression.evaluate(&scope).map(|_| ());
        let code = refused.map_err(|error| error.code());
        assert_eq!(code, Err(Code::MAX_TIME_EXPIRED));
    }
}
