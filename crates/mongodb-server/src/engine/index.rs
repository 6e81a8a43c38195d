//! Indexes in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::AtomicU64;

use crate::bson::shell::Shown;
use crate::bson::{Builder, Doc, Key, Value};
use crate::engine::index_spec::IndexSpec;
use crate::engine::record::RecordId;
use crate::error::{Code, CommandError};
use crate::query::{Tuples, encode_tuple};

/// Bytes of the document's id after a key that need not be unique.
const ID_BYTES: usize = 8;

/// An index in memory: encoded keys in their order.
///
/// A key is followed by the document's id, which makes it unique.
#[derive(Debug)]
pub struct Index {
    spec: IndexSpec,
    entries: BTreeMap<Key, RecordId>,
    multikey: bool,
    /// Number of queries that used the index since it was opened.
    uses: AtomicU64,
}

/// The keys of one document.
#[derive(Debug, Default)]
pub struct Keys {
    keys: Vec<Key>,
    multikey: bool,
}

impl Keys {
    pub fn len(&self) -> usize {
        self.keys.len()
    }
}

impl Index {
    /// Returns the counter of the queries that used the index.
    pub fn uses(&self) -> &AtomicU64 {
        &self.uses
    }

    pub fn new(spec: IndexSpec) -> Self {
        Self {
            spec,
            entries: BTreeMap::new(),
            multikey: false,
            uses: AtomicU64::new(0),
        }
    }

    pub fn spec(&self) -> &IndexSpec {
        &self.spec
    }

    /// Replaces the description by one with the same keys; an error if it is to be unique and two
    /// documents have the same key.
    pub fn redescribe(&mut self, spec: IndexSpec) -> Result<IndexSpec, CommandError> {
        if spec.hidden != self.spec.hidden {
            self.uses = AtomicU64::new(0);
        }
        if spec.unique && !self.spec.unique {
            let mut last: Option<(&[u8], RecordId)> = None;
            for (key, &id) in &self.entries {
                let bytes = key.bytes();
                let value = &bytes[..bytes.len().saturating_sub(ID_BYTES)];
                if last.is_some_and(|(known, other)| known == value && other != id) {
                    return Err(CommandError::new(
                        Code::CANNOT_CONVERT_TO_UNIQUE,
                        "Cannot convert the index to unique. Please resolve conflicting documents \
                         before running collMod again.",
                    ));
                }
                last = Some((value, id));
            }
        }
        Ok(std::mem::replace(&mut self.spec, spec))
    }

    pub fn into_spec(self) -> IndexSpec {
        self.spec
    }

    /// Returns whether a document may have several keys, because a field is an array.
    pub fn is_multikey(&self) -> bool {
        self.multikey
    }

    pub fn entries(&self) -> &BTreeMap<Key, RecordId> {
        &self.entries
    }

