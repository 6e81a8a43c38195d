//! Pairs of schemas and their verdicts, by kind of change.

mod content;
mod recursion;
mod values;

use serde_json::json;

use crate::json_schema::*;

fn found(writer: &Value, reader: &Value) -> Result<Vec<Finding>, String> {
    let references = References::default();
    let document = |schema| Document {
        schema,
        references: &references,
    };
    let deadline = Deadline::default();
    findings(document(reader), document(writer), &deadline)
}

/// Kinds of the differences between an old schema and a new one that are not compatible.
fn kinds(old: &Value, new: &Value) -> Vec<String> {
    let found = found(old, new).expect("they can be compared");
    let kinds = found.into_iter().map(|finding| finding.kind.into_owned());
    kinds.collect()
}

#[track_caller]
fn assert_pairs(pairs: &[(Value, Value, &[&str])]) {
    for (old, new, expected) in pairs {
        assert_eq!(kinds(old, new), *expected, "{old} -> {new}");
        assert_eq!(kinds(old, old), [""; 0], "{old}");
        assert_eq!(kinds(new, new), [""; 0], "{new}");
    }
}

/// Asserts pairs also in draft 2020-12.
#[track_caller]
fn assert_pairs_in_both_drafts(pairs: &[(Value, Value, &[&str])]) {
    assert_pairs(pairs);
    let modern = pairs.iter().map(|(old, new, expected)| {
        let mut pair = [old.clone(), new.clone()];
        for schema in &mut pair {
            schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        }
        let [old, new] = pair;
        (old, new, *expected)
    });
    assert_pairs(&modern.collect::<Vec<_>>());
}
