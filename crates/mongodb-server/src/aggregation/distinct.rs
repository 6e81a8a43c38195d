//! Distinct values, in the order of their first appearance.

use std::collections::BTreeSet;

use crate::bson::{ArrayBuilder, Key, Value};
use crate::query::is_missing;

/// The distinct values of a group, for `$addToSet`.
#[derive(Debug, Clone, Default)]
pub struct Distinct {
    keys: BTreeSet<Key>,
    values: ArrayBuilder,
    key_bytes: usize,
}

impl Distinct {
    /// Adds a value unless it is missing or known; returns the bytes that are held for it.
    pub fn add(&mut self, value: &Value<'_>) -> usize {
        let key = Key::of(value);
        let bytes = key.bytes().len() + size_of::<Key>();
        if is_missing(value) || !self.keys.insert(key) {
            return 0;
        }
        let before = self.values.size();
        self.values.push(value);
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
