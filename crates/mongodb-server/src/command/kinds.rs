//! The types of arguments: one table for all commands, by the names of the arguments.

use crate::bson::{Kind, Value};
use crate::error::CommandError;

use Kind::{Array, Bool, Decimal128, Document, Double, Int32, Int64, String};

const OBJECT: &[Kind] = &[Document];
const ARRAY: &[Kind] = &[Array];
const TEXT: &[Kind] = &[String];
const NUMBER: &[Kind] = &[Int64, Int32, Decimal128, Double];
const FLAG: &[Kind] = &[Bool];
const LAX_FLAG: &[Kind] = &[Bool, Int64, Int32, Decimal128, Double];

/// Arguments and the types that they may have. A name that is not here is checked where it is read.
const ARGUMENTS: &[(&str, &[Kind])] = &[
    ("allowDiskUse", FLAG),
    ("allowPartialResults", FLAG),
    ("arrayFilters", ARRAY),
    ("authorizedCollections", FLAG),
    ("authorizedDatabases", FLAG),
    ("awaitData", FLAG),
    ("batchSize", NUMBER),
    ("bypassDocumentValidation", LAX_FLAG),
    ("c", OBJECT),
    ("collation", OBJECT),
    ("commitQuorum", &[String, Int64, Int32, Decimal128, Double]),
    ("cursor", OBJECT),
    ("cursors", ARRAY),
    ("deletes", ARRAY),
    ("documents", ARRAY),
    ("errorsOnly", FLAG),
    ("estimate", LAX_FLAG),
    ("explain", LAX_FLAG),
    ("fields", OBJECT),
    ("filter", OBJECT),
    ("fromMongos", FLAG),
    ("idIndex", OBJECT),
    ("ignoreUnknownIndexOptions", FLAG),
    ("includeBuildUUIDs", LAX_FLAG),
    ("includeIndexBuildInfo", LAX_FLAG),
    ("indexOptionDefaults", OBJECT),
    ("indexes", ARRAY),
    ("key", TEXT),
    ("let", OBJECT),
    ("limit", NUMBER),
    ("multi", FLAG),
    ("nameOnly", LAX_FLAG),
    ("needsMerge", FLAG),
    ("new", LAX_FLAG),
    ("noCursorTimeout", FLAG),
    ("oplogReplay", FLAG),
    ("ordered", FLAG),
    ("pipeline", ARRAY),
    ("projection", OBJECT),
    ("q", OBJECT),
    ("query", OBJECT),
    ("remove", LAX_FLAG),
    ("returnKey", FLAG),
    ("scale", NUMBER),
    ("showRecordId", FLAG),
    ("singleBatch", FLAG),
    ("size", NUMBER),
    ("skip", NUMBER),
    ("sort", OBJECT),
    ("stayTemp", FLAG),
    ("storageEngine", OBJECT),
    ("tailable", FLAG),
    ("timeseries", OBJECT),
    ("to", TEXT),
    ("updates", ARRAY),
    ("upsert", LAX_FLAG),
    ("validationAction", TEXT),
    ("validationLevel", TEXT),
    ("validator", OBJECT),
    ("viewOn", TEXT),
    ("lsid", OBJECT),
    ("$readPreference", OBJECT),
    ("$clusterTime", OBJECT),
    ("readConcern", OBJECT),
    ("writeConcern", OBJECT),
];

/// Rejects an argument of the wrong type; null counts as absent. `path` is the name of the command.
pub fn check(path: &str, name: &str, value: &Value<'_>) -> Result<(), CommandError> {
    // It is for clients of other times, or checked where it is read.
    if path == "count" && matches!(name, "fields" | "limit") {
        return Ok(());
    }
    let found = ARGUMENTS.iter().find(|(known, _)| *known == name);
    let Some((_, kinds)) = found.filter(|_| !value.is_nullish()) else {
        return Ok(());
    };
    let strict = path == "listCollections" && name == "nameOnly";
    let kinds = if strict { FLAG } else { kinds };
    if kinds.contains(&value.kind()) {
        return Ok(());
    }
    let expected: Vec<&str> = kinds.iter().map(|kind| kind.alias()).collect();
    let expected = match expected.as_slice() {
        [only] => format!("type '{only}'"),
        several => format!("types '[{}]'", several.join(", ")),
    };
    Err(CommandError::type_mismatch(format!(
        "BSON field '{path}.{name}' is the wrong type '{}', expected {expected}",
        value.kind().alias()
    )))
}
