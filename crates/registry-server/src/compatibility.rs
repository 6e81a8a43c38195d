//! Compatibility of two schemas: can data written with one be read with the other?
//!
//! Avro has its own rules of schema resolution.
//!
//! For JSON Schema the rule is containment: a reader can read a writer's data if the reader's schema
//! accepts every value that the writer's schema accepts. `jsonschema` decides this. If it cannot
//! decide, the schemas count as incompatible, so that "compatible" is always proved. As in
//! Confluent's registry, a required property of the reader may be missing if it has a default.

mod resolution;

use jsonschema::canonical::{self, CanonicalSchema, Containment};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::avro;
use crate::parse::{References, draft};
use crate::schema::SchemaType;

/// Maximum length of the rejected values in a message, in characters.
const MAX_SHOWN: usize = 400;

/// Compatibility level of a subject.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Level {
    None,
    /// The new schema can read data of the latest version.
    #[default]
    Backward,
    BackwardTransitive,
    /// The latest version can read data of the new schema.
    Forward,
    ForwardTransitive,
    /// Backward and forward.
    Full,
    FullTransitive,
}

/// A schema with the documents it refers to.
#[derive(Debug, Clone)]
pub(super) struct Compared {
    pub(super) kind: SchemaType,
    pub(super) text: String,
    pub(super) references: References,
}

impl Level {
    /// Returns whether a new schema is compared with all versions, not only the latest.
    pub(super) fn transitive(self) -> bool {
        matches!(
            self,
            Self::BackwardTransitive | Self::ForwardTransitive | Self::FullTransitive
        )
    }

    fn backward(self) -> bool {
        matches!(
            self,
            Self::Backward | Self::BackwardTransitive | Self::Full | Self::FullTransitive
        )
    }

    fn forward(self) -> bool {
        matches!(
            self,
            Self::Forward | Self::ForwardTransitive | Self::Full | Self::FullTransitive
        )
    }

    /// Returns the reasons why a new schema is not compatible with an old one, if any.
    pub(super) fn incompatibilities(self, new: &Compared, old: &Compared) -> Vec<String> {
        if self == Self::None || same(new, old) {
            return Vec::new();
        }
        if new.kind != old.kind {
            let (new, old) = (new.kind.name(), old.kind.name());
            return vec![format!("the new schema is {new}, the old schema is {old}")];
        }
        let reads = match new.kind {
            SchemaType::Avro => reads_avro,
            SchemaType::Json => reads_json,
        };
        let backward = self.backward().then(|| reads(new, old, "new", "old"));
        let forward = self.forward().then(|| reads(old, new, "old", "new"));
        [backward, forward]
            .into_iter()
            .flatten()
            .flatten()
            .collect()
    }
}

fn same(new: &Compared, old: &Compared) -> bool {
    let value = |text: &str| serde_json::from_str::<Value>(text).ok();
    new.kind == old.kind && new.references == old.references && value(&new.text) == value(&old.text)
}

/// Returns the reasons why a reader cannot read a writer's data, if any.
fn reads_avro(
    reader: &Compared,
    writer: &Compared,
    reader_name: &str,
    writer_name: &str,
) -> Vec<String> {
    let parse = |schema: &Compared| {
        let text = serde_json::from_str(&schema.text).map_err(|error| error.to_string());
        text.and_then(|text| avro::Schema::parse(&text, schema.references.0.values()))
    };
    let incompatibilities = match (parse(reader), parse(writer)) {
        (Ok(reader), Ok(writer)) => resolution::incompatibilities(&reader, &writer),
        (Err(error), _) | (_, Err(error)) => vec![error],
    };
    let described = incompatibilities.into_iter().map(|reason| {
        format!("the {reader_name} schema cannot read data of the {writer_name} schema: {reason}")
    });
    described.collect()
}

/// Returns the reasons why a reader cannot read a writer's data, if any.
fn reads_json(
    reader: &Compared,
    writer: &Compared,
    reader_name: &str,
    writer_name: &str,
) -> Vec<String> {
    let undecided = || {
        let text = format!(
            "cannot prove that the {reader_name} schema accepts every value that the {writer_name} \
             schema accepts"
        );
        vec![text]
    };
    let (Some(mut reading), Some(writing)) = (json(reader), json(writer)) else {
        return undecided();
    };
    defaults_make_optional(&mut reading);
    // Schemas can be compared only by the rules of the same draft.
    let draft = draft(&reading);
    let canonical = |schema: &Value, references: &References| {
        canonical::options()
            .with_draft(draft)
            .should_validate_formats(false)
            .with_retriever(references.resolved_in(schema))
            .canonicalize(schema)
            .ok()
    };
    let reading = canonical(&reading, &reader.references);
    let writing = canonical(&writing, &writer.references);
    let (Some(reading), Some(writing)) = (reading, writing) else {
        return undecided();
    };
    match reading.covers(&writing) {
        Ok(Containment::Yes) => Vec::new(),
        Ok(Containment::No) => {
            let rejected = rejected_values(&writing, &reading);
            let text = format!(
                "the {reader_name} schema rejects values that the {writer_name} schema accepts{rejected}"
            );
            vec![text]
        }
        Ok(Containment::Unknown) | Err(_) => undecided(),
    }
}

fn json(schema: &Compared) -> Option<Value> {
    serde_json::from_str(&schema.text).ok()
}

/// Describes the values of a writer that a reader rejects, if that is known.
fn rejected_values(writing: &CanonicalSchema, reading: &CanonicalSchema) -> String {
    let Ok(rejected) = writing.subtract(reading) else {
        return String::new();
    };
    let mut rejected = rejected.to_json_schema();
    if let Some(keywords) = rejected.as_object_mut() {
        keywords.remove("$schema");
    }
    let text = rejected.to_string();
    let cut = text.char_indices().nth(MAX_SHOWN);
    match cut {
        None => format!(": {text}"),
        Some((end, _)) => format!(": {}…", text.get(..end).unwrap_or_default()),
    }
}

/// Removes properties with a default from `required`.
fn defaults_make_optional(schema: &mut Value) {
    match schema {
        Value::Array(parts) => parts.iter_mut().for_each(defaults_make_optional),
        Value::Object(parts) => {
            let has_default = |name: &Value, properties: &Value| {
                let property = name.as_str().and_then(|name| properties.get(name));
                property.is_some_and(|property| property.get("default").is_some())
            };
            let properties = parts.get("properties").cloned().unwrap_or_default();
            if let Some(Value::Array(required)) = parts.get_mut("required") {
                required.retain(|name| !has_default(name, &properties));
            }
            parts.values_mut().for_each(defaults_make_optional);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
