//! The part of a collection that changes: where its documents are, and by which keys they are found.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bson::{Doc, Key, Value};
use crate::engine::clustered;
use crate::engine::index::{self, Index, Keys};
use crate::engine::index_spec::{ID_INDEX, IndexSpec};
use crate::engine::log::{Appended, Log};
use crate::engine::namespace::Namespace;
use crate::engine::position::Position;
use crate::engine::record::{self, RecordId};
use crate::engine::records::Records;
use crate::engine::rules::{CollectionOptions, Rules};
use crate::error::CommandError;

/// The part of a collection that changes.
#[derive(Debug)]
pub struct State {
    pub namespace: Namespace,
    /// Options of `create`, as `listCollections` shows them.
    pub options: CollectionOptions,
    /// What the options say about the documents.
    pub rules: Rules,
    /// Locations of the documents.
    pub records: Records,
    /// Documents by `_id`.
    pub by_id: BTreeMap<Key, RecordId>,
    /// All other indexes.
    pub indexes: Vec<Index>,
    pub next: RecordId,
    pub dropped: bool,
    /// The last document that was removed because the collection was full.
    pub trimmed: RecordId,
    /// Number of queries that used the index on `_id`.
    pub id_uses: AtomicU64,
}

impl State {
    /// Returns an empty collection.
    pub fn new(namespace: Namespace, options: CollectionOptions) -> Self {
        Self {
            namespace,
            rules: Rules::read(&options),
            options,
            records: Records::default(),
            by_id: BTreeMap::new(),
            indexes: Vec::new(),
            next: RecordId(1),
            dropped: false,
            trimmed: RecordId(0),
            id_uses: AtomicU64::new(0),
        }
    }

    /// Returns the description of the index on `_id`.
    pub fn id_spec(&self) -> IndexSpec {
        match &self.rules.clustered {
            Some(name) => IndexSpec::clustered(name),
            None => IndexSpec::id(),
        }
    }

    /// Returns the counter of the queries that used an index.
    pub fn uses_of(&self, index: &str) -> Option<&AtomicU64> {
        if index == ID_INDEX {
            return Some(&self.id_uses);
        }
        let found = self.indexes.iter().find(|known| known.spec().name == index);
        found.map(Index::uses)
    }

    /// Counts a query that uses an index.
    pub fn count_use(&self, index: &str) {
        if let Some(uses) = self.uses_of(index) {
            uses.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Adds a document's keys to all indexes; adds none if one of them is a duplicate.
    pub fn admit(&mut self, doc: Doc<'_>, id: RecordId) -> Result<(), CommandError> {
        let value = doc.get("_id").unwrap_or(Value::Null);
        let in_order = self.rules.clustered.is_some();
        if in_order {
            clustered::check_size(&value)?;
        }
        let Entry::Vacant(vacant) = self.by_id.entry(self.options.id_key(&value, id)) else {
            let duplicate = index::duplicate_id(&self.namespace.to_string(), &value);
            return Err(if in_order {
                clustered::duplicate(&value, duplicate)
            } else {
                duplicate
            });
        };
        if !self.indexes.is_empty() {
            let namespace = self.namespace.to_string();
            let keys = admit_keys(&self.indexes, doc, id, &namespace)?;
            for (index, keys) in self.indexes.iter_mut().zip(keys) {
                index.insert(keys, id);
            }
        }
        vacant.insert(id);
        Ok(())
    }

    /// Adds a document's keys to all indexes, if the rules of the collection allow the document.
    pub fn accept(&mut self, bypass: bool, doc: Doc<'_>, id: RecordId) -> Result<(), CommandError> {
        if !bypass {
            self.rules.check(None, doc)?;
        }
        self.admit(doc, id)
    }

    /// Returns the oldest documents of a capped collection, as many as are too many. The newest one
    /// stays, whatever its size.
    pub fn surplus(&self) -> Vec<RecordId> {
        let Some(capped) = self.rules.capped else {
            return Vec::new();
        };
        let mut bytes = self.records.bytes();
        let mut count = self.records.len() as u64;
        let most = capped.documents.unwrap_or(u64::MAX);
        let mut surplus = Vec::new();
        for (id, location) in self.records.forward(RecordId(0)) {
            if bytes <= capped.bytes && count <= most || count == 1 {
                break;
            }
            bytes -= u64::from(location.length);
            count -= 1;
            surplus.push(id);
        }
        surplus
    }

    /// Removes the keys of documents that could not be written; `first` is the first one's id.
    pub fn retract(&mut self, documents: &[Doc<'_>], first: RecordId) {
        for (index, &doc) in documents.iter().enumerate() {
            self.forget_keys(doc, first.offset(index));
        }
    }

    /// Removes a document's keys from all indexes.
    pub fn forget_keys(&mut self, doc: Doc<'_>, id: RecordId) {
        let value = doc.get("_id").unwrap_or(Value::Null);
        self.by_id.remove(&self.options.id_key(&value, id));
        for index in &mut self.indexes {
            if let Ok(keys) = index.keys(doc) {
                index.remove(&keys, id);
            }
        }
    }

    /// Records the locations of inserted documents; returns the log's position after them.
    pub fn place(
        &mut self,
        log: &Log,
        record: &Appended,
        first: RecordId,
        batch: &[Doc<'_>],
    ) -> Position {
        let mut offset = record::INSERT_PREFIX_BYTES;
        let mut bytes = 0;
        for (index, document) in batch.iter().enumerate() {
            let length = document.bytes().len();
            let location = record.locate(offset, length);
            self.records.set(first.offset(index), location);
            offset += length;
            bytes += length;
        }
        log.retain(record.locate(0, bytes));
        record.position
    }
}

/// Returns a document's keys in every index; an error if one belongs to another document.
pub fn admit_keys(
    indexes: &[Index],
    doc: Doc<'_>,
    id: RecordId,
    namespace: &str,
) -> Result<Vec<Keys>, CommandError> {
    indexes
        .iter()
        .map(|index| {
            let keys = index.keys(doc)?;
            index.check_unique(&keys, id, doc, namespace)?;
            Ok(keys)
        })
        .collect()
}
