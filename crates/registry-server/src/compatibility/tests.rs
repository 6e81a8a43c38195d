//! Pairs of schemas and the levels at which they are compatible.

use serde_json::json;

use crate::compatibility::*;

fn compared(text: &str) -> Compared {
    Compared {
        kind: SchemaType::Json,
        text: text.to_owned(),
        references: References::default(),
    }
}

fn incompatibilities(level: Level, old: &Value, new: &Value) -> Vec<String> {
    check(
        level,
        &compared(&new.to_string()),
        &compared(&old.to_string()),
    )
}

fn check(level: Level, new: &Compared, old: &Compared) -> Vec<String> {
    let deadline = Deadline::default();
    level.incompatibilities(new, old, &deadline)
}

/// Whether new is backward and forward compatible with old.
fn compatible(old: &Value, new: &Value) -> (bool, bool) {
    let backward = incompatibilities(Level::Backward, old, new).is_empty();
    let forward = incompatibilities(Level::Forward, old, new).is_empty();
    let full = incompatibilities(Level::Full, old, new).is_empty();
    assert_eq!(full, backward && forward, "{old} {new}");
    assert!(incompatibilities(Level::None, old, new).is_empty());
    let swapped = incompatibilities(Level::Forward, new, old).is_empty();
    assert_eq!(
        backward, swapped,
        "forward must be backward of the swapped pair: {old} {new}"
    );
    (backward, forward)
}

fn closed(properties: &Value, required: &[&str]) -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn open(properties: &Value) -> Value {
    json!({ "type": "object", "properties": properties })
}

const BOTH: (bool, bool) = (true, true);
const BACKWARD: (bool, bool) = (true, false);
const FORWARD: (bool, bool) = (false, true);
const NEITHER: (bool, bool) = (false, false);

#[test]
fn wider_type_is_backward_compatible() {
    let of = |kind: Value| closed(&json!({ "a": { "type": kind } }), &["a"]);
    assert_eq!(
        compatible(&of(json!("integer")), &of(json!("integer"))),
        BOTH
    );
    assert_eq!(
        compatible(&of(json!("integer")), &of(json!("number"))),
        BACKWARD
    );
    assert_eq!(
        compatible(&of(json!("number")), &of(json!("integer"))),
        FORWARD
    );
    assert_eq!(
        compatible(&of(json!("integer")), &of(json!(["integer", "null"]))),
        BACKWARD
    );
    assert_eq!(
        compatible(&of(json!("integer")), &of(json!("string"))),
        NEITHER
    );
}

#[test]
fn properties_can_be_added_to_closed_and_removed_from_open_objects() {
    let a = json!({ "a": { "type": "integer" } });
    let ab = json!({ "a": { "type": "integer" }, "b": { "type": "string" } });
    assert_eq!(compatible(&closed(&a, &[]), &closed(&ab, &[])), BACKWARD);
    assert_eq!(compatible(&closed(&ab, &[]), &closed(&a, &[])), FORWARD);
    assert_eq!(compatible(&open(&a), &open(&ab)), FORWARD);
    assert_eq!(compatible(&open(&ab), &open(&a)), BACKWARD);
    assert_eq!(compatible(&closed(&a, &[]), &open(&a)), BACKWARD);
}

#[test]
fn required_property_can_become_optional_and_one_with_a_default_required() {
    let a = json!({ "a": { "type": "integer" } });
    assert_eq!(compatible(&closed(&a, &["a"]), &closed(&a, &[])), BACKWARD);
    assert_eq!(compatible(&closed(&a, &[]), &closed(&a, &["a"])), FORWARD);
    let with_default = json!({ "a": { "type": "integer", "default": 0 } });
    assert_eq!(
        compatible(&closed(&a, &[]), &closed(&with_default, &["a"])),
        BOTH
    );
    let added = json!({ "a": { "type": "integer" }, "b": { "type": "integer", "default": 0 } });
    assert_eq!(
        compatible(&closed(&a, &["a"]), &closed(&added, &["a", "b"])),
        BACKWARD
    );
}

#[test]
fn looser_bounds_patterns_and_choices_are_backward_compatible() {
    let pairs = [
        (json!({ "minimum": 1 }), json!({ "minimum": 0 })),
        (json!({ "maximum": 1 }), json!({})),
        (json!({ "multipleOf": 4 }), json!({ "multipleOf": 2 })),
        (json!({ "maxLength": 5 }), json!({ "maxLength": 9 })),
        (json!({ "pattern": "^a" }), json!({})),
        (
            json!({ "enum": ["x", "y"] }),
            json!({ "enum": ["x", "y", "z"] }),
        ),
        (
            json!({ "type": "array", "maxItems": 2 }),
            json!({ "type": "array" }),
        ),
        (
            json!({ "type": "array", "items": { "type": "integer" } }),
            json!({ "type": "array", "items": { "type": "number" } }),
        ),
        (
            json!({ "oneOf": [{ "type": "string" }] }),
            json!({ "oneOf": [{ "type": "string" }, { "type": "integer" }] }),
        ),
        (
            json!({ "allOf": [{ "minimum": 1 }, { "maximum": 2 }] }),
            json!({ "allOf": [{ "minimum": 1 }] }),
        ),
    ];
    for (narrow, wide) in pairs {
        assert_eq!(compatible(&narrow, &wide), BACKWARD, "{narrow} {wide}");
    }
}

