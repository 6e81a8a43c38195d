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
        let columns = workload.message_schema(topic);
        let schema = JsonSchema::new(&columns, name, SchemaForm::Typed);
        let schema = Schema::json(schema.to_line());
        let subject = format!("{name}-value");
        let registered = async {
            let schema_id = registry.register(&subject, &schema).await?;
            // Other consumers of the topic use the registry's copy, so validate with that one.
            let held = registry.schema(schema_id).await?;
            let validator = Box::new(PayloadValidator::compile(&held.text)?);
            Ok::<_, registry::Error>(Self::Confluent {
                schema_id,
                validator,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn confluent(schema_id: u32) -> ValueFormat {
        let validator = PayloadValidator::compile(r#"{"type":"object"}"#).unwrap();
        ValueFormat::Confluent {
            schema_id,
            validator: Box::new(validator),
        }
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
