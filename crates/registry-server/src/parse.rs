//! Checks of a single schema.

use serde_json::Value;

use crate::references::{References, draft};
use crate::schema::SchemaType;
use crate::{avro, protobuf};

/// Checks a schema; the error says why it is invalid.
pub(super) fn check(kind: SchemaType, text: &str, references: &References) -> Result<(), String> {
    if kind == SchemaType::Protobuf {
        return protobuf::File::parse(text, references).map(drop);
    }
    let schema: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match kind {
        SchemaType::Json => {
            let options = jsonschema::options().with_draft(draft(&schema));
            let compiled = options
                .with_retriever(references.resolved_in(&schema))
                .build(&schema);
            compiled.map(drop).map_err(|error| error.to_string())
        }
        SchemaType::Avro | SchemaType::Protobuf => {
            avro::Schema::parse(&schema, references.0.values()).map(drop)
        }
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

    fn json(schema: &Value) -> Result<(), String> {
        check(
            SchemaType::Json,
            &schema.to_string(),
            &References::default(),
        )
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
        assert!(check(SchemaType::Json, "{", &References::default()).is_err());
    }

    #[test]
    fn references_are_resolved_by_name_only() {
        let schema = json!({"properties": {"a": {"$ref": "other.json"}}}).to_string();
        assert!(check(SchemaType::Json, &schema, &References::default()).is_err());
        let known = References([("other.json".to_owned(), json!({"type": "integer"}))].into());
        assert_eq!(check(SchemaType::Json, &schema, &known), Ok(()));
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
            let checked = check(SchemaType::Json, &schema.to_string(), &known);
            assert_eq!(checked, Ok(()), "{name}");
        }
    }

    #[test]
    fn deeply_nested_schema_is_checked_or_rejected() {
        for depth in [20, 100, 100_000] {
            let text = format!("{}{{}}{}", "{\"items\":".repeat(depth), "}".repeat(depth));
            let checked = check(SchemaType::Json, &text, &References::default());
            assert_eq!(checked.is_ok(), depth < 1_000);
            let arrays = r#"{"type":"array","items":"#.repeat(depth);
            let text = format!("{arrays}\"int\"{}", "}".repeat(depth));
            assert_eq!(
                check(SchemaType::Avro, &text, &References::default()).is_ok(),
                depth < 1_000
            );
        }
    }
}
