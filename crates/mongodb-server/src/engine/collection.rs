//! The documents of one collection: unique by `_id`, found by indexes, changed one at a time.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::IoSlice;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::bson::{Doc, Key, Value};
use crate::engine::error::{ChangeError, Error};
use crate::engine::index::{self, Index, Keys};
use crate::engine::index_spec::{ID_INDEX, IndexSpec};
use crate::engine::locks::{read, write};
use crate::engine::log::{Appended, Log, Position};
use crate::engine::namespace::Namespace;
use crate::engine::record::{self, BATCH_BYTES, CollectionId, RecordId, RecordKind};
use crate::engine::records::Records;
use crate::engine::segment::Location;
use crate::error::CommandError;

/// A collection. It is shared, and empty after it was dropped.
#[derive(Debug)]
pub struct Collection {
    id: CollectionId,
    uuid: [u8; 16],
    pub(super) state: RwLock<State>,
}

/// The part of a collection that changes.
#[derive(Debug)]
pub struct State {
    pub namespace: Namespace,
    /// Options of `create`, as `listCollections` shows them.
    pub options: CollectionOptions,
    /// Locations of the documents.
    pub records: Records,
    /// Documents by `_id`.
    pub by_id: BTreeMap<Key, RecordId>,
    /// All other indexes.
    pub indexes: Vec<Index>,
    pub next: RecordId,
    pub dropped: bool,
    /// Number of queries that used the index on `_id`.
    pub id_uses: AtomicU64,
}

impl State {
    /// Returns the counter of the queries that used an index.
    fn uses_of(&self, index: &str) -> Option<&AtomicU64> {
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
}

/// Options of `create`: a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectionOptions(pub Option<Vec<u8>>);

/// The outcome of a batch of inserts.
#[derive(Debug, Default)]
pub struct Inserted {
    /// Number of inserted documents.
    pub count: usize,
    /// Errors of the others, by their index in the batch, in order.
    pub errors: Vec<(usize, CommandError)>,
    /// Position up to which the log must be synced for the batch to be durable.
    pub position: Position,
}

/// A decision about a document.
#[derive(Debug)]
pub enum Change {
    /// Leave it: it does not match any more.
    Skip,
    /// Replace it; the `_id` stays the same.
    Replace(Vec<u8>),
    /// Remove it.
    Remove,
}

/// The outcome of a change.
#[derive(Debug)]
pub enum Changed {
    /// The document was gone, or left.
    No,
    /// The document was already equal to its replacement.
    Unchanged(Bytes),
    /// The document was replaced.
    Replaced {
        /// The document before.
        before: Bytes,
        /// The document after.
        after: Vec<u8>,
        /// Position up to which the log must be synced.
        position: Position,
    },
    /// The document was removed.
    Removed {
        /// The document before.
        before: Bytes,
        /// Position up to which the log must be synced.
        position: Position,
    },
}

impl Collection {
    pub fn new(
        id: CollectionId,
        uuid: [u8; 16],
        namespace: Namespace,
        options: CollectionOptions,
    ) -> Self {
        Self {
            id,
            uuid,
            state: RwLock::new(State {
                namespace,
                options,
                records: Records::default(),
                by_id: BTreeMap::new(),
                indexes: Vec::new(),
                next: RecordId(1),
                dropped: false,
                id_uses: AtomicU64::new(0),
            }),
        }
    }

    pub fn id(&self) -> CollectionId {
        self.id
    }

    /// Returns the identifier that clients see.
    pub fn uuid(&self) -> [u8; 16] {
        self.uuid
    }

    /// Returns how many queries used an index.
    pub fn uses_of(&self, index: &str) -> u64 {
        self.with_state(|state| {
            let uses = state.uses_of(index);
            uses.map_or(0, |uses| uses.load(Ordering::Relaxed))
        })
    }

