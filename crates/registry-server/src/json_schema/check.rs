//! Checks of a single schema, the documents it refers to, and the draft that it names.

use jsonschema::{Draft, Retrieve, Uri};
use serde_json::Value;

use crate::json_schema::Document;
use crate::references::References;

/// Base URI of schemas without a URI of their own.
pub(super) const BASE: &str = "json-schema:///";

/// Checks a schema; the error says why it is invalid.
pub fn check(document: Document<'_>) -> Result<(), String> {
    let Document { schema, references } = document;
    let options = jsonschema::options().with_draft(draft(schema));
    let compiled = options
        .with_retriever(references.resolved_in(schema))
        .build(schema);
    compiled.map(drop).map_err(|error| error.to_string())
}

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_draft_is_read_as_draft_7() {
        let schema = json!({ "$schema": "http://example.com/ours#", "type": "object" });
        assert_eq!(json(&schema), Ok(()));
    }

    fn checked(schema: &Value, references: &References) -> Result<(), String> {
        check(Document { schema, references })
    }

    fn json(schema: &Value) -> Result<(), String> {
        checked(schema, &References::default())
    }

    #[test]
    fn json_schemas_are_checked_against_their_meta_schema() {
        assert_eq!(
            json(&json!({"type": "object", "properties": {"a": {"type": "integer"}}})),
            Ok(())
        );
        assert_eq!(json(&json!(true)), Ok(()));
        assert!(json(&json!({"type": "text"})).is_err());
        assert!(json(&json!({"required": "a"})).is_err());
        assert!(json(&json!({"$ref": "#/definitions/none"})).is_err());
        assert!(json(&json!([])).is_err());
    }

    #[test]
    fn references_are_resolved_by_name_only() {
        let schema = json!({"properties": {"a": {"$ref": "other.json"}}});
        assert!(json(&schema).is_err());
        let known = References([("other.json".to_owned(), json!({"type": "integer"}))].into());
        assert_eq!(checked(&schema, &known), Ok(()));
    }

    #[test]
    fn references_are_resolved_relative_to_the_schema() {
        let known = References([("other.json".to_owned(), json!({"type": "integer"}))].into());
        let id = "http://example.com/a/truck.json";
        for name in [
            "other.json",
            "./other.json",
            "http://example.com/a/other.json",
        ] {
            let schema = json!({"$id": id, "properties": {"a": {"$ref": name}}});
            assert_eq!(checked(&schema, &known), Ok(()), "{name}");
        }
    }
}
