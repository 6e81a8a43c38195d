//! `createIndexes`, `listIndexes` and `dropIndexes`.

use crate::bson::{Builder, Doc, Kind, Value};
use crate::command::catalog::existing;
use crate::command::{Call, Client, Shared, cursor, new_index, system, time_series};
use crate::engine::{Collection, ID_INDEX, IndexSpec, Namespace, random_uuid, uuid_text};
use crate::error::{Code, CommandError};

/// Largest number of indexes of a collection, the one on `_id` included.
const MAX_INDEXES: usize = 64;

/// `createIndexes`
pub fn create_indexes(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["indexes", "commitQuorum", "ignoreUnknownIndexOptions"])?;
    let namespace = call.namespace()?;
    system::check_write(&namespace)?;
    let mut specs = Vec::new();
    for spec in call.documents("indexes")? {
        specs.push(new_index::read(spec)?);
    }
    if namespace.is_system() {
        return Err(CommandError::new(
            Code::INVALID_NAMESPACE,
            format!("Cannot create indexes on the system collection '{namespace}'"),
        ));
    }
    if let Some(series) = shared.engine.time_series(&namespace) {
        time_series::check_indexes(&series, &specs)?;
    }
    let existed = shared.engine.collection(&namespace).is_some();
    let collection = shared.engine.collection_or_create(&namespace)?;
    let before = count(&collection);
    let mut built = Vec::new();
    for spec in &specs {
        if count(&collection) >= MAX_INDEXES {
            return Err(CommandError::new(
                Code::CANNOT_CREATE_INDEX,
                format!(
                    "add index fails, too many indexes for {namespace} key:{}",
                    Value::Document(spec.key_pattern().into())
                ),
            ));
        }
        match shared.engine.create_index(&collection, spec) {
            Ok(true) => built.push(spec.name.clone()),
            Ok(false) => {}
            Err(error) => {
                // All indexes of a command are created, or none.
                shared.engine.drop_indexes(&collection, &built)?;
                return Err(build_failed(&namespace, &collection, error.into()));
            }
        }
    }
    let after = count(&collection);
    let reply = Builder::new()
        .count("numIndexesBefore", before)
        .count("numIndexesAfter", after)
        .bool("createdCollectionAutomatically", !existed);
    Ok(if before == after {
        reply.string("note", "all indexes already exist")
    } else {
        reply
    })
}

/// Returns the error of an index that could not be built over the documents.
fn build_failed(
    namespace: &Namespace,
    collection: &Collection,
    error: CommandError,
) -> CommandError {
    if error.code() != Code::DUPLICATE_KEY {
        return error;
    }
    let (build, collection) = (uuid_text(&random_uuid()), uuid_text(&collection.uuid()));
    error.within(&format!(
        "Index build failed: {build}: Collection {namespace} ( {collection} )"
    ))
}

/// `listIndexes`
pub fn list_indexes(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["cursor", "includeBuildUUIDs", "includeIndexBuildInfo"])?;
    // Builds end before their command does, so that there is nothing more to tell.
    let wrapped = call.flag("includeIndexBuildInfo")?.unwrap_or(false);
    if wrapped && call.flag("includeBuildUUIDs")?.unwrap_or(false) {
        let message = "The includeBuildUUIDs flag and includeIndexBuildInfo flag cannot both be \
                       set to true";
        return Err(CommandError::new(Code::INVALID_OPTIONS, message));
    }
    let shown = |spec: &IndexSpec| {
        if wrapped {
            let spec = Builder::new().raw_document("spec", spec.document());
            spec.finish()
        } else {
            spec.document().bytes().to_vec()
        }
    };
    let namespace = call.namespace()?;
    let collection = existing(shared, &namespace)?;
    let mut indexes = Vec::new();
    collection.with_state(|state| {
        if !state.options.is_time_series() {
            indexes.push(shown(&state.id_spec()));
        }
        let specs = state.indexes.iter().map(crate::engine::Index::spec);
        indexes.extend(specs.map(shown));
    });
    cursor::list(shared, call, &namespace.to_string(), indexes)
}

