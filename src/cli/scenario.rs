//! Scenario files: options in TOML, with the names of the flags.

use std::path::Path;

use toml::{Table, Value};

use crate::cli::error::Error;
use crate::suggest::most_similar;

/// An option that a scenario may set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// The flag without dashes.
    pub name: String,
    /// Whether the option takes several values, so that a list may set it.
    pub is_list: bool,
}

/// Reads the options of a scenario as the texts that flags would have.
pub(super) fn read(path: &Path, keys: &[Key]) -> Result<Vec<(String, Vec<String>)>, Error> {
    let content = std::fs::read_to_string(path).map_err(|source| Error::ReadScenario {
        path: path.to_owned(),
        source,
    })?;
    let table: Table = content
        .parse()
        .map_err(|error: toml::de::Error| Error::ParseScenario {
            path: path.to_owned(),
            line: error.span().map_or(1, |span| line(&content, span.start)),
            reason: error.message().to_owned(),
        })?;
    table
        .into_iter()
        .map(|(name, value)| {
            let Some(key) = keys.iter().find(|key| key.name == name) else {
                return Err(unknown(path, name, keys));
            };
            let values = match value {
                Value::Array(values) if key.is_list && !values.is_empty() => {
                    values.into_iter().map(text).collect::<Option<Vec<_>>>()
                }
                value => text(value).map(|text| vec![text]),
            };
            let values = values.ok_or_else(|| Error::NotAValue {
                path: path.to_owned(),
                key: name.clone(),
                takes_list: key.is_list,
            })?;
            Ok((name, values))
        })
        .collect()
}

fn line(content: &str, byte: usize) -> usize {
    let before = content.as_bytes().iter().take(byte);
    1 + before.filter(|byte| **byte == b'\n').count()
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(fact) => Some(fact.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

fn unknown(path: &Path, key: String, keys: &[Key]) -> Error {
    let names: Vec<String> = keys.iter().map(|key| key.name.clone()).collect();
    let suggestion = most_similar(&key, &names).map(str::to_owned);
    Error::UnknownKey {
        path: path.to_owned(),
        key,
        suggestion,
    }
}
