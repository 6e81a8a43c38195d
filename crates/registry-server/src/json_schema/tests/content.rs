//! Objects and arrays.

use serde_json::{Value, json};

use crate::json_schema::tests::{assert_pairs, assert_pairs_in_both_drafts, kinds};

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn objects_are_compared_by_their_content_model() {
    let s = || json!({ "type": "string" });
    let n = || json!({ "type": "number" });
    let open = |properties: Value| json!({ "properties": properties });
    let closed =
        |properties: Value| json!({ "properties": properties, "additionalProperties": false });
    let partial = |properties: Value, rest: Value| json!({ "properties": properties, "additionalProperties": rest });
    let patterned = |properties: Value| {
        json!({
            "properties": properties,
            "patternProperties": { "^n_": n() },
            "additionalProperties": false,
        })
    };
    let a = || json!({ "a": s() });
    let ab = || json!({ "a": s(), "b": n() });
    assert_pairs_in_both_drafts(&[
        (
            open(a()),
            open(ab()),
            &["OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL"],
        ),
        (open(ab()), open(a()), &[]),
        (open(a()), open(json!({ "a": s(), "b": true })), &[]),
        (
            open(a()),
            open(json!({ "a": s(), "b": { "title": "B" } })),
            &[],
        ),
        (closed(a()), closed(ab()), &[]),
        (
            closed(ab()),
            closed(a()),
            &["PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL"],
        ),
        (closed(json!({ "a": s(), "b": false })), closed(a()), &[]),
        (partial(a(), n()), partial(ab(), n()), &[]),
        (
            partial(a(), s()),
            partial(ab(), s()),
            &[
                "TYPE_CHANGED",
                "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL",
            ],
        ),
        (closed(ab()), partial(a(), n()), &[]),
        (
            closed(ab()),
            partial(a(), s()),
            &[
                "TYPE_CHANGED",
                "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL",
            ],
        ),
        (
            patterned(a()),
            patterned(json!({ "a": s(), "n_b": n() })),
            &[],
        ),
        (
            patterned(a()),
            patterned(json!({ "a": s(), "n_b": s() })),
            &[
                "TYPE_CHANGED",
                "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL",
            ],
        ),
        (
            patterned(a()),
            patterned(json!({ "a": s(), "b": s() })),
            &[],
        ),
        (closed(json!({ "a": s(), "n_b": n() })), patterned(a()), &[]),
        (
            closed(json!({ "a": s(), "b": n() })),
            patterned(a()),
            &["PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL"],
        ),
    ]);
}

#[test]
fn additional_and_unevaluated_properties_may_be_widened() {
    for (keyword, name) in [
        ("additionalProperties", "ADDITIONAL_PROPERTIES"),
        ("unevaluatedProperties", "UNEVALUATED_PROPERTIES"),
    ] {
        let with = |rest: Value| {
            let mut schema = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": { "a": { "type": "string" } },
            });
            schema[keyword] = rest;
            schema
        };
        let (integer, number) = (json!({ "type": "integer" }), json!({ "type": "number" }));
        let removed = format!("{name}_REMOVED");
        let narrowed = format!("{name}_NARROWED");
        let (removed, narrowed) = ([removed.as_str()], [narrowed.as_str()]);
        assert_pairs(&[
            (with(json!(false)), with(json!(true)), &[]),
            (with(json!(false)), with(number.clone()), &[]),
            (with(json!(true)), with(json!(false)), &removed),
            (with(json!(true)), with(number.clone()), &narrowed),
            (with(number.clone()), with(json!(true)), &[]),
            (with(number.clone()), with(json!(false)), &removed),
            (with(integer.clone()), with(number.clone()), &[]),
            (with(number), with(integer), &["TYPE_NARROWED"]),
        ]);
    }
}

#[test]
fn required_properties_need_a_default_or_must_have_been_required() {
    let of = |property: Value, required: &[&str]| json!({ "properties": { "a": property }, "required": required, "additionalProperties": false });
    let plain = || json!({ "type": "string" });
    let default = || json!({ "type": "string", "default": "" });
    let none = json!({ "additionalProperties": false });
    assert_pairs_in_both_drafts(&[
        (of(plain(), &["a"]), of(plain(), &[]), &[]),
        (
            of(plain(), &[]),
            of(plain(), &["a"]),
            &["REQUIRED_ATTRIBUTE_ADDED"],
        ),
        (of(plain(), &[]), of(default(), &["a"]), &[]),
        // A name without a property is not compared.
        (of(plain(), &["a"]), of(plain(), &["a", "b"]), &[]),
        (
            none.clone(),
            of(plain(), &["a"]),
            &["REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL"],
        ),
        (none.clone(), of(default(), &["a"]), &[]),
        (none, of(plain(), &[]), &[]),
        (
            json!({ "type": "object" }),
            json!({ "type": "object", "properties": { "a": default() }, "required": ["a"] }),
            &["REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL"],
        ),
    ]);
}

