//! `clusteredIndex` of `create`: a collection whose documents are in the order of their `_id`.

use crate::bson::{Builder, Doc, Value};
use crate::command::{Call, collection_options, time_series};
use crate::engine::{CollectionOptions, ID_INDEX};
use crate::error::{Code, CommandError};
use crate::query::saturated;

/// Reads `clusteredIndex`; returns the index as `listCollections` shows it.
pub fn read(call: &Call<'_>) -> Result<Option<Builder>, CommandError> {
    let Some(value) = call.body.get("clusteredIndex") else {
        return Ok(None);
    };
    if !value.is_number() && !matches!(value, Value::Bool(_) | Value::Document(_)) {
        let expected = "bool', 'object', 'long', 'int', 'decimal', 'double";
        return Err(call.wrong_type("clusteredIndex", value.kind(), expected));
    }
    if call.flag("capped")?.unwrap_or(false) {
        let message = "'clusteredIndex' is not allowed with 'capped'";
        return Err(CommandError::location(6_049_200, message));
    }
    let Some(index) = value.as_document() else {
        if !value.is_truthy() {
            return Ok(None);
        }
        let message = "The 'clusteredIndex' option of a collection that is not a time series' \
                       buckets must be an object";
        return Err(CommandError::location(5_979_703, message));
    };
    let index = read_index(call, index)?;
    check_others(call)?;
    Ok(Some(index))
}

fn read_index(call: &Call<'_>, index: Doc<'_>) -> Result<Builder, CommandError> {
    let field = |name: &str| index.get(name).filter(|value| !value.is_nullish());
    let path = |name: &str| format!("clusteredIndex.{name}");
    for element in index.elements() {
        let name = element.name();
        let value = element.value();
        let expected = match name {
            "key" if value.as_document().is_none() => "object",
            "name" if value.as_str().is_none() => "string",
            "unique" if !value.is_number() && !matches!(value, Value::Bool(_)) => {
                "bool', 'long', 'int', 'decimal', 'double"
            }
            "v" if !value.is_number() => "int', 'decimal', 'double', 'long",
            "key" | "name" | "unique" | "v" => continue,
            _ => {
                let message = format!("BSON field '{}' is an unknown field.", path(name));
                return Err(CommandError::location(40_415, message));
            }
        };
        if !value.is_nullish() {
            return Err(call.wrong_type(&path(name), value.kind(), expected));
        }
    }
    let key = field("key").ok_or_else(|| call.missing(&path("key")))?;
    let unique = field("unique").ok_or_else(|| call.missing(&path("unique")))?;
    let key = key.as_document().unwrap_or(Doc::EMPTY);
    if key.len() != 1 || key.get("_id").and_then(|one| one.as_f64()) != Some(1.0) {
        let message = "The 'key' of a clustered index must be {_id: 1}";
        return Err(CommandError::new(
            Code::INVALID_INDEX_SPECIFICATION,
            message,
        ));
    }
    if !unique.is_truthy() {
        let message = "A clustered index must be unique";
        return Err(CommandError::location(5_979_700, message));
    }
    if field("v").is_some_and(|version| saturated(&version) != 2) {
        let message = "The version of a clustered index must be 2";
        return Err(CommandError::location(5_979_704, message));
    }
    let name = field("name");
    let name = name.as_ref().and_then(Value::as_str).unwrap_or(ID_INDEX);
    Ok(Builder::new()
        .int32("v", 2)
        .document("key", Builder::new().int32("_id", 1))
        .string("name", name)
        .bool("unique", true))
}

/// Rejects what a clustered collection cannot be or have.
fn check_others(call: &Call<'_>) -> Result<(), CommandError> {
    for name in ["timeseries", "idIndex"] {
        if call.value(name).is_some() {
            let message = format!("'clusteredIndex' is not allowed with '{name}'");
            return Err(CommandError::new(Code::INVALID_OPTIONS, message));
        }
    }
    if call.value("viewOn").is_some() {
        let message = "'clusteredIndex' is not supported on views";
        return Err(CommandError::location(6_026_500, message));
    }
    if call.value("max").is_some() {
        let message = "'max' is not allowed with 'clusteredIndex'";
        return Err(CommandError::location(6_049_204, message));
    }
    Ok(())
}

/// Returns options with the index and the expiry of a clustered collection.
pub fn add(
    call: &Call<'_>,
    options: &CollectionOptions,
    index: Builder,
) -> Result<CollectionOptions, CommandError> {
    let index = Value::Document(index.finish().into());
    let mut options = collection_options::with(options, "clusteredIndex", Some(&index));
    if let Some(seconds) = time_series::expiry(call)? {
        let seconds = Value::Int64(seconds);
        options = collection_options::with(&options, "expireAfterSeconds", Some(&seconds));
    }
    Ok(options)
}
