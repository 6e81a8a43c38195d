//! Compatibility of two schemas: can data written with one be read with the other?
//!
//! Avro has its own rules of schema resolution.
//!
//! For JSON Schema the rules are those of Confluent's registry: see [`crate::json_schema`].

mod resolution;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::avro;
use crate::checker::Deadline;
use crate::json_schema::{self, Document};
use crate::parse::References;
use crate::schema::SchemaType;

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
    /// Returns the name on the wire.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Backward => "BACKWARD",
            Self::BackwardTransitive => "BACKWARD_TRANSITIVE",
            Self::Forward => "FORWARD",
            Self::ForwardTransitive => "FORWARD_TRANSITIVE",
            Self::Full => "FULL",
            Self::FullTransitive => "FULL_TRANSITIVE",
        }
    }

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
    pub(super) fn incompatibilities(
        self,
        new: &Compared,
        old: &Compared,
        deadline: &Deadline,
    ) -> Vec<String> {
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
        let backward = self
            .backward()
            .then(|| reads(new, old, ["new", "old"], deadline));
        let forward = self
            .forward()
            .then(|| reads(old, new, ["old", "new"], deadline));
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
    [reader_name, writer_name]: [&str; 2],
    _deadline: &Deadline,
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
    [reader_name, _]: [&str; 2],
    deadline: &Deadline,
) -> Vec<String> {
    let parse = |schema: &Compared| serde_json::from_str::<Value>(&schema.text);
    let (reading, writing) = match (parse(reader), parse(writer)) {
        (Ok(reading), Ok(writing)) => (reading, writing),
        (Err(error), _) | (_, Err(error)) => return vec![error.to_string()],
    };
    let reading = Document {
        schema: &reading,
        references: &reader.references,
    };
    let writing = Document {
        schema: &writing,
        references: &writer.references,
    };
    match json_schema::findings(reading, writing, deadline) {
        Ok(findings) => {
            let messages = findings.iter().map(|finding| finding.message(reader_name));
            messages.collect()
        }
        Err(error) => vec![format!("the schemas cannot be compared: {error}")],
    }
}

#[cfg(test)]
mod tests;
