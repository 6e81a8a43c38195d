//! Types, limits, values and combinations.

use serde_json::{Value, json};

use crate::json_schema::tests::{assert_pairs, assert_pairs_in_both_drafts, kinds};

#[test]
fn limits_may_be_loosened() {
    for (kind, keyword, upper) in [
        ("string", "maxLength", true),
        ("string", "minLength", false),
        ("number", "maximum", true),
        ("number", "minimum", false),
        ("integer", "exclusiveMaximum", true),
        ("integer", "exclusiveMinimum", false),
        ("object", "maxProperties", true),
        ("object", "minProperties", false),
        ("array", "maxItems", true),
        ("array", "minItems", false),
        ("array", "maxContains", true),
        ("array", "minContains", false),
    ] {
        let without = json!({ "type": kind });
        let with = |limit: u32| {
            let mut schema = without.clone();
            schema[keyword] = json!(limit);
            schema
        };
        let kinds_of = |old: &Value, new: &Value| {
            let kinds = kinds(old, new);
            let ends = kinds
                .iter()
                .map(|kind| kind.rsplit('_').next().unwrap_or("").to_owned());
            ends.collect::<Vec<_>>()
        };
        let none: [&str; 0] = [];
        let (grown, shrunk): (&[&str], &[&str]) = if upper {
            (&none, &["DECREASED"])
        } else {
            (&["INCREASED"], &none)
        };
        assert_eq!(kinds_of(&with(2), &with(3)), grown, "{keyword}");
        assert_eq!(kinds_of(&with(3), &with(2)), shrunk, "{keyword}");
        assert_eq!(kinds_of(&with(2), &without), none, "{keyword}");
        assert_eq!(kinds_of(&without, &with(2)), ["ADDED"], "{keyword}");
    }
}

#[test]
fn divisors_are_compared_exactly() {
    let of = |divisor: Value| json!({ "type": "number", "multipleOf": divisor });
    assert_pairs(&[
        (of(json!(0.3)), of(json!(0.1)), &[]),
        (of(json!(0.5)), of(json!(10)), &["MULTIPLE_OF_EXPANDED"]),
        (of(json!(10)), of(json!(0.5)), &[]),
        (of(json!(6)), of(json!(4)), &["MULTIPLE_OF_CHANGED"]),
        (
            of(json!(1e-300)),
            of(json!(1e300)),
            &["MULTIPLE_OF_CHANGED"],
        ),
        (
            json!({ "type": "number" }),
            of(json!(2)),
            &["MULTIPLE_OF_ADDED"],
        ),
    ]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn types_and_values_may_be_widened() {
    let string = || json!({ "type": "string" });
    assert_pairs_in_both_drafts(&[
        (
            json!({ "type": "integer" }),
            json!({ "type": "number" }),
            &[],
        ),
        (
            json!({ "type": "number" }),
            json!({ "type": "integer" }),
            &["TYPE_NARROWED"],
        ),
        (
            json!({ "type": "boolean" }),
            json!({ "type": "null" }),
            &["TYPE_CHANGED"],
        ),
        (string(), json!({ "type": ["null", "string"] }), &[]),
        (
            json!({ "type": ["null", "string"] }),
            string(),
            &["TYPE_CHANGED"],
        ),
        (
            json!({ "type": ["string"] }),
            json!({ "type": ["string", "null"] }),
            &[],
        ),
        (
            json!({ "type": ["string", "null"] }),
            json!({ "type": ["string"] }),
            &["SUM_TYPE_NARROWED"],
        ),
        (string(), json!({}), &[]),
        (json!({}), string(), &["TYPE_CHANGED"]),
        (json!({ "enum": [1, 2] }), json!({ "enum": [3, 2, 1] }), &[]),
        (
            json!({ "enum": [1, 2] }),
            json!({ "enum": [1] }),
            &["ENUM_ARRAY_NARROWED"],
        ),
        (
            json!({ "enum": [1, 2] }),
            json!({ "enum": [1, 3] }),
            &["ENUM_ARRAY_CHANGED"],
        ),
        (
            json!({ "const": "x" }),
            json!({ "const": "y" }),
            &["ENUM_ARRAY_CHANGED"],
        ),
        (json!({ "type": "string", "enum": ["x"] }), string(), &[]),
        (
            string(),
            json!({ "type": "string", "enum": ["x"] }),
            &["TYPE_CHANGED"],
        ),
        (
            json!({ "not": { "type": "number" } }),
            json!({ "not": { "type": "integer" } }),
            &[],
        ),
        (
            json!({ "not": { "type": "integer" } }),
            json!({ "not": { "type": "number" } }),
            &["NOT_TYPE_EXTENDED"],
        ),
        (json!({ "type": "string", "pattern": "a" }), string(), &[]),
        (
            string(),
            json!({ "type": "string", "pattern": "a" }),
            &["PATTERN_ADDED"],
        ),
    ]);
    let bytes = |kind: &str| json!({ "type": kind, "connect.type": "bytes" });
    assert_pairs(&[(bytes("string"), bytes("number"), &[])]);
}

#[test]
fn choices_may_grow_and_demands_may_shrink() {
    let of = |keyword: &str, kinds: &[&str]| {
        let parts: Vec<_> = kinds.iter().map(|kind| json!({ "type": kind })).collect();
        json!({ keyword: parts })
    };
    let (s, sn, sns) = (
        &["string"][..],
        &["string", "number"][..],
        &["string", "number", "string"][..],
    );
    for choice in ["oneOf", "anyOf"] {
        assert_pairs_in_both_drafts(&[
            (of(choice, s), of(choice, sn), &[]),
            (of(choice, sn), of(choice, s), &["SUM_TYPE_NARROWED"]),
            (of(choice, sn), of(choice, &["number", "string"]), &[]),
            (of(choice, sns), of(choice, sn), &[]),
            (
                of(choice, s),
                of(choice, &["null"]),
                &["COMBINED_TYPE_SUBSCHEMAS_CHANGED"],
            ),
            (of(choice, s), of("allOf", s), &[]),
            (of(choice, sn), of("allOf", s), &["COMBINED_TYPE_CHANGED"]),
            (json!({ "type": "string" }), of(choice, sn), &[]),
            (json!({ "type": "null" }), of(choice, sn), &["TYPE_CHANGED"]),
        ]);
    }
    assert_pairs_in_both_drafts(&[
        (of("allOf", sn), of("allOf", s), &[]),
        (of("allOf", s), of("allOf", sn), &["PRODUCT_TYPE_EXTENDED"]),
        (of("allOf", sn), of("oneOf", s), &[]),
        (of("oneOf", sn), of("anyOf", sn), &[]),
        (of("anyOf", sn), of("oneOf", sn), &["COMBINED_TYPE_CHANGED"]),
        (of("allOf", sn), json!({ "type": "number" }), &[]),
        (of("allOf", s), json!({ "type": "string" }), &[]),
    ]);
}

#[test]
fn parts_are_matched_one_to_one() {
    // The first old part fits both new ones, the second only the first new one.
    let old = json!({ "oneOf": [{ "type": "integer" }, { "type": "number" }] });
    let new = json!({ "oneOf": [{ "type": "number", "title": "N" }, { "type": "integer", "title": "I" }] });
    assert_eq!(kinds(&old, &new), [""; 0]);
    let narrow = json!({ "oneOf": [{ "type": "integer", "title": "I" }, { "type": "string" }] });
    assert_eq!(kinds(&old, &narrow), ["COMBINED_TYPE_SUBSCHEMAS_CHANGED"]);
}
