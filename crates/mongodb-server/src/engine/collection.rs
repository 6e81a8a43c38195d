//! The documents of one collection: unique by `_id`, found by indexes, changed one at a time.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};

use bytes::Bytes;

use crate::bson::{Doc, Key, Value};
use crate::engine::error::{ChangeError, Error};
use crate::engine::index::Index;
use crate::engine::index_spec::IndexSpec;
use crate::engine::locks::{read, write};
use crate::engine::log::{Appended, Log};
use crate::engine::namespace::Namespace;
use crate::engine::oplog::{Entry, Subject};
use crate::engine::position::Position;
use crate::engine::record::{self, BATCH_BYTES, CollectionId, RecordId, RecordKind};
use crate::engine::rules::{CollectionOptions, Rules};
use crate::engine::segment::Location;
use crate::engine::state::{State, admit_keys};
use crate::engine::usage::Usage;
use crate::engine::writer::Writer;
use crate::error::CommandError;

/// A collection. It is shared, and empty after it was dropped.
#[derive(Debug)]
pub struct Collection {
    id: CollectionId,
    uuid: [u8; 16],
    pub(super) state: Arc<RwLock<State>>,
    usage: Usage,
}

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
    /// Change it.
    Update {
        /// The document after the change; the `_id` stays the same.
        after: Vec<u8>,
        /// The `updateDescription` of a change event, if one is wanted.
        description: Option<Vec<u8>>,
    },
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

