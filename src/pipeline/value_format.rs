//! Format of message values: plain JSON, or JSON with the id of its schema in front.

use convoy_registry_server::Schema;

use crate::dataset::{JsonSchema, SchemaForm};
use crate::pipeline::emit::Workload;
use crate::pipeline::error::Error;
use crate::registry::{self, Client, PayloadValidator, wire};

/// Format of every message of one topic.
#[derive(Debug, Default)]
pub enum ValueFormat {
    /// The payload alone.
    #[default]
    Json,
    /// Confluent's wire format: magic byte, schema id, payload.
    Confluent {
        schema_id: u32,
        /// The registered schema, compiled; boxed because it is large.
        validator: Box<PayloadValidator>,
        /// Whether the registry holds the schema of the topic's rows as it was registered.
        unchanged: bool,
    },
}

impl ValueFormat {
    /// Registers the schema of a topic's rows under `<topic>-value`.
    pub async fn register(
        workload: &Workload,
        topic: usize,
        name: &str,
        registry: &Client,
    ) -> Result<Self, Error> {
        let own = JsonSchema::new(workload.schema(topic), name, SchemaForm::Typed).to_line();
        let schema = Schema::json(own.clone());
        let subject = format!("{name}-value");
        let registered = async {
            let schema_id = registry.register(&subject, &schema).await?;
            // Other consumers of the topic use the registry's copy, so validate with that one.
            let held = registry.schema(schema_id).await?;
            let validator = Box::new(PayloadValidator::compile(&held.text)?);
            Ok::<_, registry::Error>(Self::Confluent {
                schema_id,
                validator,
                unchanged: is_same(&own, &held.text),
            })
        };
        registered.await.map_err(Error::Registry)
    }

    /// Returns what each message value has before its payload.
    pub fn prefix(&self) -> Vec<u8> {
        let mut prefix = Vec::new();
        if let Self::Confluent { schema_id, .. } = self {
            wire::put_header(&mut prefix, *schema_id);
        }
        prefix
    }

    /// Returns the payload of a message value. The error is the reason of the dead letter.
    pub fn payload<'a>(&self, value: &'a [u8]) -> Result<&'a [u8], String> {
        let Self::Confluent { schema_id, .. } = self else {
            return Ok(value);
        };
        let (found, payload) = wire::split(value).map_err(|error| error.to_string())?;
        if found == *schema_id {
            Ok(payload)
        } else {
            Err(format!("schema id is {found}, not {schema_id}"))
        }
    }

    /// Returns whether every payload that becomes a document matches the registered schema, so that
    /// it need not be checked: [`PayloadDecoder`](crate::record::PayloadDecoder) accepts what the
    /// schema of the rows accepts, or less.
    pub fn is_implied(&self) -> bool {
        match self {
            Self::Json => true,
            Self::Confluent { unchanged, .. } => *unchanged,
        }
    }

    /// Validates a payload against the registered schema, if there is one.
    pub fn check(&self, payload: &[u8]) -> Result<(), String> {
        match self {
            Self::Json => Ok(()),
            Self::Confluent { validator, .. } => validator
                .check(payload)
                .map_err(|misfit| misfit.to_string()),
        }
    }
}

/// Returns whether two schemas are the same JSON.
fn is_same(one: &str, other: &str) -> bool {
    let value = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    value(one).is_some_and(|one| Some(one) == value(other))
}

#[cfg(test)]
mod tests {
    use convoy_mongodb_server::bson::Writer;
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::{Column, ColumnType, Schema as Rows};
    use crate::record::PayloadDecoder;

    const KINDS: [ColumnType; 7] = [
        ColumnType::Text,
        ColumnType::Integer,
        ColumnType::LargeInteger,
        ColumnType::Decimal,
        ColumnType::Number,
        ColumnType::Date,
        ColumnType::Boolean,
    ];

    fn confluent(schema_id: u32) -> ValueFormat {
        let validator = PayloadValidator::compile(r#"{"type":"object"}"#).unwrap();
        ValueFormat::Confluent {
            schema_id,
            validator: Box::new(validator),
            unchanged: false,
        }
    }

    fn value_of_any_type() -> impl Strategy<Value = String> {
        prop_oneof![
            "-?(0|[1-9][0-9]{0,40})",
            "-?(0|[1-9][0-9]{0,5})\\.[0-9]{1,5}([eE][+-]?[0-9]{1,3})?",
            "\"[a-z]{0,3}\"",
            Just("\"2024-05-01T10:00:00.000Z\"".to_owned()),
            Just("null".to_owned()),
            Just("true".to_owned()),
        ]
    }

    proptest! {
        #[test]
        fn documents_only_come_from_payloads_that_match_the_schema_of_their_rows(
            value in value_of_any_type(), nullable: bool,
        ) {
            let payload = format!("{{\"a\":{value}}}");
            for kind in KINDS {
                let name = "a".to_owned();
                let rows = Rows { columns: vec![Column { name, kind, nullable }] };
                let schema = JsonSchema::new(&rows, "rows", SchemaForm::Typed).to_line();
                let validator = PayloadValidator::compile(&schema).unwrap();
                let mut document = Vec::new();
                let mut writer = Writer::new(&mut document);
                let decoded = PayloadDecoder::new(&rows).decode(payload.as_bytes(), &mut writer);
                let checked = validator.check(payload.as_bytes());
                prop_assert!(decoded.is_err() || checked.is_ok(), "{} {}", kind, payload);
            }
        }
    }

    #[test]
    fn a_schema_that_the_registry_has_rewritten_is_the_same_json() {
        assert!(is_same(r#"{"a":1,"b":[2]}"#, r#"{ "b": [2], "a": 1 }"#));
        assert!(!is_same(r#"{"a":1}"#, r#"{"a":2}"#));
        assert!(!is_same("{", "{"));
    }

    fn value(format: &ValueFormat, payload: &[u8]) -> Vec<u8> {
        [&format.prefix(), payload].concat()
    }

    #[test]
    fn payload_survives_both_formats() {
        for format in [ValueFormat::Json, confluent(7)] {
            let value = value(&format, b"{}");
            assert_eq!(format.payload(&value), Ok(&b"{}"[..]));
            assert_eq!(format.check(b"{}"), Ok(()));
        }
    }

    #[test]
    fn json_value_is_the_payload_alone() {
        assert_eq!(value(&ValueFormat::Json, b"{}"), b"{}");
    }

    #[test]
    fn schema_id_format_and_schema_mismatches_are_reported() {
        let wrong = |value: &[u8]| confluent(7).payload(value).unwrap_err();
        assert_eq!(wrong(&value(&confluent(8), b"{}")), "schema id is 8, not 7");
        assert!(wrong(b"{\"a\":1}").contains("magic byte"));
        assert!(confluent(7).check(b"[]").is_err());
    }
}