    pub fn with_state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&read(&self.state))
    }

    /// Inserts documents that have a valid `_id` each. An ordered batch stops at the first error.
    ///
    /// `None` if the collection was dropped.
    pub fn insert(
        &self,
        log: &Log,
        documents: &[Doc<'_>],
        ordered: bool,
    ) -> Result<Option<Inserted>, Error> {
        let mut guard = write(&self.state);
        let state = &mut *guard;
        if state.dropped {
            return Ok(None);
        }
        let first = state.next;
        let mut accepted = Vec::with_capacity(documents.len().min(1_024));
        let mut inserted = Inserted::default();
        for (index, &document) in documents.iter().enumerate() {
            match state.admit(document, first.offset(accepted.len())) {
                Ok(()) => accepted.push(document),
                Err(error) => {
                    inserted.errors.push((index, error));
                    if ordered {
                        break;
                    }
                }
            }
        }
        let mut appended = 0;
        for batch in batches(&accepted) {
            let id = first.offset(appended);
            match append_insert(log, self.id, id, batch) {
                Ok(record) => inserted.position = state.place(log, &record, id, batch),
                Err(error) => {
                    state.retract(&accepted[appended..], id);
                    state.next = id;
                    return Err(error);
                }
            }
            appended += batch.len();
        }
        state.next = first.offset(appended);
        inserted.count = appended;
        Ok(Some(inserted))
    }

    /// Changes a document as `decide` says, with the collection locked.
    pub fn change(
        &self,
        log: &Log,
        id: RecordId,
        decide: impl FnOnce(Doc<'_>) -> Result<Change, CommandError>,
    ) -> Result<Changed, ChangeError> {
        let mut guard = write(&self.state);
        let state = &mut *guard;
        let Some(location) = state.records.get(id).filter(|_| !state.dropped) else {
            return Ok(Changed::No);
        };
        let before = read_document(log, location)?;
        let doc = Doc::new(&before);
        match decide(doc)? {
            Change::Skip => Ok(Changed::No),
            Change::Replace(after) if after == before => Ok(Changed::Unchanged(before)),
            Change::Replace(after) => {
                let position = state.replace(log, self.id, id, doc, Doc::new(&after))?;
                Ok(Changed::Replaced {
                    before,
                    after,
                    position,
                })
            }
            Change::Remove => {
                let position = state.remove(log, self.id, id, doc)?;
                Ok(Changed::Removed { before, position })
            }
        }
    }

    /// Builds an index; adds nothing if a document does not fit.
    pub fn build_index(&self, log: &Log, spec: IndexSpec) -> Result<(), ChangeError> {
        let mut guard = write(&self.state);
        let state = &mut *guard;
        let mut index = Index::new(spec);
        let namespace = state.namespace.to_string();
        for (id, location) in state.records.forward(RecordId(0)) {
            let bytes = read_document(log, location)?;
            let doc = Doc::new(&bytes);
            let keys = index.keys(doc)?;
            index.check_unique(&keys, id, doc, &namespace)?;
            index.insert(keys, id);
        }
        state.indexes.push(index);
        Ok(())
    }

    /// Drops an index; false if it does not exist.
    pub fn drop_index(&self, name: &str) -> bool {
        let mut state = write(&self.state);
        let before = state.indexes.len();
        state.indexes.retain(|index| index.spec().name != name);
        state.indexes.len() < before
    }

    /// Empties the collection; later inserts do nothing.
    pub fn mark_dropped(&self, log: &Log) {
        let mut state = write(&self.state);
        state.dropped = true;
        state.by_id = BTreeMap::new();
        state.indexes = Vec::new();
        let records = std::mem::take(&mut state.records);
        drop(state);
        for (_, location) in records.forward(RecordId(0)) {
            log.release(location);
        }
    }
}

impl State {
    /// Adds a document's keys to all indexes; adds none if one of them is a duplicate.
    fn admit(&mut self, doc: Doc<'_>, id: RecordId) -> Result<(), CommandError> {
        let value = doc.get("_id").unwrap_or(Value::Null);
        let Entry::Vacant(vacant) = self.by_id.entry(self.options.id_key(&value, id)) else {
            return Err(index::duplicate_id(&self.namespace.to_string(), &value));
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

    /// Removes the keys of documents that could not be written; `first` is the first one's id.
    fn retract(&mut self, documents: &[Doc<'_>], first: RecordId) {
        for (index, &doc) in documents.iter().enumerate() {
            self.forget_keys(doc, first.offset(index));
        }
    }

    /// Removes a document's keys from all indexes.
    fn forget_keys(&mut self, doc: Doc<'_>, id: RecordId) {
        let value = doc.get("_id").unwrap_or(Value::Null);
        self.by_id.remove(&self.options.id_key(&value, id));
        for index in &mut self.indexes {
            if let Ok(keys) = index.keys(doc) {
                index.remove(&keys, id);
            }
        }
    }

    /// Records the locations of inserted documents; returns the log's position after them.
    fn place(
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

    fn replace(
        &mut self,
        log: &Log,
        collection: CollectionId,
        id: RecordId,
        before: Doc<'_>,
        after: Doc<'_>,
    ) -> Result<Position, ChangeError> {
        let namespace = self.namespace.to_string();
        let new_keys = admit_keys(&self.indexes, after, id, &namespace)?;
        let record = append_put(log, collection, id, after)?;
        for (index, keys) in self.indexes.iter_mut().zip(new_keys) {
            if let Ok(old) = index.keys(before) {
                index.remove(&old, id);
            }
            index.insert(keys, id);
        }
        let moved = record.locate(PUT_PREFIX_BYTES, after.bytes().len());
        if let Some(previous) = self.records.set(id, moved) {
            log.release(previous);
        }
        log.retain(moved);
        Ok(record.position)
    }

    fn remove(
        &mut self,
        log: &Log,
        collection: CollectionId,
        id: RecordId,
        doc: Doc<'_>,
    ) -> Result<Position, Error> {
        let (collection, record) = (collection.0.to_le_bytes(), id.0.to_le_bytes());
        let parts = [IoSlice::new(&collection), IoSlice::new(&record)];
        let appended = log.append(RecordKind::Delete, &parts)?;
        self.forget_keys(doc, id);
        if let Some(location) = self.records.remove(id) {
            log.release(location);
        }
        Ok(appended.position)
    }
}

/// Bytes before the document in a record of kind `put`: collection and id.
pub const PUT_PREFIX_BYTES: usize = 12;

/// Returns a document's keys in every index; an error if one belongs to another document.
fn admit_keys(
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

/// Cuts documents into batches of limited size, so that no record of the log grows large.
fn batches<'s, 'a>(documents: &'s [Doc<'a>]) -> impl Iterator<Item = &'s [Doc<'a>]> {
    let mut rest = documents;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let length = rest
            .iter()
            .take_while(|document| {
                let room = bytes < BATCH_BYTES;
                bytes += document.bytes().len();
                room
            })
            .count();
        let (batch, after) = rest.split_at(length);
        rest = after;
        (!batch.is_empty()).then_some(batch)
    })
}

/// Appends a batch from the buffer of the client's message, without a copy.
fn append_insert(
    log: &Log,
    collection: CollectionId,
    first: RecordId,
    batch: &[Doc<'_>],
) -> Result<Appended, Error> {
    let prefix = record::insert_prefix(collection, first);
    let mut parts = vec![IoSlice::new(&prefix)];
    parts.extend(batch.iter().map(|document| IoSlice::new(document.bytes())));
    log.append(RecordKind::Insert, &parts)
}

fn append_put(
    log: &Log,
    collection: CollectionId,
    id: RecordId,
    document: Doc<'_>,
) -> Result<Appended, Error> {
    let prefix = record::insert_prefix(collection, id);
    let parts = [IoSlice::new(&prefix), IoSlice::new(document.bytes())];
    log.append(RecordKind::Put, &parts)
}

/// Reads a document from the log.
pub fn read_document(log: &Log, location: Location) -> Result<Bytes, Error> {
    let segments = log.segments();
    let segment = segments.get(&location.segment).ok_or(Error::Failed)?;
    let length = usize::try_from(location.length).unwrap_or_default();
    segment.read(location.offset, length)
}