#[test]
fn schemas_grow_as_in_confluents_registry() {
    let kept = json!({
        "code": { "type": "string", "pattern": "^(?=.*x)[A-Z]{2}\\d+$", "format": "uuid" },
        "price": { "type": "number", "multipleOf": 0.01 },
        "note": { "oneOf": [{ "type": "null", "title": "Not included" }, { "type": "string" }] },
        "tags": { "type": "array", "items": { "$ref": "#/definitions/tag" }, "contains": {} },
        "tree": { "$ref": "#/definitions/tree" },
    });
    let with = |properties: &Value| {
        let mut schema = closed(properties, &["code"]);
        schema["definitions"] = json!({
            "tag": { "enum": ["a", "b"] },
            "tree": {
                "type": "object",
                "properties": { "under": { "items": { "$ref": "#/definitions/tree" } } },
            },
        });
        schema["dependencies"] = json!({ "price": ["note"] });
        schema
    };
    let mut grown = kept.clone();
    grown["more"] = json!({ "type": "integer", "connect.index": 7 });
    assert_eq!(compatible(&with(&kept), &with(&grown)), BACKWARD);

    let kind = |kind: &str, extra: &str| {
        let properties = json!({ "kind": { "const": kind }, extra: { "type": "integer" } });
        closed(&properties, &["kind"])
    };
    let one = json!({ "oneOf": [kind("a", "x")] });
    let two = json!({ "oneOf": [kind("a", "x"), kind("b", "y")] });
    assert_eq!(compatible(&one, &two), BACKWARD);
}

#[test]
fn unconstrained_property_can_be_added_to_an_open_object() {
    let a = json!({ "a": { "type": "integer" } });
    let anything = json!({ "a": { "type": "integer" }, "b": {} });
    assert_eq!(compatible(&open(&a), &open(&anything)), BOTH);
    let mut patterned = closed(&a, &[]);
    patterned["patternProperties"] = json!({ "^b_": { "type": "string" } });
    let named = json!({ "a": { "type": "integer" }, "b_x": { "type": "string" } });
    assert_eq!(compatible(&closed(&named, &[]), &patterned), BOTH);
}

#[test]
fn types_in_recursive_schemas_may_be_widened() {
    let list = |kind: &str| {
        closed(
            &json!({ "next": { "$ref": "#" }, "v": { "type": kind } }),
            &[],
        )
    };
    assert_eq!(compatible(&list("integer"), &list("number")), BACKWARD);
}

#[test]
fn definitions_are_resolved_and_annotations_ignored() {
    let with = |kind: &str| {
        json!({
            "definitions": { "id": { "type": kind, "description": kind } },
            "properties": { "id": { "$ref": "#/definitions/id" } },
            "title": kind,
        })
    };
    assert_eq!(compatible(&with("integer"), &with("number")), BACKWARD);
    let described = json!({ "type": "integer", "title": "x", "description": "y" });
    assert_eq!(compatible(&json!({ "type": "integer" }), &described), BOTH);
}

#[test]
fn schemas_of_different_drafts_are_compared() {
    let old = json!({ "$schema": "http://json-schema.org/draft-07/schema#", "type": "integer" });
    let new =
        json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "number" });
    assert_eq!(compatible(&old, &new), BACKWARD);
}

#[test]
fn recursive_schema_is_compatible_with_itself() {
    let list = |extra: &str| {
        json!({
            "type": "object",
            "properties": { "next": { "$ref": "#" }, extra: {} },
        })
    };
    assert_eq!(compatible(&list("a"), &list("a")), BOTH);
}

#[test]
fn message_names_the_difference_and_its_path() {
    let of = |kind: &str| closed(&json!({ "a": { "type": kind } }), &["a"]);
    let expected = ["new", "old"].map(|reader| {
        format!(
            "{{errorType:'TYPE_CHANGED', description:'At path '#/properties/a', the {reader} schema \
             has another type'}}"
        )
    });
    assert_eq!(
        incompatibilities(Level::Full, &of("integer"), &of("string")),
        expected
    );
}

#[test]
fn avro_is_compared_by_its_own_rules_and_only_with_avro() {
    let avro = |text| Compared {
        kind: SchemaType::Avro,
        ..compared(text)
    };
    let (int, long) = (avro("\"int\""), avro("\"long\""));
    assert_eq!(check(Level::Full, &int, &avro(" \"int\"")), [""; 0]);
    assert_eq!(check(Level::Backward, &long, &int), [""; 0]);
    let expected = ["the new schema cannot read data of the old schema: int cannot read long"];
    assert_eq!(check(Level::Backward, &int, &long), expected);
    assert_eq!(check(Level::Full, &int, &long), expected);
    assert_eq!(check(Level::None, &int, &long), [""; 0]);
    let other = check(Level::Backward, &int, &compared("{}"));
    assert_eq!(other, ["the new schema is AVRO, the old schema is JSON"]);
}

#[test]
fn avro_types_of_other_documents_are_resolved() {
    let of = |symbols: Value| {
        let kind = json!({ "type": "enum", "name": "n.Kind", "symbols": symbols });
        Compared {
            kind: SchemaType::Avro,
            references: References([("n.Kind".to_owned(), kind)].into()),
            ..compared(r#"{ "type": "array", "items": "n.Kind" }"#)
        }
    };
    let (fewer, more) = (of(json!(["A"])), of(json!(["A", "B"])));
    assert_eq!(check(Level::Backward, &more, &fewer), [""; 0]);
    assert_eq!(check(Level::Backward, &fewer, &more).len(), 1);
}
