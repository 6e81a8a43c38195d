//! Checks of a single schema.

use serde_json::Value;

use crate::json_schema::{self, Document};
use crate::references::References;
use crate::schema::SchemaType;
use crate::{avro, protobuf};

/// Checks a schema; the error says why it is invalid.
pub(super) fn check(kind: SchemaType, text: &str, references: &References) -> Result<(), String> {
    if kind == SchemaType::Protobuf {
        return protobuf::File::parse(text, references).map(drop);
    }
    let schema: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match kind {
        SchemaType::Json => json_schema::check(Document {
            schema: &schema,
            references,
        }),
        SchemaType::Avro | SchemaType::Protobuf => {
            avro::Schema::parse(&schema, references.0.values()).map(drop)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_no_json_is_rejected() {
        assert!(check(SchemaType::Json, "{", &References::default()).is_err());
    }

    #[test]
    fn deeply_nested_schema_is_checked_or_rejected() {
        for depth in [20, 100, 100_000] {
            let text = format!("{}{{}}{}", "{\"items\":".repeat(depth), "}".repeat(depth));
            let checked = check(SchemaType::Json, &text, &References::default());
            assert_eq!(checked.is_ok(), depth < 1_000);
            let arrays = r#"{"type":"array","items":"#.repeat(depth);
            let text = format!("{arrays}\"int\"{}", "}".repeat(depth));
            assert_eq!(
                check(SchemaType::Avro, &text, &References::default()).is_ok(),
                depth < 1_000
            );
        }
    }
}
