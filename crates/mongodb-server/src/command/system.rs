//! Collections whose names begin with `system.`: MongoDB's own, which clients may seldom write to.

use crate::engine::Namespace;
use crate::error::{Code, CommandError};

/// Rejects a write to a collection that MongoDB does not let clients write to, and to one that has
/// no effect here.
pub fn check_write(namespace: &Namespace) -> Result<(), CommandError> {
    let Some(name) = namespace.collection.strip_prefix("system.") else {
        return Ok(());
    };
    if name == "views" || name.starts_with("buckets.") {
        return Err(CommandError::unsupported(format!(
            "writes to {namespace}; use `create` and the collection itself"
        )));
    }
    if is_written_by_clients(&namespace.database, name) {
        return Ok(());
    }
    if name == "profile" {
        let message = format!("cannot write to '{namespace}'");
        return Err(CommandError::new(Code::INVALID_NAMESPACE, message));
    }
    Err(invalid(namespace))
}

/// Rejects the creation of a collection that MongoDB does not let clients create; `series` has a time
/// series.
pub fn check_create(namespace: &Namespace, series: bool) -> Result<(), CommandError> {
    let Some(name) = namespace.collection.strip_prefix("system.") else {
        return Ok(());
    };
    let buckets = name.starts_with("buckets.");
    if matches!(name, "profile" | "views")
        || is_written_by_clients(&namespace.database, name)
        || buckets && series
    {
        return Ok(());
    }
    check_no_buckets(namespace)?;
    Err(invalid(namespace))
}

/// Rejects the buckets of time series as a collection.
pub fn check_no_buckets(namespace: &Namespace) -> Result<(), CommandError> {
    if !namespace.collection.starts_with("system.buckets.") {
        return Ok(());
    }
    let message = format!("{namespace} is kept for the buckets of a time series");
    Err(CommandError::new(Code::ILLEGAL_OPERATION, message))
}

/// Rejects a collection of the system as one side of a rename.
pub fn check_rename(namespace: &Namespace) -> Result<(), CommandError> {
    let oplog = namespace.database == "local" && namespace.collection.starts_with("oplog.");
    if !namespace.is_system() && !oplog {
        return Ok(());
    }
    let message = format!("renaming from or to {namespace} is not allowed");
    Err(CommandError::new(Code::ILLEGAL_OPERATION, message))
}

/// Returns whether clients may write to a collection, by its name after `system.`.
fn is_written_by_clients(database: &str, name: &str) -> bool {
    let own: &[&str] = match database {
        "admin" => &["roles", "version", "keys", "backup_users", "new_users"],
        "config" => &["sessions", "indexBuilds", "preimages"],
        "local" => &["replset", "healthlog"],
        _ => &[],
    };
    matches!(name, "js" | "users") || own.contains(&name)
}

fn invalid(namespace: &Namespace) -> CommandError {
    let message = format!("Invalid system namespace: {namespace}");
    CommandError::new(Code::INVALID_NAMESPACE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_collections_are_mostly_read_only() {
        let cases = [
            ("t.readings", None),
            ("t.system", None),
            ("t.systems.a", None),
            ("t.system.js", None),
            ("t.system.users", None),
            ("admin.system.version", None),
            ("t.system.version", Some(Code::INVALID_NAMESPACE)),
            ("t.system.foo", Some(Code::INVALID_NAMESPACE)),
            ("t.system.namespaces", Some(Code::INVALID_NAMESPACE)),
            ("t.system.profile", Some(Code::INVALID_NAMESPACE)),
            ("t.system.views", Some(Code::NOT_IMPLEMENTED)),
            ("t.system.buckets.s", Some(Code::NOT_IMPLEMENTED)),
        ];
        for (name, code) in cases {
            let namespace = Namespace::parse(name).expect("a valid name");
            let outcome = check_write(&namespace);
            assert_eq!(outcome.err().map(|error| error.code()), code, "{name}");
        }
    }
}
