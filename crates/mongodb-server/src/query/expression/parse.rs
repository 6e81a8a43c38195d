//! Compiles expressions.

use crate::bson::{ArrayBuilder, Doc, MAX_DOCUMENT_BYTES, Value};
use crate::error::{Code, CommandError, UNSUPPORTED_HERE};
use crate::query::environment::{self, Environment, Names};
use crate::query::expression::date_arithmetic::ignore_null_weekday;
use crate::query::expression::function::Function;
use crate::query::expression::node::{Expression, SpecialForm, Variable};
use crate::query::expression::scope::follow;
use crate::query::expression::values::{borrowed, null_if_missing};
use crate::query::expression::{functions, is_missing, parse_special};
use crate::query::field_path::check_field_path;

impl Expression {
    /// Compiles an expression that may use the variables of a command.
    pub fn parse_in(value: &Value<'_>, environment: &Environment) -> Result<Self, CommandError> {
        Self::parse_with(value, Names::of(environment))
    }

    /// Compiles an expression that may use these variables.
    pub fn parse_with(value: &Value<'_>, variables: Names<'_>) -> Result<Self, CommandError> {
        match value {
            Value::String(text) => match text.strip_prefix('$') {
                Some(path) => parse_field(path, variables),
                // It could not be sent on in a document.
                None if text.len() >= MAX_DOCUMENT_BYTES => Err(CommandError::location(
                    16_493,
                    format!("a string in an expression exceeds {MAX_DOCUMENT_BYTES} bytes"),
                )),
                None => Ok(Self::Constant(value.clone().into_owned())),
            },
            Value::Document(bytes) => parse_document(Doc::new(bytes), variables),
            Value::Array(bytes) => {
                let items = Doc::new(bytes).values();
                let items = items.map(|item| Self::parse_with(&item, variables));
                Ok(fold_array(items.collect::<Result<_, _>>()?))
            }
            Value::Undefined => Ok(Self::Constant(Value::Null)),
            other => Ok(Self::Constant(other.clone().into_owned())),
        }
    }
}

/// Turns an array of constants into a constant.
fn fold_array(items: Vec<Expression>) -> Expression {
    let constants = items.iter().map(Expression::as_constant);
    match constants.collect::<Option<Vec<_>>>() {
        Some(values) => {
            let values = values.into_iter().cloned().map(null_if_missing);
            let array = values.collect::<ArrayBuilder>();
            Expression::Constant(array.into_value())
        }
        None => Expression::Array(items),
    }
}

/// Compiles a field path: `a.b` or `$name.a.b`, without its leading `$`.
fn parse_field(path: &str, variables: Names<'_>) -> Result<Expression, CommandError> {
    if path.contains('\0') {
        let message = "FieldPath field names may not contain '\\0'.";
        return Err(CommandError::location(16_411, message));
    }
    let (variable, rest) = match path.strip_prefix('$') {
        None => (Variable::Root, Some(path)),
        Some(path) => {
            let (name, rest) = match path.split_once('.') {
                Some((name, rest)) => (name, Some(rest)),
                None => (path, None),
            };
            (parse_variable(name, variables)?, rest)
        }
    };
    let parts: Vec<String> = match rest {
        None => Vec::new(),
        Some(rest) => rest.split('.').map(str::to_owned).collect(),
    };
    if path.is_empty() {
        let message = "'$' by itself is not a valid FieldPath";
        return Err(CommandError::location(16_872, message));
    }
    if let Some(rest) = rest {
        check_field_path(rest)?;
    }
    if let Variable::Named(name) = &variable
        && !variables.local.contains(&name.as_str())
        && let Some(environment::Variable::Value(value)) = variables.environment.variable(name)
    {
        return Ok(constant(follow(borrowed(value), &parts).into_owned()));
    }
    Ok(Expression::Field {
        variable,
        names: parts,
    })
}

/// Returns the value of a variable as an expression. A missing one is not an omitted argument.
fn constant(value: Value<'static>) -> Expression {
    if is_missing(&value) {
        return Expression::Field {
            variable: Variable::Remove,
            names: Vec::new(),
        };
    }
    Expression::Constant(value)
}

fn parse_variable(name: &str, variables: Names<'_>) -> Result<Variable, CommandError> {
    match name {
        "" => Err(CommandError::failed_to_parse(
            "empty variable names are not allowed",
        )),
        "ROOT" | "CURRENT" => Ok(Variable::Root),
        "REMOVE" => Ok(Variable::Remove),
        "NOW" if variables.environment.hides_now => Err(CommandError::location(
            51_144,
            "Builtin variable '$$NOW' is not available",
        )),
        "NOW" => Ok(Variable::Now),
        _ if variables.local.contains(&name) || variables.environment.variable(name).is_some() => {
            Ok(Variable::Named(name.to_owned()))
        }
        "CLUSTER_TIME" if variables.environment.hides_now => Err(CommandError::location(
            51_144,
            "Builtin variable '$$CLUSTER_TIME' is not available",
        )),
        "CLUSTER_TIME" => Err(CommandError::location(
            10_071_200,
            "System variable '$$CLUSTER_TIME' is not available in standalone mode",
        )),
        "JS_SCOPE" | "IS_MR" | "SEARCH_META" | "USER_ROLES" => {
            Err(CommandError::unsupported(format!("the variable $${name}")))
        }
        _ => Err(CommandError::location(
            17_276,
            format!("Use of undefined variable: {name}"),
        )),
    }
}

