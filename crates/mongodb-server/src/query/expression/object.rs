//! Functions of documents.

use crate::bson::builder::count_value;
use crate::bson::{ArrayBuilder, Builder, Doc, Value};
use crate::error::CommandError;
use crate::query::expression::arithmetic::each;
use crate::query::expression::function::Outcome;
use crate::query::expression::values::is_missing;

/// `$mergeObjects` of the arguments, or of the elements of a single array.
pub fn merge(arguments: &[Value<'_>]) -> Outcome {
    let mut fields: Vec<(String, Value<'static>)> = Vec::new();
    let mut failed = Ok(());
    each(arguments, |value| {
        if failed.is_ok() {
            failed = merge_into(&mut fields, value);
        }
    });
    failed?;
    let mut builder = Builder::new();
    for (name, value) in fields {
        builder.push(&name, &value);
    }
    Ok(Value::Document(builder.finish().into()))
}

/// Merges the fields of a document into a list of fields.
pub fn merge_into(
    fields: &mut Vec<(String, Value<'static>)>,
    value: &Value<'_>,
) -> Result<(), CommandError> {
    if value.is_nullish() {
        return Ok(());
    }
    let doc = value.as_document().ok_or_else(|| {
        let kind = value.kind().alias();
        let message =
            format!("$mergeObjects requires object inputs, but input {value} is of type {kind}");
        CommandError::location(40_400, message)
    })?;
    for element in doc.elements() {
        let value = element.value().into_owned();
        match fields.iter_mut().find(|(name, _)| name == element.name()) {
            Some(known) => known.1 = value,
            None => fields.push((element.name().to_owned(), value)),
        }
    }
    Ok(())
}

/// `$objectToArray`
pub fn to_array(arguments: &[Value<'_>]) -> Outcome {
    match arguments {
        [Value::Document(bytes)] => {
            let mut pairs = ArrayBuilder::default();
            for element in Doc::new(bytes).elements() {
                pairs.push_built(
                    Builder::new()
                        .string("k", element.name())
                        .with("v", &element.value()),
                );
            }
            Ok(pairs.into_value())
        }
        [value] if !value.is_nullish() => Err(CommandError::location(
            40_390,
            format!(
                "$objectToArray requires a document input, found: {}",
                value.kind().alias()
            ),
        )),
        _ => Ok(Value::Null),
    }
}

/// `$arrayToObject` of `{ k, v }` documents or of pairs.
pub fn from_array(arguments: &[Value<'_>]) -> Outcome {
    let items = match arguments {
        [Value::Array(bytes)] => Doc::new(bytes),
        [value] if !value.is_nullish() => {
            let kind = value.kind().alias();
            let message = format!("$arrayToObject requires an array input, found: {kind}");
            return Err(CommandError::location(40_386, message));
        }
        _ => return Ok(Value::Null),
    };
    let mut fields: Vec<(String, Value<'static>)> = Vec::new();
    // The first item determines the form of all.
    let first = items.values().next();
    let pairs = first.is_some_and(|first| first.as_array().is_some());
    for item in items.values() {
        let (name, value) = if pairs {
            pair_of(&item)
        } else {
            named_pair_of(&item)
        }?;
        match fields.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None => fields.push((name, value)),
        }
    }
    let mut builder = Builder::new();
    for (name, value) in fields {
        builder.push(&name, &value);
    }
    Ok(Value::Document(builder.finish().into()))
}

/// A name and a value.
type Pair = (String, Value<'static>);

/// Reads `[name, value]`.
fn pair_of(item: &Value<'_>) -> Result<Pair, CommandError> {
    let wrong = |code: i32, what: &str| {
        CommandError::location(code, format!("$arrayToObject requires {what}"))
    };
    let Some(pair) = item.as_array() else {
        let code = if item.as_document().is_some() {
            40_391
        } else {
            40_398
        };
        return Err(wrong(code, "a consistent input format"));
    };
    let mut values = pair.values();
    let (Some(name), Some(value), None) = (values.next(), values.next(), values.next()) else {
        return Err(wrong(40_397, "an array of size 2 arrays"));
    };
    Ok((key_of(name, 40_395, 4_940_400)?, value.into_owned()))
}

/// Reads `{ k: name, v: value }`.
fn named_pair_of(item: &Value<'_>) -> Result<Pair, CommandError> {
    let wrong = |code: i32, what: &str| {
        CommandError::location(code, format!("$arrayToObject requires {what}"))
    };
    let Some(doc) = item.as_document() else {
        let code = if item.as_array().is_some() {
            40_396
        } else {
            40_398
        };
        return Err(wrong(code, "a consistent input format"));
    };
    if doc.len() != 2 {
        return Err(wrong(40_392, "an object with two keys, 'k' and 'v'"));
    }
    let (Some(name), Some(value)) = (doc.get("k"), doc.get("v")) else {
        return Err(wrong(40_393, "an object with keys 'k' and 'v'"));
    };
    Ok((key_of(name, 40_394, 4_940_401)?, value.into_owned()))
}

/// Reads the name of a field; the codes are those of errors of its type and of null bytes.
fn key_of(name: Value<'_>, type_code: i32, null_code: i32) -> Result<String, CommandError> {
    let Value::String(name) = name else {
        let message = "$arrayToObject requires a key of type string";
        return Err(CommandError::location(type_code, message));
    };
    if name.contains('\0') {
        let message = "Key field cannot contain an embedded null byte";
        return Err(CommandError::location(null_code, message));
    }
    Ok(name.into_owned())
}

/// `$getField`
pub fn get_field(arguments: &[Value<'_>]) -> Outcome {
    let [field, input] = arguments else {
        return Ok(Value::Null);
    };
    let Some(name) = field.as_str() else {
        return Err(CommandError::location(
            3_041_704,
            "$getField requires 'field' to evaluate to type String",
        ));
    };
    Ok(match input {
        Value::Document(bytes) => Doc::new(bytes)
            .get(name)
            .map_or(Value::Undefined, Value::into_owned),
        Value::Null => Value::Null,
        _ => Value::Undefined,
    })
}

/// `$setField`
pub fn set_field(arguments: &[Value<'_>]) -> Outcome {
    let [field, input, value] = arguments else {
        return Ok(Value::Null);
    };
    change_field(field, input, value)
}

/// `$unsetField`
pub fn unset_field(arguments: &[Value<'_>]) -> Outcome {
    let [field, input] = arguments else {
        return Ok(Value::Null);
    };
    change_field(field, input, &Value::Undefined)
}

/// Sets a field, whose name may contain dots and dollar signs; a missing value removes it.
fn change_field(field: &Value<'_>, input: &Value<'_>, value: &Value<'_>) -> Outcome {
    let name = field.as_str().ok_or_else(|| {
        let message = "$setField requires 'field' to evaluate to a constant string";
        CommandError::location(4_161_107, message)
    })?;
    if name.contains('\0') {
        let message = "$setField requires 'field' not to contain embedded null bytes";
        return Err(CommandError::location(9_534_700, message));
    }
    if input.is_nullish() {
        return Ok(Value::Null);
    }
    let doc = input.as_document().ok_or_else(|| {
        let message = "$setField requires 'input' to evaluate to type Object";
        CommandError::location(4_161_105, message)
    })?;
    let mut changed = Builder::new();
    let set = |out: &mut Builder| {
        if !is_missing(value) {
            out.push(name, value);
        }
    };
    for element in doc.elements() {
        if element.name() == name {
            set(&mut changed);
        } else {
            changed.push_element(element);
        }
    }
    if doc.element(name).is_none() {
        set(&mut changed);
    }
    Ok(Value::Document(changed.finish().into()))
}

/// `$bsonSize`
pub fn bson_size(arguments: &[Value<'_>]) -> Outcome {
    match arguments {
        [Value::Document(bytes)] => Ok(count_value(bytes.len())),
        [value] if !value.is_nullish() => Err(CommandError::location(
            31_393,
            format!(
                "$bsonSize requires a document input, found: {}",
                value.kind().alias()
            ),
        )),
        _ => Ok(Value::Null),
    }
}