/// A document's change.
struct Replacement<'r> {
    before: Doc<'r>,
    after: Doc<'r>,
    /// The `updateDescription` of its event; `None` if it was replaced.
    description: Option<&'r [u8]>,
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
            state: Arc::new(RwLock::new(State::new(namespace, options))),
            usage: Usage::default(),
        }
    }

    pub fn id(&self) -> CollectionId {
        self.id
    }

    /// Returns the identifier that clients see.
    pub fn uuid(&self) -> [u8; 16] {
        self.uuid
    }

    /// Returns how often and how long commands used the collection.
    pub fn usage(&self) -> &Usage {
        &self.usage
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
        writer: Writer<'_>,
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
        let mut places = Vec::new();
        let mut inserted = Inserted::default();
        for (index, &document) in documents.iter().enumerate() {
            let id = first.offset(accepted.len());
            match state.accept(writer.bypass, document, id) {
                Ok(()) => {
                    accepted.push(document);
                    if writer.retry.is_some() {
                        places.push(index);
                    }
                }
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
            let places = places.get(appended..).unwrap_or_default();
            match self.append_insert(writer, state, id, batch, places) {
                Ok(record) => {
                    inserted.position = state.place(writer.log, &record, id, batch);
                    writer.log.written(&state.namespace, batch, record.position);
                }
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
        if state.rules.capped.is_some() && appended > 0 {
            self.trim(writer.log, state)?;
            drop(guard);
            writer.log.changes().notify_waiters();
        }
        Ok(Some(inserted))
    }

    /// Appends a batch from the buffer of the client's message, without a copy. `places` are the
    /// documents' places in the write, if it can be retried.
    fn append_insert(
        &self,
        writer: Writer<'_>,
        state: &State,
        first: RecordId,
        batch: &[Doc<'_>],
        places: &[usize],
    ) -> Result<Appended, Error> {
        let prefix = record::insert_prefix(self.id, first);
        let mut parts = vec![IoSlice::new(&prefix)];
        parts.extend(batch.iter().map(|document| IoSlice::new(document.bytes())));
        let mut entries = Vec::new();
        if writer.records(&state.namespace) {
            let subject = self.subject(state);
            let retry = writer.retry.as_ref();
            entries.extend(batch.iter().enumerate().map(|(index, &document)| {
                let place = places.get(index).copied().unwrap_or(index);
                Entry::insert(subject, document, retry, place)
            }));
        }
        writer.append(RecordKind::Insert, &parts, entries)
    }

    /// Changes a document as `decide` says, with the collection locked.
    pub fn change(
        &self,
        writer: Writer<'_>,
        id: RecordId,
        decide: impl FnOnce(Doc<'_>) -> Result<Change, CommandError>,
    ) -> Result<Changed, ChangeError> {
        let mut guard = write(&self.state);
        let state = &mut *guard;
        let Some(location) = state.records.get(id).filter(|_| !state.dropped) else {
            return Ok(Changed::No);
        };
        let before = read_document(writer.log, location)?;
        let doc = Doc::new(&before);
        let (after, description) = match decide(doc)? {
            Change::Skip => return Ok(Changed::No),
            Change::Remove => {
                let position = self.remove(writer, state, id, doc)?;
                return Ok(Changed::Removed { before, position });
            }
            Change::Replace(after) => (after, None),
            Change::Update { after, description } => (after, description),
        };
        if after == before {
            return Ok(Changed::Unchanged(before));
        }
        if !writer.bypass {
            state.rules.check(Some(doc), Doc::new(&after))?;
        }
        let replacement = Replacement {
            before: doc,
            after: Doc::new(&after),
            description: description.as_deref(),
        };
        let position = self.replace(writer, state, id, &replacement)?;
        Ok(Changed::Replaced {
            before,
            after,
            position,
        })
    }

    fn replace(
        &self,
        writer: Writer<'_>,
        state: &mut State,
        id: RecordId,
        change: &Replacement<'_>,
    ) -> Result<Position, ChangeError> {
        let after = change.after;
        let namespace = state.namespace.to_string();
        let new_keys = admit_keys(&state.indexes, after, id, &namespace)?;
        let entries = if writer.records(&state.namespace) {
            vec![Entry::update(
                self.subject(state),
                change.before,
                after,
                change.description,
                writer.retry.as_ref(),
            )]
        } else {
            Vec::new()
        };
        let prefix = record::insert_prefix(self.id, id);
        let parts = [IoSlice::new(&prefix), IoSlice::new(after.bytes())];
        let record = writer.append(RecordKind::Put, &parts, entries)?;
        for (index, keys) in state.indexes.iter_mut().zip(new_keys) {
            if let Ok(old) = index.keys(change.before) {
                index.remove(&old, id);
            }
            index.insert(keys, id);
        }
        let moved = record.locate(PUT_PREFIX_BYTES, after.bytes().len());
        if let Some(previous) = state.records.set(id, moved) {
            writer.log.release(previous);
        }
        writer.log.retain(moved);
        writer
            .log
            .written(&state.namespace, &[after], record.position);
        Ok(record.position)
    }

    fn remove(
        &self,
        writer: Writer<'_>,
        state: &mut State,
        id: RecordId,
        doc: Doc<'_>,
    ) -> Result<Position, Error> {
        let entries = if writer.records(&state.namespace) {
            let retry = writer.retry.as_ref();
            vec![Entry::remove(self.subject(state), doc, retry)]
        } else {
            Vec::new()
        };
        let (collection, record) = (self.id.0.to_le_bytes(), id.0.to_le_bytes());
        let parts = [IoSlice::new(&collection), IoSlice::new(&record)];
        let appended = writer.append(RecordKind::Delete, &parts, entries)?;
        state.forget_keys(doc, id);
        if let Some(location) = state.records.remove(id) {
            writer.log.release(location);
        }
        Ok(appended.position)
    }

    /// Replaces the options; returns those before.
    pub fn replace_options(&self, options: CollectionOptions) -> CollectionOptions {
        let mut state = write(&self.state);
        state.rules = Rules::read(&options);
        std::mem::replace(&mut state.options, options)
    }

    /// Replaces the description of the index that has its name; returns the one before. An error if
    /// it is to be unique and documents are not.
    pub fn replace_index(&self, spec: IndexSpec) -> Result<Option<IndexSpec>, CommandError> {
        let mut state = write(&self.state);
        let known = |index: &&mut Index| index.spec().name == spec.name;
        match state.indexes.iter_mut().find(known) {
            Some(index) => index.redescribe(spec).map(Some),
            None => Ok(None),
        }
    }

    /// Removes the documents that a smaller size of a capped collection leaves no room for.
    pub fn trim_to_size(&self, log: &Log) -> Result<(), Error> {
        self.trim(log, &mut write(&self.state))
    }

    /// Removes the oldest documents of a capped collection that is full.
    fn trim(&self, log: &Log, state: &mut State) -> Result<(), Error> {
        let oldest = state.surplus();
        if oldest.is_empty() {
            return Ok(());
        }
        let collection = self.id.0.to_le_bytes();
        let ids: Vec<u8> = oldest.iter().flat_map(|id| id.0.to_le_bytes()).collect();
        let parts = [IoSlice::new(&collection), IoSlice::new(&ids)];
        log.append(RecordKind::Delete, &parts)?;
        for id in oldest {
            let Some(location) = state.records.get(id) else {
                continue;
            };
            let bytes = read_document(log, location)?;
            state.forget_keys(Doc::new(&bytes), id);
            state.records.remove(id);
            log.release(location);
            state.trimmed = id;
        }
        Ok(())
    }

    /// Returns what the oplog says of the collection.
    fn subject<'s>(&self, state: &'s State) -> Subject<'s> {
        Subject {
            namespace: &state.namespace,
            uuid: self.uuid,
            images: state.rules.images,
        }
    }

    /// Returns the document with an `_id`.
    pub fn find(&self, log: &Log, id: &Value<'_>) -> Result<Option<Bytes>, Error> {
        let state = read(&self.state);
        let id = state.by_id.get(&Key::of(id)).copied();
        match id.and_then(|id| state.records.get(id)) {
            Some(location) => read_document(log, location).map(Some),
            None => Ok(None),
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

    /// Drops an index; returns its description, `None` if it does not exist.
    pub fn drop_index(&self, name: &str) -> Option<IndexSpec> {
        let mut state = write(&self.state);
        let at = state
            .indexes
            .iter()
            .position(|index| index.spec().name == name);
        at.map(|at| state.indexes.remove(at).into_spec())
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

/// Bytes before the document in a record of kind `put`: collection and id.
pub const PUT_PREFIX_BYTES: usize = 12;

/// Largest number of documents in a batch, so that the entries of the oplog fit into a record.
const BATCH_DOCUMENTS: usize = 10_000;

/// Cuts documents into batches of limited size, so that no record of the log grows large.
fn batches<'s, 'a>(documents: &'s [Doc<'a>]) -> impl Iterator<Item = &'s [Doc<'a>]> {
    let mut rest = documents;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let length = rest
            .iter()
            .take(BATCH_DOCUMENTS)
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

/// Reads a document from the log.
pub fn read_document(log: &Log, location: Location) -> Result<Bytes, Error> {
    let segments = log.segments();
    let segment = segments.get(&location.segment).ok_or(Error::Failed)?;
    let length = usize::try_from(location.length).unwrap_or_default();
    segment.read(location.offset, length)
}
