//! Distinct values, in the order of their first appearance.

use std::collections::BTreeSet;

use crate::bson::{ArrayBuilder, Builder, Key, Value};
use crate::query::is_missing;

/// The distinct values of a group, for `$addToSet`.
#[derive(Debug, Clone, Default)]
pub struct Distinct {
    keys: BTreeSet<Key>,
    values: ArrayBuilder,
    /// Whether the least and the greatest key are put into documents.
    wraps: bool,
    key_bytes: usize,
}

impl Distinct {
    /// Returns an empty set; `wraps` tells whether its keys are [`wrapped`].
    pub fn new(wraps: bool) -> Self {
        Self {
            wraps,
            ..Self::default()
        }
    }

    /// Adds a value unless it is missing or known; returns the bytes that are held for it.
    pub fn add(&mut self, value: &Value<'_>) -> usize {
        let key = Key::of(value);
        let bytes = key.bytes().len() + size_of::<Key>();
        if is_missing(value) || !self.keys.insert(key) {
            return 0;
        }
        let before = self.values.size();
        match value {
            Value::MinKey | Value::MaxKey if self.wraps => {
                self.values.push(&wrapped(value.clone()));
            }
            _ => self.values.push(value),
        }
        self.key_bytes += bytes;
        bytes + self.values.size() - before
    }

    /// Returns the bytes that are held.
    pub fn memory(&self) -> usize {
        self.key_bytes + self.values.size()
    }

    /// Returns the values as an array.
    pub fn into_value(self) -> Value<'static> {
        self.values.into_value()
    }
}

/// Puts the least and the greatest key into a document with an empty name, as the engine of MongoDB's
/// `$group` does.
pub fn wrapped(value: Value<'_>) -> Value<'_> {
    match value {
        Value::MinKey | Value::MaxKey => {
            Value::Document(Builder::new().with("", &value).finish().into())
        }
        value => value,
    }
}
