//! `storageEngine` and `indexOptionDefaults` of `create`: checked, and without effect.

use crate::bson::{Doc, Value};
use crate::command::Call;
use crate::error::{Code, CommandError};

/// The engine that MongoDB has.
const ENGINE: &str = "wiredTiger";

/// Settings of a table or an index in a `configString`.
const SETTINGS: &[&str] = &[
    "access_pattern_hint",
    "allocation_size",
    "app_metadata",
    "block_allocation",
    "block_compressor",
    "cache_resident",
    "checksum",
    "collator",
    "columns",
    "dictionary",
    "encryption",
    "exclusive",
    "extractor",
    "format",
    "huffman_key",
    "huffman_value",
    "ignore_in_memory_cache_size",
    "immutable",
    "internal_item_max",
    "internal_key_max",
    "internal_key_truncate",
    "internal_page_max",
    "key_format",
    "key_gap",
    "leaf_item_max",
    "leaf_key_max",
    "leaf_page_max",
    "leaf_value_max",
    "log",
    "lsm",
    "memory_page_image_max",
    "memory_page_max",
    "os_cache_dirty_max",
    "os_cache_max",
    "prefix_compression",
    "prefix_compression_min",
    "source",
    "split_deepen_min_child",
    "split_deepen_per_child",
    "split_pct",
    "tiered_storage",
    "type",
    "value_format",
];

/// Checks both options of a command.
pub fn check(call: &Call<'_>) -> Result<(), CommandError> {
    if let Some(engine) = call.document("storageEngine")? {
        check_engine(engine)?;
    }
    let Some(defaults) = call.document("indexOptionDefaults")? else {
        return Ok(());
    };
    for element in defaults.elements() {
        let path = format!("indexOptionDefaults.{}", element.name());
        if element.name() != "storageEngine" {
            let message = format!("BSON field '{path}' is an unknown field.");
            return Err(CommandError::location(40_415, message));
        }
        match element.value() {
            Value::Document(engine) => check_engine(Doc::new(&engine))?,
            other if other.is_nullish() => {}
            other => return Err(call.wrong_type(&path, other.kind(), "object")),
        }
    }
    Ok(())
}

/// Checks the settings of each engine by its name.
fn check_engine(engines: Doc<'_>) -> Result<(), CommandError> {
    for engine in engines.elements() {
        let name = engine.name();
        let value = engine.value();
        let Some(settings) = value.as_document() else {
            return Err(CommandError::bad_value(format!(
                "'storageEngine.{name}' must be an embedded document"
            )));
        };
        if name != ENGINE {
            return Err(invalid(format!(
                "{name} is not a registered storage engine"
            )));
        }
        for setting in settings.elements() {
            if setting.name() != "configString" {
                return Err(invalid(format!(
                    "'{}' is not a supported option in storageEngine.{ENGINE}",
                    setting.name()
                )));
            }
            check_config(&setting.value())?;
        }
    }
    Ok(())
}

fn check_config(value: &Value<'_>) -> Result<(), CommandError> {
    let Some(config) = value.as_str() else {
        let message = format!("storageEngine.{ENGINE}.configString must be a string");
        return Err(CommandError::type_mismatch(message));
    };
    if config.contains('\0') {
        let message = "configString must not contain a null byte";
        return Err(CommandError::failed_to_parse(message));
    }
    match settings(config).find(|setting| !SETTINGS.contains(setting)) {
        None => Ok(()),
        Some(unknown) => Err(CommandError::bad_value(format!(
            "unknown configuration key '{unknown}' in configString"
        ))),
    }
}

/// Returns the names of the settings, without those in parentheses.
fn settings(config: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let items = config.split(move |letter| {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    });
    items.filter_map(|item| {
        let name = item.split(['=', ':']).next().unwrap_or_default().trim();
        (!name.is_empty()).then_some(name)
    })
}

fn invalid(message: String) -> CommandError {
    CommandError::new(Code::INVALID_OPTIONS, message)
}