#[test]
fn dependencies_may_be_dropped_and_narrowed() {
    let schema = |kind: &str| json!({ "properties": { "c": { "type": kind } } });
    let draft_7 = |dependencies: Value| json!({ "dependencies": dependencies });
    let modern = |keyword: &str, dependencies: Value| {
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            keyword: dependencies,
        })
    };
    let lists: [(Value, Value, &[&str]); 6] = [
        (json!({ "a": ["b"] }), json!({ "a": ["b"] }), &[]),
        (json!({ "a": ["b", "c"] }), json!({ "a": ["c"] }), &[]),
        (
            json!({ "a": ["b"], "x": ["b"] }),
            json!({ "a": ["b"] }),
            &[],
        ),
        (
            json!({ "a": ["b"] }),
            json!({ "a": ["b", "c"] }),
            &["DEPENDENCY_ARRAY_EXTENDED"],
        ),
        (
            json!({ "a": ["b"] }),
            json!({ "a": ["c"] }),
            &["DEPENDENCY_ARRAY_CHANGED"],
        ),
        (
            json!({ "a": ["b"] }),
            json!({ "a": ["b"], "b": ["a"] }),
            &["DEPENDENCY_ARRAY_ADDED"],
        ),
    ];
    let schemas: [(Value, Value, &[&str]); 4] = [
        (
            json!({ "a": schema("integer") }),
            json!({ "a": schema("number") }),
            &[],
        ),
        (
            json!({ "a": schema("number") }),
            json!({ "a": schema("integer") }),
            &["TYPE_NARROWED"],
        ),
        (
            json!({ "a": schema("number"), "b": true }),
            json!({ "a": schema("number") }),
            &[],
        ),
        (
            json!({ "a": true }),
            json!({ "a": true, "b": true }),
            &["DEPENDENCY_SCHEMA_ADDED"],
        ),
    ];
    for (old, new, expected) in lists.iter().chain(&schemas) {
        assert_eq!(
            kinds(&draft_7(old.clone()), &draft_7(new.clone())),
            *expected,
            "{old} {new}"
        );
    }
    for (keyword, pairs) in [
        ("dependentRequired", &lists[..]),
        ("dependentSchemas", &schemas),
    ] {
        for (old, new, expected) in pairs {
            let (old, new) = (modern(keyword, old.clone()), modern(keyword, new.clone()));
            assert_eq!(kinds(&old, &new), *expected, "{old} {new}");
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn arrays_are_compared_by_their_content_model() {
    let (s, n) = (
        || json!({ "type": "string" }),
        || json!({ "type": "number" }),
    );
    let of = |first: Value, rest: Value| {
        let mut schema = json!({ "type": "array", "items": first });
        if !rest.is_null() {
            schema["additionalItems"] = rest;
        }
        schema
    };
    let none = || json!(null);
    let pairs: [(Value, Value, &[&str]); 12] = [
        (
            of(json!([s()]), none()),
            of(json!([s(), n()]), none()),
            &["ITEM_ADDED_TO_OPEN_CONTENT_MODEL"],
        ),
        (
            of(json!([s()]), none()),
            of(json!([s(), true]), none()),
            &[],
        ),
        (of(json!([s(), n()]), none()), of(json!([s()]), none()), &[]),
        (
            of(json!([s()]), json!(false)),
            of(json!([s(), n()]), json!(false)),
            &[],
        ),
        (
            of(json!([s(), n()]), json!(false)),
            of(json!([s()]), json!(false)),
            &["ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL"],
        ),
        (
            of(json!([s(), false]), json!(false)),
            of(json!([s()]), json!(false)),
            &[],
        ),
        (of(json!([s()]), n()), of(json!([s(), n()]), n()), &[]),
        (
            of(json!([s()]), n()),
            of(json!([s(), s()]), n()),
            &[
                "TYPE_CHANGED",
                "ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL",
            ],
        ),
        (
            of(json!([s(), s()]), json!(false)),
            of(json!([s()]), n()),
            &[
                "TYPE_CHANGED",
                "ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL",
            ],
        ),
        (
            of(json!([s()]), none()),
            of(json!([s()]), json!(false)),
            &["ADDITIONAL_ITEMS_REMOVED"],
        ),
        (
            of(json!([s()]), none()),
            of(json!([s()]), n()),
            &["ADDITIONAL_ITEMS_NARROWED"],
        ),
        (of(json!([s()]), n()), of(json!([s()]), none()), &[]),
    ];
    assert_pairs(&pairs);
    // Since 2020-12, the first items are `prefixItems` and the others `items`.
    let modern = |schema: &Value| {
        let mut modern = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "array",
            "prefixItems": schema["items"],
        });
        if let Some(rest) = schema.get("additionalItems") {
            modern["items"] = rest.clone();
        }
        modern
    };
    let modern = pairs
        .iter()
        .map(|(old, new, kinds)| (modern(old), modern(new), *kinds));
    assert_pairs(&modern.collect::<Vec<_>>());
    assert_pairs(&[
        (
            json!({ "type": "array" }),
            json!({ "type": "array", "items": n() }),
            &["SCHEMA_ADDED"],
        ),
        (
            json!({ "type": "array", "items": n() }),
            json!({ "type": "array" }),
            &[],
        ),
        (
            json!({ "type": "array" }),
            json!({ "type": "array", "uniqueItems": true }),
            &["UNIQUE_ITEMS_ADDED"],
        ),
    ]);
}
