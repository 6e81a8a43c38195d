//! Collections by name, and their descriptions in the log.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::sync::Arc;

use crate::bson::{ArrayBuilder, Builder, Doc, Value, subtype};
use crate::engine::collection::Collection;
use crate::engine::error::Error;
use crate::engine::index::Index;
use crate::engine::index_spec::IndexSpec;
use crate::engine::log::Log;
use crate::engine::namespace::Namespace;
use crate::engine::record::{CollectionId, RecordKind};
use crate::engine::state::State;
use crate::error::{Code, CommandError};

/// Collections by name.
#[derive(Debug, Default)]
pub struct Catalog {
    pub collections: BTreeMap<Namespace, Arc<Collection>>,
    /// Number of the next collection.
    pub next: u32,
}

/// Returns the error for a collection that does not exist.
pub fn not_found(namespace: &Namespace) -> CommandError {
    let message = format!("ns does not exist: {namespace}");
    CommandError::new(Code::NAMESPACE_NOT_FOUND, message)
}

/// Writes to the log that a collection was dropped.
pub fn log_drop(log: &Log, id: CollectionId) -> Result<(), Error> {
    let id = id.0.to_le_bytes();
    log.append(RecordKind::Drop, &[IoSlice::new(&id)])?;
    Ok(())
}

/// Returns whether an index exists already; an error if it conflicts with another one.
pub fn has_index(state: &State, spec: &IndexSpec) -> Result<bool, CommandError> {
    let shown = |spec: &IndexSpec| Value::Document(spec.document().bytes().into()).to_string();
    let conflict = |code, what: String, known: &IndexSpec| {
        let both = format!(
            "Requested index: {}, existing index: {}",
            shown(spec),
            shown(known)
        );
        Err(CommandError::new(code, format!("{what}. {both}")))
    };
    let all = || state.indexes.iter().map(Index::spec);
    if let Some(known) = all().find(|known| known.name == spec.name) {
        let name = "An existing index has the same name as the requested index. When index names \
                    are not specified, they are auto generated and can cause conflicts. Please \
                    refer to our documentation";
        return if known.identical(spec) {
            Ok(true)
        } else if known.equivalent(spec) {
            let what =
                "An equivalent index already exists with the same name but different options";
            conflict(Code::INDEX_OPTIONS_CONFLICT, what.to_owned(), known)
        } else {
            conflict(Code::INDEX_KEY_SPECS_CONFLICT, name.to_owned(), known)
        };
    }
    match all().find(|known| known.equivalent(spec)) {
        Some(known) => {
            let what = format!("Index already exists with a different name: {}", known.name);
            conflict(Code::INDEX_OPTIONS_CONFLICT, what, known)
        }
        None => Ok(false),
    }
}

/// Writes a collection's description to the log.
pub fn log_entry(log: &Log, collection: &Collection) -> Result<(), Error> {
    let entry = collection.with_state(|state| entry(collection, state));
    let id = collection.id().0.to_le_bytes();
    let parts = [IoSlice::new(&id), IoSlice::new(&entry)];
    log.append(RecordKind::Catalog, &parts)?;
    Ok(())
}

/// Returns a collection's description as a document.
pub fn entry(collection: &Collection, state: &State) -> Vec<u8> {
    let mut indexes = ArrayBuilder::default();
    for index in &state.indexes {
        indexes.push_doc(index.spec().document());
    }
    let mut entry = Builder::new()
        .string("database", &state.namespace.database)
        .string("collection", &state.namespace.collection)
        .with("uuid", &uuid_value(&collection.uuid()))
        .array("indexes", indexes);
    if let Some(options) = &state.options.0 {
        entry = entry.raw_document("options", Doc::new(options));
    }
    entry.finish()
}

/// Returns a UUID as a value.
pub fn uuid_value(uuid: &[u8; 16]) -> Value<'static> {
    Value::Binary {
        subtype: subtype::UUID,
        bytes: uuid.to_vec().into(),
    }
}

/// Returns a UUID as text.
pub fn uuid_text(uuid: &[u8; 16]) -> String {
    let bytes = uuid.iter().enumerate().map(|(at, byte)| {
        let dash = if matches!(at, 4 | 6 | 8 | 10) {
            "-"
        } else {
            ""
        };
        format!("{dash}{byte:02x}")
    });
    bytes.collect()
}

/// Returns a random UUID, version 4.
pub fn random_uuid() -> [u8; 16] {
    let mut uuid: [u8; 16] = rand::random();
    uuid[6] = uuid[6] & 0x0F | 0x40;
    uuid[8] = uuid[8] & 0x3F | 0x80;
    uuid
}
