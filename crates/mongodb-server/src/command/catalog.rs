//! Collections and databases: created, renamed, dropped, listed.

use std::collections::BTreeMap;

use crate::bson::{ArrayBuilder, Builder, Doc, Kind, Value};
use crate::command::{
    Call, Client, Shared, collection_options, create_options, cursor, time_series, view,
};
use crate::engine::{Collection, IndexSpec, Namespace, check_database, not_found, uuid_value};
use crate::error::{Code, CommandError};
use crate::query::Filter;

/// Options of `create` that have no effect here.
const HARMLESS_OPTIONS: &[&str] = &[
    "idIndex",
    "autoIndexId",
    "storageEngine",
    "indexOptionDefaults",
];

/// Options of `create` that this server does not have.
const UNSUPPORTED_OPTIONS: &[&str] = &["clusteredIndex", "encryptedFields"];

/// `create`
pub fn create(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    let stored = collection_options::STORED;
    let special = [
        "collation",
        "timeseries",
        "viewOn",
        "pipeline",
        "expireAfterSeconds",
    ];
    call.only(&[HARMLESS_OPTIONS, UNSUPPORTED_OPTIONS, stored, &special].concat())?;
    let namespace = call.namespace()?;
    create_options::check(call, &namespace)?;
    match call.body.get("clusteredIndex") {
        Some(Value::Null) => {
            return Err(call.wrong_type("clusteredIndex", Kind::Null, "object"));
        }
        Some(_) if call.flag("capped")?.unwrap_or(false) => {
            let message = "the 'capped' option cannot be used with the 'clusteredIndex' option";
            return Err(CommandError::location(6_049_200, message));
        }
        _ => {}
    }
    if let Some(fields) = call.document("encryptedFields")?
        && fields.element("fields").is_none()
    {
        return Err(call.missing("encryptedFields.fields"));
    }
    if call.document("collation")?.is_some_and(Doc::is_empty) {
        return Err(call.missing("collation.locale"));
    }
    let view = view::options(shared, call, &namespace)?;
    let series = time_series::options(call)?;
    call.refuse(UNSUPPORTED_OPTIONS)?;
    if let Some(view) = view {
        shared.engine.create(&namespace, view)?;
        return Ok(Builder::new());
    }
    if let Some(options) = series {
        let collection = shared.engine.create(&namespace, options)?;
        if let Some(index) = time_series::default_index(&collection)? {
            shared.engine.create_index(&collection, &index)?;
        }
        return Ok(Builder::new());
    }
    let options = collection_options::read(call)?;
    shared.engine.create(&namespace, options)?;
    Ok(Builder::new())
}

/// `drop`
pub fn drop_collection(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&[])?;
    let namespace = call.namespace()?;
    let view = shared.engine.is_view(&namespace);
    // Dropping a missing collection is not an error since MongoDB 7.0.
    let dropped = shared.engine.drop_collection(&namespace)?;
    Ok(match dropped {
        Some(_) if view => Builder::new().string("ns", &namespace.to_string()),
        Some(indexes) => Builder::new()
            .count("nIndexesWas", indexes)
            .string("ns", &namespace.to_string()),
        None => Builder::new(),
    })
}

/// `dropDatabase`
pub fn drop_database(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&[])?;
    if call.integer(call.name)?.is_none() {
        return Err(call.missing(call.name));
    }
    let one = call.value(call.name).and_then(|value| value.as_i64());
    if one != Some(1) {
        let message = "have to pass 1 as db parameter";
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
    call.only(&["to", "dropTarget", "stayTemp"])?;
    if let Some(drop) = call.body.get("dropTarget")
        && !matches!(drop, Value::Bool(_))
    {
        return Err(call.wrong_type("dropTarget", drop.kind(), "bool"));
    }
    if call.database != "admin" {
        return Err(CommandError::new(
            Code::UNAUTHORIZED,
            "renameCollection may only be run against the admin database.",
        ));
    }
    let from = call.text("renameCollection")?.unwrap_or_default();
    let to = call.text("to")?.ok_or_else(|| call.missing("to"))?;
    let drop_target = call.flag("dropTarget")?.unwrap_or(false);
    let (from, to) = (Namespace::parse(&from)?, Namespace::parse(&to)?);
    view::check_rename(shared, &from, &to)?;
    shared.engine.rename(&from, &to, drop_target)?;
    Ok(Builder::new())
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
        .string("name", "system.views")
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
    let options = options.0.as_deref().map_or(Doc::EMPTY, Doc::new);
    Builder::new()
        .string("name", &namespace.collection)
        .string("type", "collection")
        .raw_document("options", options)
        .document("info", info)
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
        if !filter.matches(Doc::new(&seen)) {
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
