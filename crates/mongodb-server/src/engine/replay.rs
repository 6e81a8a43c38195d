//! Rebuilds collections from the records of a log.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tracing::warn;

use crate::bson::{Doc, Value};
use crate::engine::catalog::{Catalog, log_drop, log_entry};
use crate::engine::collection::{Collection, read_document};
use crate::engine::error::Error;
use crate::engine::index::Index;
use crate::engine::index_spec::IndexSpec;
use crate::engine::locks::write;
use crate::engine::log::Log;
use crate::engine::namespace::Namespace;
use crate::engine::record::{Change, CollectionId, RecordId};
use crate::engine::records::Records;
use crate::engine::recovery::{self, Replayed};
use crate::engine::rules::CollectionOptions;
use crate::engine::segment::Location;

/// What the records say about one collection.
#[derive(Debug, Default)]
struct Found {
    /// Its last description, with the number of that record in the log.
    entry: Option<(u64, Vec<u8>)>,
    records: Records,
    last: Option<RecordId>,
    dropped: bool,
}

/// Opens a data directory.
pub fn open(directory: &Path, segment_bytes: u32) -> Result<(Catalog, Log), Error> {
    let mut found = BTreeMap::<CollectionId, Found>::new();
    let mut sequence = 0;
    let files = recovery::list(directory)?;
    let recovered = recovery::recover(directory, &files, |record| {
        sequence += 1;
        let collection = found.entry(record.collection).or_default();
        collection.take_in(record, sequence);
    })?;
    let log = Log::resume(directory, segment_bytes, recovered, files)?;
    let catalog = build(&log, found)?;
    Ok((catalog, log))
}

impl Found {
    fn take_in(&mut self, record: &Replayed<'_>, sequence: u64) {
        match &record.change {
            Change::Documents(documents) => {
                for placed in documents {
                    let narrow = |number| u32::try_from(number).unwrap_or(u32::MAX);
                    let location = Location {
                        segment: record.segment,
                        offset: record.body.saturating_add(narrow(placed.offset)),
                        length: narrow(placed.document.bytes().len()),
                    };
                    self.records.set(placed.id, location);
                    self.last = self.last.max(Some(placed.id));
                }
            }
            Change::Delete(ids) => {
                for &id in ids {
                    self.records.remove(id);
                    self.last = self.last.max(Some(id));
                }
            }
            Change::Catalog(entry) => self.entry = Some((sequence, entry.bytes().to_vec())),
            Change::Drop => {
                self.dropped = true;
                self.records = Records::default();
            }
        }
    }
}

fn build(log: &Log, mut found: BTreeMap<CollectionId, Found>) -> Result<Catalog, Error> {
    let mut catalog = Catalog {
        collections: BTreeMap::new(),
        next: found.keys().next_back().map_or(1, |last| last.0 + 1),
    };
    // A later description takes a name over from an earlier one.
    let mut by_name = BTreeMap::<Namespace, (u64, CollectionId)>::new();
    let mut orphans = Vec::new();
    for (&id, collection) in found.iter().filter(|(_, collection)| !collection.dropped) {
        let named = collection.entry.as_ref().and_then(|(sequence, entry)| {
            Some((read_namespace(Doc::new(entry))?, (*sequence, id)))
        });
        // A repair could not keep its description. Its documents are whole.
        let (name, holder) = named.unwrap_or_else(|| (nameless(id), (0, id)));
        match by_name.get(&name).copied() {
            Some(other) if other > holder => orphans.push(id),
            Some((_, other)) => {
                orphans.push(other);
                by_name.insert(name, holder);
            }
            None => {
                by_name.insert(name, holder);
            }
        }
    }
    for (namespace, (_, id)) in by_name {
        let Some(found) = found.remove(&id) else {
            continue;
        };
        let described = found.entry.is_some();
        let collection = rebuild(log, id, &namespace, found)?;
        if !described {
            warn!(%namespace, "named a collection that has no description");
            log_entry(log, &collection)?;
        }
        catalog.collections.insert(namespace, Arc::new(collection));
    }
    for id in orphans {
        warn!(
            collection = id.0,
            "dropped a collection whose name another one has taken over"
        );
        log_drop(log, id)?;
    }
    Ok(catalog)
}

/// Rebuilds a collection and fills its indexes.
fn rebuild(
    log: &Log,
    id: CollectionId,
    namespace: &Namespace,
    found: Found,
) -> Result<Collection, Error> {
    let entry = found.entry.map(|(_, entry)| entry).unwrap_or_default();
    let entry = Doc::new(&entry);
    let uuid = match entry.get("uuid") {
        Some(Value::Binary { bytes, .. }) => bytes.as_ref().try_into().unwrap_or_default(),
        _ => [0; 16],
    };
    let options = match entry.get("options") {
        Some(Value::Document(bytes)) => CollectionOptions(Some(bytes.into_owned())),
        _ => CollectionOptions::default(),
    };
    let collection = Collection::new(id, uuid, namespace.clone(), options);
    let mut guard = write(&collection.state);
    let state = &mut *guard;
    state.indexes = read_indexes(entry).into_iter().map(Index::new).collect();
    state.next = found.last.unwrap_or(RecordId(0)).offset(1);
    let mut ids = Vec::with_capacity(found.records.len());
    for (id, location) in found.records.forward(RecordId(0)) {
        log.retain(location);
        let bytes = read_document(log, location)?;
        let doc = Doc::new(&bytes);
        // Entries of the oplog have none.
        if let Some(value) = doc.get("_id") {
            ids.push((state.options.id_key(&value, id), id));
        }
        for index in &mut state.indexes {
            match index.keys(doc) {
                Ok(keys) => index.insert(keys, id),
                Err(error) => warn!(%error, "left a document out of an index that it does not fit"),
            }
        }
    }
    // Sorted and built at once, which packs the tree.
    state.by_id = ids.into_iter().collect();
    state.records = found.records;
    drop(guard);
    Ok(collection)
}

/// Returns the name of a collection that has no description.
fn nameless(id: CollectionId) -> Namespace {
    Namespace {
        database: "recovered".to_owned(),
        collection: format!("collection-{}", id.0),
    }
}

fn read_namespace(entry: Doc<'_>) -> Option<Namespace> {
    let text = |name| Some(entry.get(name)?.as_str()?.to_owned());
    Some(Namespace {
        database: text("database")?,
        collection: text("collection")?,
    })
}

fn read_indexes(entry: Doc<'_>) -> Vec<IndexSpec> {
    let indexes = entry.get("indexes");
    let Some(indexes) = indexes.as_ref().and_then(Value::as_array) else {
        return Vec::new();
    };
    let parsed = indexes.values().filter_map(|value| {
        let spec = IndexSpec::parse(value.as_document()?);
        spec.inspect_err(|error| warn!(%error, "left out an index with an invalid description"))
            .ok()
    });
    parsed.collect()
}