fn parse_document(doc: Doc<'_>, variables: Names<'_>) -> Result<Expression, CommandError> {
    let Some(first) = doc.elements().next() else {
        return Ok(Expression::Constant(Value::Document(
            Doc::EMPTY.bytes().to_vec().into(),
        )));
    };
    if first.name().starts_with('$') {
        if doc.len() > 1 {
            return Err(CommandError::location(
                15_983,
                format!(
                    "an object representing an expression must have exactly one field: {}",
                    Value::Document(doc.bytes().into())
                ),
            ));
        }
        return parse_operator(first.name(), &first.value(), variables);
    }
    let mut fields: Vec<(String, Expression)> = Vec::new();
    for element in doc.elements() {
        let name = element.name();
        check_field_name(name)?;
        if fields.iter().any(|(known, _)| known == name) {
            let message = format!("duplicate field name specified in object literal: {name}");
            return Err(CommandError::location(16_406, message));
        }
        let expression = Expression::parse_with(&element.value(), variables)?;
        fields.push((name.to_owned(), expression));
    }
    Ok(Expression::Document(fields))
}

fn check_field_name(name: &str) -> Result<(), CommandError> {
    if name.is_empty() {
        let message = "FieldPath field names may not be empty strings.";
        return Err(CommandError::location(15_998, message));
    }
    if name.contains('.') {
        let message = format!(
            "FieldPath field names may not contain '.'. Consider using \
                               $getField or $setField. Field: {name}"
        );
        return Err(CommandError::location(16_412, message));
    }
    if name.starts_with('$') {
        let message = format!("field names may not start with '$': {name}");
        return Err(CommandError::location(16_410, message));
    }
    Ok(())
}

fn parse_operator(
    name: &str,
    argument: &Value<'_>,
    variables: Names<'_>,
) -> Result<Expression, CommandError> {
    if matches!(name, "$literal" | "$const") {
        return Ok(Expression::Constant(argument.clone().into_owned()));
    }
    if let Some(form) = parse_special::parse(name, argument, variables)? {
        return Ok(form);
    }
    let Some(function) = functions::find(name) else {
        return Err(CommandError::new(
            Code::INVALID_PIPELINE_OPERATOR,
            format!("Unrecognized expression '{name}'{}", missing_note(name)),
        ));
    };
    let arguments = function.parse_arguments(argument, variables)?;
    let (on_error, on_null) = function.parse_fallbacks(argument, variables)?;
    if on_error.is_none() && on_null.is_none() {
        return fold_call(function, arguments);
    }
    Ok(Expression::Special(Box::new(SpecialForm::Fallback {
        function,
        arguments,
        on_error,
        on_null,
    })))
}

/// Returns a note for expressions that MongoDB has and this server does not.
fn missing_note(name: &str) -> &'static str {
    match name {
        "$accumulator" | "$acosh" | "$asinh" | "$atan2" | "$atanh" | "$bitAnd" | "$bitNot"
        | "$bitOr" | "$bitXor" | "$cosh" | "$createObjectId" | "$firstN" | "$function"
        | "$lastN" | "$maxN" | "$meta" | "$minN" | "$sampleRate" | "$sigmoid" | "$sinh"
        | "$stdDevPop" | "$stdDevSamp" | "$tanh" | "$toHashedIndexKey" | "$tsIncrement"
        | "$tsSecond" => UNSUPPORTED_HERE,
        _ => "",
    }
}

/// Replaces a call with constant arguments by its value, if the function allows it.
fn fold_call(
    function: &'static Function,
    arguments: Vec<Expression>,
) -> Result<Expression, CommandError> {
    if !function.is_constant() {
        return Ok(Expression::Call(function, arguments));
    }
    let constants = arguments.iter().map(Expression::as_constant);
    match constants.collect::<Option<Vec<_>>>() {
        Some(values) => {
            let mut values: Vec<_> = values.into_iter().map(borrowed).collect();
            if function.name == "$dateTrunc" {
                ignore_null_weekday(&mut values);
            }
            Ok(Expression::Constant(function.call(&values)?.into_owned()))
        }
        None => Ok(Expression::Call(function, arguments)),
    }
}