/// `dropIndexes`: by name, by names, by key, or all with `*`.
pub fn drop_indexes(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["index"])?;
    let namespace = call.namespace()?;
    let collection = existing(shared, &namespace)?;
    let before = count(&collection);
    let names = match call.value("index") {
        Some(Value::String(name)) if name == "*" => all_names(&collection),
        Some(Value::String(name)) => vec![name.into_owned()],
        Some(Value::Array(bytes)) => {
            let mut names = Vec::new();
            for (at, name) in Doc::new(&bytes).values().enumerate() {
                let path = format!("index.{at}");
                let wrong = || call.wrong_type(&path, name.kind(), "string");
                names.push(name.as_str().ok_or_else(wrong)?.to_owned());
            }
            names
        }
        Some(Value::Document(bytes)) => vec![name_of(&collection, Doc::new(&bytes))?],
        Some(other) => return Err(call.wrong_type("index", other.kind(), "string")),
        None => return Err(call.missing("index")),
    };
    let mut known = all_names(&collection);
    let clustered = collection.with_state(|state| state.rules.clustered.clone());
    for name in &names {
        if clustered
            .as_ref()
            .is_some_and(|clustered| name == clustered || name == ID_INDEX)
        {
            let message = "Cannot drop the clustered index; drop the collection instead";
            return Err(CommandError::location(5_979_800, message));
        }
        if name == ID_INDEX {
            return Err(CommandError::new(
                Code::INVALID_OPTIONS,
                "cannot drop _id index",
            ));
        }
        let found = known.iter().position(|known| known == name);
        // A name that is given twice is not found again.
        if found.map(|at| known.swap_remove(at)).is_none() {
            return Err(CommandError::new(
                Code::INDEX_NOT_FOUND,
                format!("index not found with name [{name}]"),
            ));
        }
    }
    shared.engine.drop_indexes(&collection, &names)?;
    Ok(Builder::new().count("nIndexesWas", before))
}

fn count(collection: &Collection) -> usize {
    collection.with_state(|state| {
        // A time series collection has no index of `_id`, and that of a clustered one does not count.
        let options = &state.options;
        let counts = !options.is_time_series() && !options.is_clustered();
        state.indexes.len() + usize::from(counts)
    })
}

fn all_names(collection: &Collection) -> Vec<String> {
    collection.with_state(|state| {
        let specs = state.indexes.iter().map(crate::engine::Index::spec);
        specs.map(|spec| spec.name.clone()).collect()
    })
}

/// Returns the name of the index with these fields.
fn name_of(collection: &Collection, key: Doc<'_>) -> Result<String, CommandError> {
    let same = |pattern: Doc<'_>| {
        let names = |doc: Doc<'_>| -> Vec<(String, bool)> {
            doc.elements()
                .filter(|element| element.kind() != Kind::Bool)
                .map(|element| {
                    let ascending = element.value().as_f64().is_some_and(|number| number > 0.0);
                    (element.name().to_owned(), ascending)
                })
                .collect()
        };
        names(pattern) == names(key)
    };
    if same(Doc::new(&IndexSpec::id().key_pattern())) {
        return Ok(ID_INDEX.to_owned());
    }
    let mut found: Vec<String> = collection.with_state(|state| {
        let specs = state.indexes.iter().map(crate::engine::Index::spec);
        let found = specs.filter(|spec| same(Doc::new(&spec.key_pattern())));
        found.map(|spec| spec.name.clone()).collect()
    });
    if found.len() > 1 {
        let message = format!(
            "{} indexes found for key: {}, identify by name instead. Conflicting indexes: {}",
            found.len(),
            Value::Document(key.bytes().into()),
            found.join(", ")
        );
        return Err(CommandError::new(
            Code::AMBIGUOUS_INDEX_KEY_PATTERN,
            message,
        ));
    }
    found.pop().ok_or_else(|| {
        let message = format!(
            "can't find index with key: {}",
            Value::Document(key.bytes().into())
        );
        CommandError::new(Code::INDEX_NOT_FOUND, message)
    })
}
