//! Whether a text is a schema at all, and what it refers to.

use std::collections::BTreeMap;

use jsonschema::{Draft, Retrieve, Uri};
use serde_json::Value;

use crate::registry::schema::SchemaType;

/// What schemas without a URI of their own are relative to.
const BASE: &str = "json-schema:///";

/// Documents that a schema refers to, by the name it uses.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct References(pub(super) BTreeMap<String, Value>);

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
            .ok_or_else(|| format!("no reference is named `{name}`").into())
    }
}

/// Checks a schema; the error says what is wrong with it.
pub(super) fn check(kind: SchemaType, text: &str, references: &References) -> Result<(), String> {
    let schema: Value = serde_json::from_str(text).map_err(|wrong| wrong.to_string())?;
    match kind {
        SchemaType::Json => {
            let options = jsonschema::options().with_draft(draft(&schema));
            let compiled = options.with_retriever(references.clone()).build(&schema);
            compiled.map(drop).map_err(|wrong| wrong.to_string())
        }
        SchemaType::Avro => check_avro(&schema, references),
    }
}

/// Returns the draft that a schema names, or the one that is usual with Kafka where it names none
/// or none that is known.
pub(super) fn draft(schema: &Value) -> Draft {
    let named = schema.get("$schema").is_some();
    match Draft::default().detect(schema) {
        Draft::Unknown => Draft::Draft7,
        detected if named => detected,
        _ => Draft::Draft7,
    }
}

/// Checks the shape of an Avro schema: types that exist, named types with names, and the parts that
/// each type needs.
fn check_avro(schema: &Value, references: &References) -> Result<(), String> {
    let mut names = references.0.keys().cloned().collect();
    avro_type(schema, &mut names)
}

fn avro_type(schema: &Value, names: &mut Vec<String>) -> Result<(), String> {
    match schema {
        Value::String(name) if is_primitive(name) || defined(name, names) => Ok(()),
        Value::String(name) => Err(format!("undefined name: \"{name}\"")),
        Value::Array(union) => union.iter().try_for_each(|branch| avro_type(branch, names)),
        Value::Object(_) => avro_object(schema, names),
        _ => Err(format!("not a type: {schema}")),
    }
}

fn avro_object(schema: &Value, names: &mut Vec<String>) -> Result<(), String> {
    let part = |key: &str| {
        let found = schema.get(key);
        found.ok_or_else(|| format!("no {key}: {schema}"))
    };
    let kind = part("type")?;
    match kind.as_str() {
        Some("record" | "error") => {
            names.push(avro_name(schema)?);
            let fields = part("fields")?.as_array();
            let fields = fields.ok_or_else(|| format!("fields are not an array: {schema}"))?;
            fields.iter().try_for_each(|field| {
                avro_name(field)?;
                let kind = field
                    .get("type")
                    .ok_or_else(|| format!("no type: {field}"))?;
                avro_type(kind, names)
            })
        }
        Some("enum") => {
            names.push(avro_name(schema)?);
            part("symbols").map(drop)
        }
        Some("fixed") => {
            names.push(avro_name(schema)?);
            part("size").map(drop)
        }
        Some("array") => avro_type(part("items")?, names),
        Some("map") => avro_type(part("values")?, names),
        _ => avro_type(kind, names),
    }
}

fn avro_name(named: &Value) -> Result<String, String> {
    let name = named.get("name").and_then(Value::as_str);
    let name = name.filter(|name| !name.is_empty());
    name.map(str::to_owned)
        .ok_or_else(|| format!("no name: {named}"))
}

/// Names are compared by their last part: a name and its namespace may be written apart.
fn defined(name: &str, names: &[String]) -> bool {
    let last = |name: &str| name.rsplit('.').next().map(str::to_owned);
    names.iter().any(|defined| last(defined) == last(name))
}

fn is_primitive(name: &str) -> bool {
    let primitives = [
        "null", "boolean", "int", "long", "float", "double", "bytes", "string",
    ];
    primitives.contains(&name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_of_an_unknown_draft_is_read_as_the_usual_one() {
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

    fn avro(schema: &Value) -> Result<(), String> {
        check(
            SchemaType::Avro,
            &schema.to_string(),
            &References::default(),
        )
    }

    #[test]
    fn json_schemas_follow_their_meta_schema() {
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
    fn references_are_found_by_name_and_nowhere_else() {
        let schema = json!({"properties": {"a": {"$ref": "other.json"}}}).to_string();
        assert!(check(SchemaType::Json, &schema, &References::default()).is_err());
        let known = References([("other.json".to_owned(), json!({"type": "integer"}))].into());
        assert_eq!(check(SchemaType::Json, &schema, &known), Ok(()));
    }

    #[test]
    fn a_deeply_nested_schema_is_checked_or_refused() {
        for depth in [20, 100, 100_000] {
            let text = format!("{}{{}}{}", "{\"items\":".repeat(depth), "}".repeat(depth));
            let checked = check(SchemaType::Json, &text, &References::default());
            assert_eq!(checked.is_ok(), depth < 1_000);
            let text = format!("{}\"int\"{}", "[".repeat(depth), "]".repeat(depth));
            assert_eq!(
                check(SchemaType::Avro, &text, &References::default()).is_ok(),
                depth < 1_000
            );
        }
    }

    #[test]
    fn avro_schemas_have_known_types_and_names() {
        let record = json!({"type": "record", "name": "a.b.Truck", "fields": [
            {"name": "id", "type": "long"},
            {"name": "next", "type": ["null", "Truck"]},
            {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["X"]}},
            {"name": "tags", "type": {"type": "map", "values": {"type": "array", "items": "Kind"}}},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        ]});
        assert_eq!(avro(&record), Ok(()));
        assert_eq!(avro(&json!("string")), Ok(()));
        for wrong in [
            json!("text"),
            json!(1),
            json!({"type": "record", "name": "A"}),
            json!({"type": "record", "fields": []}),
            json!({"type": "array"}),
            json!({"type": "record", "name": "A", "fields": [{"name": "x", "type": "B"}]}),
        ] {
            assert!(avro(&wrong).is_err(), "{wrong}");
        }
    }
}
