//! Documents that a schema refers to, and the draft that a JSON Schema names.

use std::collections::BTreeMap;

use jsonschema::{Draft, Retrieve, Uri};
use serde_json::Value;

/// Base URI of schemas without a URI of their own.
pub(super) const BASE: &str = "json-schema:///";

/// Documents that a schema refers to, by the names it uses. A Protobuf schema is a string of its text.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct References(pub(super) BTreeMap<String, Value>);

impl References {
    /// Returns the same documents, also by the URIs that their names resolve to in a schema with a
    /// URI of its own.
    pub(super) fn resolved_in(&self, schema: &Value) -> Self {
        let mut all = self.clone();
        let uri = schema.get("$id").and_then(Value::as_str);
        let folder = uri.and_then(|uri| uri.rsplit_once('/'));
        let Some((folder, _)) = folder else {
            return all;
        };
        for (name, document) in &self.0 {
            let name = name.trim_start_matches("./");
            if !name.contains("://") {
                let uri = format!("{folder}/{name}");
                all.0.entry(uri).or_insert_with(|| document.clone());
            }
        }
        all
    }
}

impl Retrieve for References {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let uri = uri.as_str();
        let name = uri.strip_prefix(BASE).unwrap_or(uri);
        let found = self.0.get(uri).or_else(|| self.0.get(name));
        found
            .cloned()
            .ok_or_else(|| format!("reference `{name}` not found").into())
    }
}

/// Returns the draft that a schema names. If it names none, or an unknown one, returns draft 7, which
/// is usual with Kafka.
pub(super) fn draft(schema: &Value) -> Draft {
    let named = schema.get("$schema").is_some();
    match Draft::default().detect(schema) {
        Draft::Unknown => Draft::Draft7,
        detected if named => detected,
        _ => Draft::Draft7,
    }
}
