//! Collections and databases: created, renamed, dropped, listed.

use std::collections::BTreeMap;

use crate::bson::{ArrayBuilder, Builder, Doc, Value};
use crate::command::{Call, Client, Shared, cursor, system, view};
use crate::engine::{Collection, IndexSpec, Namespace, check_database, not_found, uuid_value};
use crate::error::{Code, CommandError};
use crate::query::{Filter, saturated};

/// The collection of the definitions of views.
const VIEWS: &str = "system.views";

/// `drop`
pub fn drop_collection(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&[])?;
    let namespace = call.namespace()?;
    if namespace.collection == VIEWS {
        return drop_views(shared, &namespace);
    }
    let view = shared.engine.is_view(&namespace);
    // Dropping a missing collection is not an error since MongoDB 7.0.
    let dropped = shared.engine.drop_collection(&namespace)?;
    let reply = Builder::new();
    Ok(match dropped {
        Some(_) if view => reply.string("ns", &namespace.to_string()),
        Some(indexes) => reply
            .count("nIndexesWas", indexes)
            .string("ns", &namespace.to_string()),
        None => reply,
    })
}

/// Drops all views of a database: their definitions are documents of `system.views`.
fn drop_views(shared: &Shared, views: &Namespace) -> Result<Builder, CommandError> {
    let namespaces = shared.engine.namespaces(&views.database);
    let mut dropped = false;
    for name in namespaces.iter().filter(|name| shared.engine.is_view(name)) {
        shared.engine.drop_collection(name)?;
        dropped = true;
    }
    Ok(if dropped {
        Builder::new()
            .count("nIndexesWas", 1)
            .string("ns", &views.to_string())
    } else {
        Builder::new()
    })
}

/// `dropDatabase`
pub fn drop_database(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&[])?;
    let one = call
        .value("dropDatabase")
        .ok_or_else(|| call.missing("dropDatabase"))?;
    if !one.is_number() {
        let expected = "long', 'int', 'decimal', 'double";
        return Err(call.wrong_type("dropDatabase", one.kind(), expected));
    }
    if saturated(&one) != 1 {
        let message = "the field 'dropDatabase' must be 1";
        return Err(CommandError::location(5_255_100, message));
    }
    if call.database == "admin" {
        let message = "Dropping the 'admin' database is prohibited.";
        return Err(CommandError::new(Code::ILLEGAL_OPERATION, message));
    }
    shared.engine.drop_database(call.database)?;
    Ok(Builder::new())
}

/// `renameCollection`; its arguments are full names.
pub fn rename_collection(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["to", "dropTarget", "stayTemp", "collectionUUID"])?;
    if call.database != "admin" {
        return Err(CommandError::new(
            Code::UNAUTHORIZED,
            "renameCollection may only be run against the admin database.",
        ));
    }
    let from = call.text("renameCollection")?.unwrap_or_default();
    let to = call.text("to")?.ok_or_else(|| call.missing("to"))?;
    let mut target = None;
    let drop_target = match call.body.get("dropTarget") {
        None => false,
        Some(Value::Bool(drop)) => drop,
        Some(Value::Binary { subtype: 4, bytes }) => {
            target = Some(uuid(&bytes)?);
            true
        }
        Some(other) => return Err(call.wrong_type("dropTarget", other.kind(), "bool', 'binData")),
    };
    let (from, to) = (Namespace::parse(&from)?, Namespace::parse(&to)?);
    system::check_rename(&from)?;
    system::check_rename(&to)?;
    if let Some(target) = target {
        if from.database != to.database {
            let message = "dropTarget with a UUID is not allowed between databases";
            return Err(CommandError::new(Code::INVALID_OPTIONS, message));
        }
        check_uuid(shared, &to, target)?;
    }
    match call.value("collectionUUID") {
        None => {}
        Some(Value::Binary { subtype: 4, bytes }) => check_uuid(shared, &from, uuid(&bytes)?)?,
        Some(other) => return Err(call.wrong_type("collectionUUID", other.kind(), "binData")),
    }
    view::check_rename(shared, &from, &to)?;
    shared.engine.rename(&from, &to, drop_target)?;
    Ok(Builder::new())
}

fn uuid(bytes: &[u8]) -> Result<[u8; 16], CommandError> {
    let uuid = <[u8; 16]>::try_from(bytes);
    uuid.map_err(|_length| CommandError::new(Code::INVALID_UUID, "uuid must be 16 bytes long"))
}