    /// Returns whether the index has all of a document's keys.
    pub fn has(&self, keys: &Keys, id: RecordId) -> bool {
        let known = |key: &Key| self.entries.get(&with_id(key.bytes(), id)) == Some(&id);
        keys.keys.iter().all(known)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the keys of a document.
    pub fn keys(&self, doc: Doc<'_>) -> Result<Keys, CommandError> {
        if self
            .spec
            .partial
            .as_ref()
            .is_some_and(|filter| !filter.matches(doc))
        {
            return Ok(Keys::default());
        }
        if let Some(special) = &self.spec.special {
            special.check(doc)?;
            return Ok(Keys::default());
        }
        let tuples = Tuples::new(&self.spec.fields, doc)?;
        if self.spec.sparse && !tuples.present {
            return Ok(Keys::default());
        }
        let mut bytes = Vec::new();
        let mut keys: Vec<Key> = tuples
            .values
            .iter()
            .map(|tuple| {
                bytes.clear();
                encode_tuple(&self.spec.fields, tuple, &mut bytes);
                Key::new(&bytes)
            })
            .collect();
        if tuples.multikey {
            keys.sort_unstable();
            keys.dedup();
        }
        Ok(Keys {
            keys,
            multikey: tuples.multikey,
        })
    }

    /// Checks that none of the keys belongs to another document than `id`.
    pub fn check_unique(
        &self,
        keys: &Keys,
        id: RecordId,
        doc: Doc<'_>,
        namespace: &str,
    ) -> Result<(), CommandError> {
        if !self.spec.unique && !self.spec.prepare_unique {
            return Ok(());
        }
        let taken = keys.keys.iter().find(|key| {
            let (from, to) = prefix_range(key.bytes());
            self.range(&from, &to).any(|(_, holder)| holder != id)
        });
        match taken {
            Some(key) => Err(self.duplicate(key, doc, namespace)),
            None => Ok(()),
        }
    }

    /// Adds a document's keys.
    pub fn insert(&mut self, keys: Keys, id: RecordId) {
        self.multikey |= keys.multikey;
        for key in keys.keys {
            self.entries.insert(with_id(key.bytes(), id), id);
        }
    }

    /// Removes a document's keys.
    pub fn remove(&mut self, keys: &Keys, id: RecordId) {
        for key in &keys.keys {
            self.entries.remove(&with_id(key.bytes(), id));
        }
    }

    /// Returns keys and documents from `from` to `to`, which is excluded, in order.
    pub fn range<'i>(
        &'i self,
        from: &[u8],
        to: &[u8],
    ) -> impl DoubleEndedIterator<Item = (&'i Key, RecordId)> + use<'i> {
        range_of(&self.entries, from, to)
    }

    fn duplicate(&self, key: &Key, doc: Doc<'_>, namespace: &str) -> CommandError {
        let fields = &self.spec.fields;
        let tuples = Tuples::new(fields, doc).unwrap_or_default();
        let mut bytes = Vec::new();
        let tuple = tuples.values.iter().find(|tuple| {
            bytes.clear();
            encode_tuple(fields, tuple, &mut bytes);
            bytes == key.bytes()
        });
        let mut values = Builder::new();
        for ((path, _), value) in fields.iter().zip(tuple.into_iter().flatten()) {
            values.push(path.as_str(), value);
        }
        duplicate_key(namespace, &self.spec, &values.finish())
    }
}

/// Returns the documents between two encoded keys; the second is excluded.
pub fn range_of<'i>(
    entries: &'i BTreeMap<Key, RecordId>,
    from: &[u8],
    to: &[u8],
) -> impl DoubleEndedIterator<Item = (&'i Key, RecordId)> + use<'i> {
    let range =
        (from < to).then(|| entries.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to))));
    range.into_iter().flatten().map(|(key, &id)| (key, id))
}

/// Returns the range of all keys that start with `prefix`.
pub fn prefix_range(prefix: &[u8]) -> (Vec<u8>, Vec<u8>) {
    (prefix.to_vec(), after_prefix(prefix))
}

/// Returns the least bytes greater than everything that starts with `prefix`.
pub fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut after = prefix.to_vec();
    while let Some(last) = after.pop() {
        if let Some(next) = last.checked_add(1) {
            after.push(next);
            return after;
        }
    }
    // No key starts with so many FF bytes, and nothing is greater.
    vec![u8::MAX; ID_BYTES]
}

/// Returns the error for a key that another document has.
pub fn duplicate_key(namespace: &str, spec: &IndexSpec, values: &[u8]) -> CommandError {
    let message = format!(
        "E11000 duplicate key error collection: {namespace} index: {} dup key: {}",
        spec.name,
        Shown(Doc::new(values))
    );
    let details = Builder::new()
        .raw_document("keyPattern", Doc::new(&spec.key_pattern()))
        .raw_document("keyValue", Doc::new(values))
        .finish();
    CommandError::new(Code::DUPLICATE_KEY, message).with_details(details)
}

/// Returns the error for an `_id` that another document has.
pub fn duplicate_id(namespace: &str, id: &Value<'_>) -> CommandError {
    let values = Builder::new().with("_id", id).finish();
    duplicate_key(namespace, &IndexSpec::id(), &values)
}

fn with_id(key: &[u8], id: RecordId) -> Key {
    let mut bytes = Vec::with_capacity(key.len() + ID_BYTES);
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(&id.0.to_be_bytes());
    Key::new(&bytes)
}
