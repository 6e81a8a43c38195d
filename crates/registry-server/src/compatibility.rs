//! Whether data written with one schema can be read with another.
//!
//! For Avro its own rules of resolution decide.
//!
//! For JSON Schema that is containment: a reader can read a writer's data if every value that the
//! writer's schema accepts is accepted by the reader's. `jsonschema` decides it; what it cannot
//! decide counts as incompatible, so that "compatible" is always proved. One leniency follows
//! Confluent's registry: a property that the reader requires and has a default for may be missing.

mod resolution;

use jsonschema::canonical::{self, CanonicalSchema, Containment};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::avro;
use crate::parse::{References, draft};
use crate::schema::SchemaType;

/// Characters of the values that no longer fit, as shown in a message.
const MAX_SHOWN: usize = 400;

/// Which versions a new one must be compatible with, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Level {
    None,
    /// The new schema reads data of the latest version.
    #[default]
    Backward,
    BackwardTransitive,
    /// The latest version reads data of the new schema.
    Forward,
    ForwardTransitive,
    /// Both.
    Full,
    FullTransitive,
}

/// A schema to be compared.
#[derive(Debug, Clone)]
pub(super) struct Compared {
    pub(super) kind: SchemaType,
    pub(super) text: String,
    pub(super) references: References,
}

impl Level {
    /// Returns whether all versions count, or the latest alone.
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

    /// Returns why a new schema is not compatible with an old one; nothing if it is.
    pub(super) fn complaints(self, new: &Compared, old: &Compared) -> Vec<String> {
        if self == Self::None || same(new, old) {
            return Vec::new();
        }
        if new.kind != old.kind {
            let (new, old) = (new.kind.name(), old.kind.name());
            return vec![format!("the new schema is {new}, the old one {old}")];
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

/// Returns why a reader cannot read a writer's data; nothing if it can.
fn reads_avro(
    reader: &Compared,
    writer: &Compared,
    reader_name: &str,
    writer_name: &str,
) -> Vec<String> {
    let parse = |schema: &Compared| {
        let text = serde_json::from_str(&schema.text).map_err(|wrong| wrong.to_string());
        text.and_then(|text| avro::Schema::parse(&text, schema.references.0.values()))
    };
    let complaints = match (parse(reader), parse(writer)) {
        (Ok(reader), Ok(writer)) => resolution::complaints(&reader, &writer),
        (Err(wrong), _) | (_, Err(wrong)) => vec![wrong],
    };
    let described = complaints.into_iter().map(|complaint| {
        format!(
            "the {reader_name} schema cannot read what the {writer_name} one wrote: {complaint}"
        )
    });
    described.collect()
}

/// Returns why a reader cannot read a writer's data; nothing if it can.
fn reads_json(
    reader: &Compared,
    writer: &Compared,
    reader_name: &str,
    writer_name: &str,
) -> Vec<String> {
    let undecided = || {
        let text = format!(
            "it could not be proved that the {reader_name} schema accepts whatever the \
             {writer_name} one accepts"
        );
        vec![text]
    };
    let (Some(mut reading), Some(writing)) = (json(reader), json(writer)) else {
        return undecided();
    };
    defaults_make_optional(&mut reading);
    // Both must be read by the same rules to be compared.
    let draft = draft(&reading);
    let canonical = |schema: &Value, references: &References| {
        canonical::options()
            .with_draft(draft)
            .should_validate_formats(false)
            .with_retriever(references.seen_from(schema))
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
            let refused = refused(&writing, &reading);
            let text = format!(
                "the {reader_name} schema refuses what the {writer_name} one accepts{refused}"
            );
            vec![text]
        }
        Ok(Containment::Unknown) | Err(_) => undecided(),
    }
}

fn json(schema: &Compared) -> Option<Value> {
    serde_json::from_str(&schema.text).ok()
}

/// Describes the values that a reader refuses of a writer's, if they can be told.
fn refused(writing: &CanonicalSchema, reading: &CanonicalSchema) -> String {
    let Ok(refused) = writing.subtract(reading) else {
        return String::new();
    };
    let mut refused = refused.to_json_schema();
    if let Some(keywords) = refused.as_object_mut() {
        keywords.remove("$schema");
    }
    let text = refused.to_string();
    let cut = text.char_indices().nth(MAX_SHOWN);
    match cut {
        None => format!(": {text}"),
        Some((end, _)) => format!(": {}…", text.get(..end).unwrap_or_default()),
    }
}

/// Takes properties with a default out of what objects must have.
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
