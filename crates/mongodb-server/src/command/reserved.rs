//! Names that MongoDB keeps for itself: `system.` and what follows, and the oplog.

use crate::engine::Namespace;
use crate::error::{Code, CommandError};

/// Collections of the system that clients may create.
const CREATABLE: &[&str] = &[
    "system.js",
    "system.profile",
    "system.users",
    "system.views",
];

/// Collections of the system that clients may create in one database alone.
const CREATABLE_IN: &[(&str, &str)] = &[
    ("admin", "system.roles"),
    ("admin", "system.version"),
    ("config", "system.indexBuilds"),
    ("config", "system.sessions"),
    ("local", "system.replset"),
];

/// Start of the names of the buckets of time series.
const BUCKETS: &str = "system.buckets.";

/// Rejects the creation of a collection with a name of the system; `series` has a time series.
pub fn check_created(namespace: &Namespace, series: bool) -> Result<(), CommandError> {
    let name = namespace.collection.as_str();
    if !name.starts_with("system.") || CREATABLE.contains(&name) {
        return Ok(());
    }
    if CREATABLE_IN.contains(&(&namespace.database, name)) || series && name.starts_with(BUCKETS) {
        return Ok(());
    }
    if name.starts_with(BUCKETS) {
        return Err(buckets(namespace));
    }
    let message = format!("Invalid system namespace: {namespace}");
    Err(CommandError::new(Code::INVALID_NAMESPACE, message))
}

/// Rejects the buckets of time series as a collection.
pub fn check_no_buckets(namespace: &Namespace) -> Result<(), CommandError> {
    if namespace.collection.starts_with(BUCKETS) {
        return Err(buckets(namespace));
    }
    Ok(())
}

fn buckets(namespace: &Namespace) -> CommandError {
    let message = format!("{namespace} is kept for the buckets of a time series");
    CommandError::new(Code::ILLEGAL_OPERATION, message)
}

/// Rejects a collection of the system as one side of a rename.
pub fn check_renamed(namespace: &Namespace) -> Result<(), CommandError> {
    let system = namespace.collection.starts_with("system.");
    let oplog = namespace.database == "local" && namespace.collection.starts_with("oplog.");
    if !system && !oplog {
        return Ok(());
    }
    let message = format!("renaming from or to {namespace} is not allowed");
    Err(CommandError::new(Code::ILLEGAL_OPERATION, message))
}
