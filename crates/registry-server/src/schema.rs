//! A schema as sent to and from a registry.

use serde::{Deserialize, Serialize};

/// A schema with its type and references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Schema {
    /// The schema as text.
    #[serde(rename = "schema")]
    pub text: String,
    /// Type of the schema; Avro is the default on the wire.
    #[serde(
        rename = "schemaType",
        default,
        skip_serializing_if = "SchemaType::is_avro"
    )]
    pub kind: SchemaType,
    /// Registered schemas that it refers to by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
}

/// Type of a schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum SchemaType {
    /// Apache Avro.
    #[default]
    Avro,
    /// JSON Schema.
    Json,
    /// Protocol Buffers.
    Protobuf,
}

/// A registered schema that another one refers to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reference {
    /// Name in the referring schema, such as the value of `$ref`.
    pub name: String,
    /// Subject of the referenced schema.
    pub subject: String,
    /// Version of the subject.
    pub version: u32,
}

impl Schema {
    /// Creates a JSON Schema without references. The text is not checked.
    pub fn json(text: impl Into<String>) -> Self {
        Self::new(SchemaType::Json, text.into())
    }

    /// Creates an Avro schema without references. The text is not checked.
    pub fn avro(text: impl Into<String>) -> Self {
        Self::new(SchemaType::Avro, text.into())
    }

    fn new(kind: SchemaType, text: String) -> Self {
        Self {
            text,
            kind,
            references: Vec::new(),
        }
    }
}

impl SchemaType {
    /// Returns the name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avro => "AVRO",
            Self::Json => "JSON",
            Self::Protobuf => "PROTOBUF",
        }
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes fields by reference"
    )]
    fn is_avro(&self) -> bool {
        *self == Self::Avro
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn avro_is_the_default_type() {
        let avro = r#"{"schema":"\"string\""}"#;
        let json = r#"{"schema":"{}","schemaType":"JSON","references":[{"name":"a","subject":"b","version":1}]}"#;
        for text in [avro, json] {
            let schema: Schema = serde_json::from_str(text).expect("it is a schema");
            assert_eq!(serde_json::to_string(&schema).expect("it is JSON"), text);
        }
        assert!(serde_json::from_str::<Schema>(r#"{"schema":"","schemaType":"XML"}"#).is_err());
    }
}
