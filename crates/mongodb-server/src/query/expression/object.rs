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
    let wrong = |code: i32, message: &str| CommandError::location(code, message.to_owned());
    let mut fields: Vec<(String, Value<'static>)> = Vec::new();
    // The first item determines the form of all.
    let pairs = items
        .values()
        .next()
        .is_some_and(|first| first.as_array().is_some());
    for item in items.values() {
        let (name, value) = match (item.as_document(), item.as_array()) {
            (Some(_), _) if pairs => {
                return Err(wrong(
                    40_391,
                    "$arrayToObject requires a consistent input format",
                ));
            }
            (_, Some(_)) if !pairs => {
                return Err(wrong(
                    40_396,
                    "$arrayToObject requires a consistent input format",
                ));
            }
            (Some(doc), _) if doc.len() != 2 => {
                let message = "$arrayToObject requires an object keys of 'k' and 'v'";
                return Err(wrong(40_392, message));
            }
            (Some(doc), _) => match (doc.get("k"), doc.get("v")) {
                (Some(name), Some(value)) => (name, value),
                _ => {
                    let message = "$arrayToObject requires an object with keys 'k' and 'v'";
                    return Err(wrong(40_393, message));
                }
            },
            (_, Some(pair)) => match (pair.values().next(), pair.values().nth(1)) {
                (Some(name), Some(value)) if pair.len() == 2 => (name, value),
                _ => {
                    let message = "$arrayToObject requires an array of size 2 arrays";
                    return Err(wrong(40_397, message));
                }
            },
            _ => {
                let message = "Unrecognised input type format for $arrayToObject";
                return Err(wrong(40_398, message));
            }
        };
        let Value::String(name) = name else {
            let code = if pairs { 40_395 } else { 40_394 };
            let message = "$arrayToObject requires an object where the key is of type string";
            return Err(wrong(code, message));
        };
        if name.contains('\0') {
            let code = if pairs { 4_940_400 } else { 4_940_401 };
            return Err(wrong(
                code,
                "Key field cannot contain an embedded null byte",
            ));
        }
        let value = value.into_owned();
        match fields.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None => fields.push((name.into_owned(), value)),
        }
    }
    let mut builder = Builder::new();
    for (name, value) in fields {
        builder.push(&name, &value);
    }
    Ok(Value::Document(builder.finish().into()))
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
