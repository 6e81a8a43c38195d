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
    let own: &[&str] = match namespace.database.as_str() {
        "admin" => &["roles", "version", "keys", "backup_users", "new_users"],
        "config" => &["sessions", "indexBuilds", "preimages"],
        "local" => &["replset", "healthlog"],
        _ => &[],
    };
    if matches!(name, "js" | "users") || own.contains(&name) {
        return Ok(());
    }
    let message = if name == "profile" {
        format!("cannot write to '{namespace}'")
    } else {
        format!("Invalid system namespace: {namespace}")
    };
    Err(CommandError::new(Code::INVALID_NAMESPACE, message))
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
