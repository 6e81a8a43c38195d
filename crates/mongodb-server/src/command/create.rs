//! `create`

use std::sync::Arc;

use crate::bson::{Builder, Doc, Kind, Value};
use crate::command::{
    Call, Client, Shared, clustered, collection_options, storage_options, system, time_series, view,
};
use crate::engine::{ChangeError, Collection, CollectionOptions, Namespace, is_simple_collation};
use crate::error::{Code, CommandError};
use crate::query::saturated;

/// Options that have no effect here.
const HARMLESS_OPTIONS: &[&str] = &[
    "idIndex",
    "autoIndexId",
    "storageEngine",
    "indexOptionDefaults",
];

/// Options that this server does not have.
const UNSUPPORTED_OPTIONS: &[&str] = &["encryptedFields"];

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
        "clusteredIndex",
    ];
    call.only(&[HARMLESS_OPTIONS, UNSUPPORTED_OPTIONS, stored, &special].concat())?;
    let namespace = call.namespace()?;
    check_collation(call)?;
    let clustered = clustered::read(call)?;
    check_encrypted(call)?;
    let view = view::options(shared, call, &namespace)?;
    let series = time_series::options(call)?;
    call.refuse(UNSUPPORTED_OPTIONS)?;
    system::check_create(&namespace, series.is_some())?;
    if let Some(index) = call.document("idIndex")? {
        check_id_index(index)?;
    }
    storage_options::check(call)?;
    if let Some(view) = view {
        // Sizes and validators of a view have no effect, but must be valid.
        collection_options::read(call)?;
        made(shared, &namespace, view)?;
        return Ok(Builder::new());
    }
    if let Some(options) = series {
        let collection = made(shared, &namespace, options)?;
        if let Some(index) = time_series::default_index(&collection)? {
            shared.engine.create_index(&collection, &index)?;
        }
        return Ok(Builder::new());
    }
    let mut options = collection_options::read(call)?;
    if let Some(index) = clustered {
        options = clustered::add(call, &options, index)?;
    }
    made(shared, &namespace, options)?;
    Ok(Builder::new())
}

/// Creates a collection. Creating the same again changes nothing.
fn made(
    shared: &Shared,
    namespace: &Namespace,
    options: CollectionOptions,
) -> Result<Arc<Collection>, ChangeError> {
    let known = shared.engine.collection(namespace);
    let same = |known: &Arc<Collection>| known.with_state(|state| state.options == options);
    match known.filter(same) {
        Some(known) => Ok(known),
        None => shared.engine.create(namespace, options),
    }
}

/// Rejects a collation without a locale.
fn check_collation(call: &Call<'_>) -> Result<(), CommandError> {
    let collation = call.document("collation")?;
    if collation.is_some_and(|collation| collation.get("locale").is_none()) {
        return Err(CommandError::location(
            40_414,
            "BSON field 'collation.locale' is missing but a required field",
        ));
    }
    Ok(())
}

/// Rejects `encryptedFields` without fields.
fn check_encrypted(call: &Call<'_>) -> Result<(), CommandError> {
    let Some(encrypted) = call.document("encryptedFields")? else {
        return Ok(());
    };
    let name = "encryptedFields.fields";
    match encrypted.get("fields") {
        Some(Value::Array(_)) => Ok(()),
        Some(other) if !other.is_nullish() => Err(call.wrong_type(name, other.kind(), "array")),
        _ => Err(call.missing(name)),
    }
}

/// Checks the description of the index on `_id`, which every collection has.
fn check_id_index(index: Doc<'_>) -> Result<(), CommandError> {
    for element in index.elements() {
        let value = element.value();
        let expected = match element.name() {
            "key" if element.kind() != Kind::Document => "object",
            "name" if element.kind() != Kind::String => "string",
            "v" if !value.is_number() => "number",
            "key" | "name" | "v" | "ns" | "collation" => continue,
            name => {
                let message =
                    format!("The field '{name}' is not valid for an _id index specification");
                return Err(CommandError::new(
                    Code::INVALID_INDEX_SPECIFICATION,
                    message,
                ));
            }
        };
        return Err(CommandError::type_mismatch(format!(
            "The field '{}' of an index specification must be of type {expected}, not {}",
            element.name(),
            element.kind().alias()
        )));
    }
    let missing = |name: &str| {
        let message =
            format!("The '{name}' field is a required property of an index specification");
        CommandError::failed_to_parse(message)
    };
    let key = index.get("key").ok_or_else(|| missing("key"))?;
    let key = key.as_document().unwrap_or(Doc::EMPTY);
    let name = index.get("name").ok_or_else(|| missing("name"))?;
    if name.as_str() == Some("") {
        let message = "index name cannot be empty";
        return Err(CommandError::new(Code::CANNOT_CREATE_INDEX, message));
    }
    check_version(index)?;
    let of_id = key.get("_id").and_then(|direction| direction.as_f64());
    if key.len() != 1 || of_id != Some(1.0) {
        return Err(CommandError::bad_value(
            "The field 'key' for an _id index must be {_id: 1}",
        ));
    }
    let collation = index.get("collation");
    if collation.is_some_and(|collation| !is_simple_collation(&collation)) {
        return Err(CommandError::bad_value(
            "'idIndex' must have the same collation as the collection",
        ));
    }
    Ok(())
}

fn check_version(index: Doc<'_>) -> Result<(), CommandError> {
    let Some(version) = index.get("v") else {
        return Ok(());
    };
    if version.as_f64().is_some_and(|number| number.fract() != 0.0) {
        let message = format!("Index version must be representable as a 32-bit integer: {version}");
        return Err(CommandError::bad_value(message));
    }
    if matches!(saturated(&version), 1 | 2) {
        return Ok(());
    }
    let message = format!("Invalid index specification: cannot create an index with v={version}");
    Err(CommandError::new(Code::CANNOT_CREATE_INDEX, message))
}