/// Rejects a collection with another UUID.
fn check_uuid(
    shared: &Shared,
    namespace: &Namespace,
    expected: [u8; 16],
) -> Result<(), CommandError> {
    let found = shared.engine.collection(namespace);
    if found.is_some_and(|found| found.uuid() == expected) {
        return Ok(());
    }
    let message = format!("{namespace} does not have the expected UUID");
    Err(CommandError::new(Code::COLLECTION_UUID_MISMATCH, message))
}

/// `listCollections`
pub fn list_collections(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["filter", "nameOnly", "authorizedCollections", "cursor"])?;
    let filter = Filter::parse(call.document("filter")?.unwrap_or(Doc::EMPTY))?;
    let name_only = call.flag("nameOnly")?.unwrap_or(false);
    let mut entries = Vec::new();
    let namespaces = shared.engine.namespaces(call.database);
    let views = namespaces.iter().any(|name| shared.engine.is_view(name));
    let described = namespaces.iter().filter_map(|namespace| {
        let collection = shared.engine.collection(namespace)?;
        Some(describe(namespace, &collection))
    });
    for full in described.chain(views.then(definitions)) {
        let entry = if name_only {
            let part = |name| Doc::new(&full).get(name).unwrap_or(Value::Null);
            let entry = Builder::new().with("name", &part("name"));
            entry.with("type", &part("type")).finish()
        } else {
            full
        };
        // The filter sees what the reply has.
        if filter.test(Doc::new(&entry))? {
            entries.push(entry);
        }
    }
    let list = format!("{}.$cmd.listCollections", call.database);
    cursor::list(shared, call, &list, entries)
}

/// Describes the collection of the definitions of views.
fn definitions() -> Vec<u8> {
    Builder::new()
        .string("name", VIEWS)
        .string("type", "collection")
        .document("options", Builder::new())
        .document("info", Builder::new().bool("readOnly", false))
        .raw_document("idIndex", IndexSpec::id().document())
        .finish()
}

fn describe(namespace: &Namespace, collection: &Collection) -> Vec<u8> {
    let options = collection.with_state(|state| state.options.clone());
    let (view, series) = (options.is_view(), options.is_time_series());
    if view || series {
        let options = options.0.as_deref().map_or(Doc::EMPTY, Doc::new);
        return Builder::new()
            .string("name", &namespace.collection)
            .string("type", if view { "view" } else { "timeseries" })
            .raw_document("options", options)
            .document("info", Builder::new().bool("readOnly", view))
            .finish();
    }
    let info = Builder::new()
        .bool("readOnly", false)
        .with("uuid", &uuid_value(&collection.uuid()));
    let clustered = options.is_clustered();
    let options = options.0.as_deref().map_or(Doc::EMPTY, Doc::new);
    let shown = Builder::new()
        .string("name", &namespace.collection)
        .string("type", "collection")
        .raw_document("options", options)
        .document("info", info);
    if clustered {
        return shown.finish();
    }
    shown
        .raw_document("idIndex", IndexSpec::id().document())
        .finish()
}

/// `listDatabases`
pub fn list_databases(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["filter", "nameOnly", "authorizedDatabases"])?;
    let filter = Filter::parse(call.document("filter")?.unwrap_or(Doc::EMPTY))?;
    let name_only = call.flag("nameOnly")?.unwrap_or(false);
    // The database of the server itself always exists.
    let mut sizes = BTreeMap::from([("admin".to_owned(), 0)]);
    for collection in shared.engine.collections() {
        collection.with_state(|state| {
            let size = sizes.entry(state.namespace.database.clone()).or_default();
            *size += state.records.bytes();
        });
    }
    let mut databases = ArrayBuilder::default();
    let mut total = 0;
    for (name, bytes) in sizes {
        let size = i64::try_from(bytes).unwrap_or(i64::MAX);
        let mut entry = Builder::new().string("name", &name);
        let full = entry
            .clone()
            .int64("sizeOnDisk", size)
            .bool("empty", bytes == 0)
            .finish();
        let seen = if name_only {
            entry.clone().finish()
        } else {
            full
        };
        if !filter.test(Doc::new(&seen))? {
            continue;
        }
        if !name_only {
            entry = entry.int64("sizeOnDisk", size).bool("empty", bytes == 0);
        }
        total += size;
        databases.push_built(entry);
    }
    let reply = Builder::new().array("databases", databases);
    Ok(if name_only {
        reply
    } else {
        reply
            .int64("totalSize", total)
            .with("totalSizeMb", &Value::Int64(total / (1024 * 1024)))
    })
}

/// Returns a collection, or the error that it does not exist.
pub fn existing(
    shared: &Shared,
    namespace: &Namespace,
) -> Result<std::sync::Arc<Collection>, CommandError> {
    check_database(&namespace.database)?;
    let collection = shared.engine.collection(namespace);
    collection.ok_or_else(|| not_found(namespace))
}
