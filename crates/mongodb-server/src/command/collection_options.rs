//! The options of a collection: checked, stored, and changed by `collMod`.

use crate::bson::{Builder, Doc, Value};
use crate::command::Call;
use crate::engine::CollectionOptions;
use crate::error::{Code, CommandError};
use crate::query::{Filter, whole_decimal};

/// Options of `create` that are stored, in the order in which they are shown.
pub const STORED: &[&str] = &[
    "capped",
    "size",
    "max",
    "validator",
    "validationLevel",
    "validationAction",
    "changeStreamPreAndPostImages",
];

/// Sizes of capped collections are multiples of this.
const CAPPED_STEP: i64 = 256;

/// Largest size of a capped collection.
const MAX_CAPPED_BYTES: i64 = 1 << 50;

/// Returns the options of a new collection.
pub fn read(call: &Call<'_>) -> Result<CollectionOptions, CommandError> {
    let mut options = Builder::new();
    let capped = call.flag("capped")?.unwrap_or(false);
    if capped {
        let size = call.integer("size")?.ok_or_else(|| {
            let message = "the 'size' field is required when 'capped' is true";
            CommandError::new(Code::INVALID_OPTIONS, message)
        })?;
        options = options
            .bool("capped", true)
            .with("size", &number(capped_bytes("size", size)?));
        if let Some(max) = call.integer("max")? {
            options = options.with("max", &number(capped_documents("max", max)?));
        }
    } else if call.value("size").is_some() || call.value("max").is_some() {
        return Err(CommandError::new(
            Code::INVALID_OPTIONS,
            "the 'capped' field needs to be true when either the 'size' or 'max' fields are present",
        ));
    }
    for name in STORED.iter().filter(|name| !is_size(name)) {
        if let Some(value) = call.value(name) {
            check(call, name, &value)?;
            options = options.with(name, &value);
        }
    }
    let options = options.finish();
    let stored = (!Doc::new(&options).is_empty()).then_some(options);
    Ok(CollectionOptions(stored))
}

fn is_size(name: &str) -> bool {
    matches!(name, "capped" | "size" | "max")
}

/// Rejects an option that is not valid.
pub fn check(call: &Call<'_>, name: &str, value: &Value<'_>) -> Result<(), CommandError> {
    match name {
        "validator" => {
            let system = call.collection_name();
            if system.is_some_and(|name| name.starts_with("system.")) {
                let message = "Document validators are not allowed on system collections";
                return Err(CommandError::new(Code::INVALID_OPTIONS, message));
            }
            if matches!(call.database, "admin" | "local" | "config") {
                return Err(CommandError::new(
                    Code::INVALID_OPTIONS,
                    format!(
                        "Document validators are not allowed on collections in the {} database",
                        call.database
                    ),
                ));
            }
            if call
                .collection_name()
                .is_some_and(|name| name.starts_with("system."))
            {
                let message = "Document validators are not allowed on system collections";
                return Err(CommandError::new(Code::INVALID_OPTIONS, message));
            }
            let kind = value.kind();
            let doc = value.as_document();
            let doc = doc.ok_or_else(|| call.wrong_type(name, kind, "object"))?;
            Filter::parse(doc).map(|_filter| ())
        }
        "validationLevel" => one_of(call, name, value, &["off", "strict", "moderate"]),
        "validationAction" => one_of(call, name, value, &["error", "warn"]),
        "changeStreamPreAndPostImages" => {
            let kind = value.kind();
            let doc = value.as_document();
            let doc = doc.ok_or_else(|| call.wrong_type(name, kind, "object"))?;
            let unknown = doc.elements().find(|field| field.name() != "enabled");
            if let Some(unknown) = unknown {
                let message = format!(
                    "BSON field '{}.{name}.{}' is an unknown field.",
                    call.name,
                    unknown.name()
                );
                return Err(CommandError::location(40_415, message));
            }
            let path = format!("{name}.enabled");
            match doc.get("enabled") {
                Some(Value::Bool(_)) => Ok(()),
                Some(other) => Err(call.wrong_type(&path, other.kind(), "bool")),
                None => Err(call.missing(&path)),
            }
        }
        _ => Ok(()),
    }
}

fn one_of(
    call: &Call<'_>,
    name: &str,
    value: &Value<'_>,
    known: &[&str],
) -> Result<(), CommandError> {
    match value.as_str() {
        Some(text) if known.contains(&text) => Ok(()),
        Some(text) => Err(CommandError::bad_value(format!(
            "Enumeration value '{text}' for field '{}.{name}' is not a valid value.",
            call.name
        ))),
        None => Err(call.wrong_type(name, value.kind(), "string")),
    }
}

/// Returns the size of a capped collection, rounded up to what MongoDB stores.
pub fn capped_bytes(name: &str, size: i64) -> Result<i64, CommandError> {
    if size < 1 {
        return Err(CommandError::location(
            51_024,
            format!("BSON field '{name}' value must be >= 1, actual value '{size}'"),
        ));
    }
    if size > MAX_CAPPED_BYTES {
        return Err(CommandError::bad_value(format!(
            "BSON field '{name}' value must be <= {MAX_CAPPED_BYTES}, actual value '{size}'"
        )));
    }
    Ok((size + CAPPED_STEP - 1) / CAPPED_STEP * CAPPED_STEP)
}

/// Returns the largest number of documents of a capped collection.
pub fn capped_documents(name: &str, max: i64) -> Result<i64, CommandError> {
    if max > i64::from(i32::MAX) {
        return Err(CommandError::bad_value(format!(
            "BSON field '{name}' value must be <= {}, actual value '{max}'",
            i32::MAX
        )));
    }
    Ok(max)
}

/// Returns a whole number as `listCollections` shows it.
pub fn number(number: i64) -> Value<'static> {
    i32::try_from(number).map_or(Value::Int64(number), Value::Int32)
}

/// Returns options with one of them replaced or added; without it if there is no value.
pub fn with(
    options: &CollectionOptions,
    name: &str,
    value: Option<&Value<'_>>,
) -> CollectionOptions {
    let before = options.0.as_deref().map_or(Doc::EMPTY, Doc::new);
    let mut after = Builder::new();
    let mut replaced = false;
    for element in before.elements() {
        if element.name() != name {
            after.push_element(element);
        } else if let Some(value) = value {
            after.push(name, value);
            replaced = true;
        }
    }
    if let Some(value) = value.filter(|_| !replaced) {
        after.push(name, value);
    }
    CollectionOptions(Some(after.finish()))
}

/// Returns a whole number, a fraction cut off.
pub fn whole(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Double(number) => crate::bson::value::integer_of(number.trunc()),
        Value::Decimal128(number) => whole_decimal(*number),
        other => other.as_i64(),
    }
}
