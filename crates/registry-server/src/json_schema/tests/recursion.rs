//! References, recursive schemas and expensive ones.

use serde_json::{Value, json};

use crate::json_schema::tests::{found, kinds};
use crate::json_schema::{Deadline, Document, References, findings};

#[test]
fn references_are_followed() {
    let of = |kind: &str, name: &str| {
        let reference = format!("#/definitions/{name}");
        json!({
            "properties": { "a": { "$ref": reference }, "b": { "$ref": "#t" } },
            "definitions": { name: { "$id": "#t", "type": kind } },
        })
    };
    let old = of("string", "T");
    assert_eq!(kinds(&old, &of("string", "U")), [""; 0]);
    assert_eq!(kinds(&old, &of("number", "U")), ["TYPE_CHANGED"; 2]);
    let found = found(&old, &of("number", "U")).expect("they can be compared");
    assert_eq!(found[0].path, "properties/a");
    let circle = json!({ "$ref": "#/definitions/a", "definitions": { "a": { "$ref": "#" } } });
    assert_eq!(kinds(&circle, &circle), [""; 0]);
}

#[test]
fn change_behind_a_recursive_choice_is_found() {
    let schema = |first: &str, second: &str| {
        let node = |id: &str, next: &str| {
            json!({
                "type": "object",
                "properties": {
                    "id": { "type": id },
                    "next": { "oneOf": [{ "$ref": format!("#/definitions/{next}") }] },
                },
            })
        };
        json!({
            "properties": {
                "root": { "oneOf": [{ "$ref": "#/definitions/A" }, { "$ref": "#/definitions/B" }] },
            },
            "definitions": { "A": node(first, "C"), "B": node(second, "C"), "C": node("null", "A") },
        })
    };
    let old = schema("integer", "boolean");
    assert_eq!(kinds(&old, &old), [""; 0]);
    assert_eq!(
        kinds(&old, &schema("boolean", "number")),
        ["COMBINED_TYPE_SUBSCHEMAS_CHANGED"]
    );
    assert_eq!(kinds(&old, &schema("number", "boolean")), [""; 0]);
}

#[test]
fn schemas_with_many_paths_are_compared_quickly() {
    let names: Vec<String> = (0..15).map(|number| format!("T{number}")).collect();
    let union: Vec<_> = names
        .iter()
        .map(|name| json!({ "$ref": format!("#/definitions/{name}") }))
        .collect();
    let schema = |last: &str| {
        let definitions: serde_json::Map<String, Value> = names
            .iter()
            .map(|name| {
                let id = if name == "T14" { last } else { "string" };
                let properties = json!({ "id": { "type": id }, "a": { "oneOf": union }, "b": { "oneOf": union } });
                (name.clone(), json!({ "type": "object", "properties": properties }))
            })
            .collect();
        json!({ "properties": { "root": { "oneOf": union } }, "definitions": definitions })
    };
    assert_eq!(kinds(&schema("string"), &schema("string")), [""; 0]);
    assert!(!kinds(&schema("string"), &schema("number")).is_empty());
    let doubled: serde_json::Map<String, Value> = (0..60)
        .map(|number| {
            let next = json!({ "$ref": format!("#/definitions/d{}", number + 1) });
            (
                format!("d{number}"),
                json!({ "properties": { "l": next, "r": next } }),
            )
        })
        .chain([("d60".to_owned(), json!({ "type": "string" }))])
        .collect();
    let old = json!({ "$ref": "#/definitions/d0", "definitions": doubled });
    let mut new = old.clone();
    new["definitions"]["d60"] = json!({ "type": "number" });
    assert!(!kinds(&old, &new).is_empty());
}

#[test]
fn comparison_that_takes_too_long_ends_at_its_deadline() {
    let schema = json!({ "type": "object" });
    let references = References::default();
    let document = Document {
        schema: &schema,
        references: &references,
    };
    let passed = Deadline::default();
    passed.pass();
    let ended = findings(document, document, &passed);
    assert_eq!(ended, Err("the comparison takes too long".to_owned()));
}
