//! Options of `create` that have no effect here, checked as MongoDB checks them.

use crate::bson::{Doc, Kind, Value};
use crate::command::Call;
use crate::engine::Namespace;
use crate::error::{Code, CommandError};

/// The only storage engine that options may be for.
const ENGINE: &str = "wiredTiger";

/// Collections of the server that clients may create.
const SYSTEM: &[&str] = &[
    "system.js",
    "system.profile",
    "system.roles",
    "system.users",
    "system.version",
    "system.views",
];

/// Settings that `configString` may name.
const ENGINE_SETTINGS: &[&str] = &[
    "access_pattern_hint",
    "allocation_size",
    "app_metadata",
    "assert",
    "block_allocation",
    "block_compressor",
    "cache_resident",
    "checksum",
    "columns",
    "dictionary",
    "encryption",
    "exclusive",
    "format",
    "ignore_in_memory_cache_size",
    "internal_item_max",
    "internal_key_max",
    "internal_page_max",
    "key_format",
    "leaf_item_max",
    "leaf_key_max",
    "leaf_page_max",
    "leaf_value_max",
    "log",
    "memory_page_image_max",
    "memory_page_max",
    "os_cache_dirty_max",
    "os_cache_max",
    "prefix_compression",
    "prefix_compression_min",
    "split_pct",
    "type",
    "value_format",
    "write_timestamp_usage",
];

/// Rejects options that MongoDB rejects.
pub fn check(call: &Call<'_>, namespace: &Namespace) -> Result<(), CommandError> {
    check_system(namespace, call.value("timeseries").is_some())?;
    if let Some(engine) = call.document("storageEngine")? {
        check_engines(engine)?;
    }
    if let Some(defaults) = call.document("indexOptionDefaults")? {
        for option in defaults.elements() {
            let name = option.name();
            let path = format!("indexOptionDefaults.{name}");
            match option.doc() {
                _ if name != "storageEngine" => {
                    let message = format!("BSON field 'create.{path}' is an unknown field.");
                    return Err(CommandError::location(40_415, message));
                }
                Some(engines) if option.kind() == Kind::Document => check_engines(engines)?,
                _ => return Err(call.wrong_type(&path, option.kind(), "object")),
            }
        }
    }
    match call.document("idIndex")? {
        Some(index) => {
            if call.value("timeseries").is_some() {
                let message = "'idIndex' is not allowed with 'timeseries'";
                return Err(CommandError::new(Code::INVALID_OPTIONS, message));
            }
            check_id_index(index)
        }
        None => Ok(()),
    }
}

/// Rejects the names of collections that only the server creates.
pub fn check_system(namespace: &Namespace, time_series: bool) -> Result<(), CommandError> {
    if namespace.collection.starts_with("system.buckets.") {
        if time_series {
            return Ok(());
        }
        let message = format!("Cannot create a collection of buckets: {namespace}");
        return Err(CommandError::new(Code::ILLEGAL_OPERATION, message));
    }
    if namespace.is_system() && !SYSTEM.contains(&namespace.collection.as_str()) {
        let message = format!("Invalid system namespace: {namespace}");
        return Err(CommandError::new(Code::INVALID_NAMESPACE, message));
    }
    Ok(())
}

/// Rejects options for other storage engines, or that the engine does not know.
fn check_engines(engines: Doc<'_>) -> Result<(), CommandError> {
    let invalid = |message: String| CommandError::new(Code::INVALID_OPTIONS, message);
    for engine in engines.elements() {
        let name = engine.name();
        let options = engine.doc().filter(|_| engine.kind() == Kind::Document);
        let options = options.ok_or_else(|| {
            CommandError::bad_value(format!(
                "'storageEngine.{name}' must be an embedded document"
            ))
        })?;
        if name != ENGINE {
            let message = format!("{name} is not a registered storage engine for this server");
            return Err(invalid(message));
        }
        for option in options.elements() {
            if option.name() != "configString" {
                return Err(invalid(format!(
                    "'{}' is not a supported option in storageEngine.{ENGINE}",
                    option.name()
                )));
            }
            check_config(&option.value())?;
        }
    }
    Ok(())
}

fn check_config(config: &Value<'_>) -> Result<(), CommandError> {
    let Some(config) = config.as_str() else {
        return Err(CommandError::type_mismatch(format!(
            "'storageEngine.{ENGINE}.configString' must be a string, but got {}",
            config.kind().alias()
        )));
    };
    if config.contains('\0') {
        let message = "configString contains a null byte";
        return Err(CommandError::failed_to_parse(message));
    }
    let mut depth = 0_usize;
    let parts = config.split(|letter| {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    });
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        let name = part.split('=').next().unwrap_or_default();
        if !ENGINE_SETTINGS.contains(&name) {
            let message = format!("unknown configuration key in configString: '{name}'");
            return Err(CommandError::bad_value(message));
        }
    }
    Ok(())
}

/// Rejects a description that is not that of the index on `_id`.
fn check_id_index(index: Doc<'_>) -> Result<(), CommandError> {
    let wrong_type = |name: &str, kind: Kind, expected: &str| {
        Err(CommandError::type_mismatch(format!(
            "The field '{name}' must be {expected}, but got {}",
            kind.alias()
        )))
    };
    for name in ["key", "name"] {
        if index.element(name).is_none() {
            return Err(CommandError::failed_to_parse(format!(
                "The '{name}' field is a required property of an index specification"
            )));
        }
    }
    for option in index.elements() {
        let (name, value) = (option.name(), option.value());
        match (name, &value) {
            ("key", Value::Document(bytes)) => {
                let key = Doc::new(bytes);
                let ascending = key
                    .get("_id")
                    .is_some_and(|order| order.as_f64() == Some(1.0));
                if key.len() != 1 || !ascending {
                    return Err(CommandError::bad_value(format!(
                        "The field 'key' for an _id index must be {{_id: 1}}, but got {value}"
                    )));
                }
            }
            ("name", Value::String(text)) if text.is_empty() => {
                return Err(cannot("index names cannot be empty"));
            }
            ("name", Value::String(_)) | ("ns", _) => {}
            ("name", _) => return wrong_type(name, option.kind(), "a string"),
            ("v", version) if version.is_number() => match version.as_i64() {
                Some(1 | 2) => {}
                Some(_) => return Err(cannot("the version of an _id index must be 1 or 2")),
                None => {
                    let message = "Index version must be representable as a 32-bit integer";
                    return Err(CommandError::bad_value(message));
                }
            },
            ("v", _) => return wrong_type(name, option.kind(), "a number"),
            ("collation", Value::Document(bytes)) => {
                let simple = crate::engine::is_simple_collation(&value);
                if !simple || Doc::new(bytes).is_empty() {
                    return Err(CommandError::bad_value(
                        "The _id index must have the same collation as the collection",
                    ));
                }
            }
            ("key" | "collation", _) => return wrong_type(name, option.kind(), "an object"),
            _ => {
                return Err(CommandError::new(
                    Code::INVALID_INDEX_SPECIFICATION,
                    format!("The field '{name}' is not valid for an _id index specification."),
                ));
            }
        }
    }
    Ok(())
}

fn cannot(message: &str) -> CommandError {
    CommandError::new(Code::CANNOT_CREATE_INDEX, message)
}
