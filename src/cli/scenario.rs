//! Scenario files: options in TOML, with the names of the flags.

use std::path::Path;

use toml::{Table, Value};

use crate::cli::error::Error;
use crate::suggest::most_similar;

/// Reads the options of a scenario as the text that a flag would have.
pub(super) fn read(path: &Path, options: &[String]) -> Result<Vec<(String, String)>, Error> {
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
        .map(|(key, value)| {
            if !options.contains(&key) {
                return Err(unknown(path, key, options));
            }
            let value = text(value).ok_or_else(|| Error::NotAValue {
                path: path.to_owned(),
                key: key.clone(),
            })?;
            Ok((key, value))
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

fn unknown(path: &Path, key: String, options: &[String]) -> Error {
    let suggestion = most_similar(&key, options).map(str::to_owned);
    Error::UnknownKey {
        path: path.to_owned(),
        key,
        suggestion,
    }
}
