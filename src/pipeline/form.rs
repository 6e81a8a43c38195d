//! What the value of a message looks like: JSON alone, or JSON behind the id of its schema.

use convoy_registry_server::Schema;

use crate::dataset::{JsonSchema, SchemaForm};
use crate::pipeline::context::Context;
use crate::pipeline::error::Error;
use crate::registry::{self, Client, PayloadValidator, wire};

/// The form of every message of one topic.
#[derive(Debug, Default)]
pub enum Form {
    /// The payload and nothing else.
    #[default]
    Json,
    /// Confluent's wire form: the payload behind the id of the schema that it follows.
    Confluent {
        /// The schema's id.
        schema_id: u32,
        /// The schema as it is registered, compiled; boxed because it is large.
        validator: Box<PayloadValidator>,
    },
}

impl Form {
    /// Registers the schema of a topic's rows under `<topic>-value`.
    pub async fn register(
        context: &Context,
        topic: usize,
        registry: &Client,
    ) -> Result<Self, Error> {
        let name = &context.settings.topics[topic];
        let schema = JsonSchema::new(context.workload.schema(topic), name, SchemaForm::Typed);
        let schema = Schema::json(schema.to_line());
        let subject = format!("{name}-value");
        let registered = async {
            let schema_id = registry.register(&subject, &schema).await?;
            // What the registry holds is what counts for everyone who reads the topic.
            let held = registry.schema(schema_id).await?;
            let validator = Box::new(PayloadValidator::compile(&held.text)?);
            Ok::<_, registry::Error>(Self::Confluent {
                schema_id,
                validator,
            })
        };
        registered.await.map_err(Error::Registry)
    }

    /// Makes the value of a message from its payload.
    pub fn value(&self, payload: &[u8]) -> Vec<u8> {
        match self {
            Self::Json => payload.to_vec(),
            Self::Confluent { schema_id, .. } => {
                let mut value = Vec::with_capacity(wire::HEADER_BYTES + payload.len());
                wire::put_header(&mut value, *schema_id);
                value.extend_from_slice(payload);
                value
            }
        }
    }

    /// Takes the payload out of the value of a message; the error says what is wrong with it.
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

    /// Checks a payload against the registered schema, where there is one.
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

    fn confluent(schema_id: u32) -> Form {
        let validator = PayloadValidator::compile(r#"{"type":"object"}"#).unwrap();
        Form::Confluent {
            schema_id,
            validator: Box::new(validator),
        }
    }

    #[test]
    fn payloads_come_back_out_of_their_values() {
        for form in [Form::Json, confluent(7)] {
            let value = form.value(b"{}");
            assert_eq!(form.payload(&value), Ok(&b"{}"[..]));
            assert_eq!(form.check(b"{}"), Ok(()));
        }
    }

    #[test]
    fn the_plain_form_is_the_payload_alone() {
        assert_eq!(Form::Json.value(b"{}"), b"{}");
    }

    #[test]
    fn another_schema_and_another_form_are_told() {
        let wrong = |value: &[u8]| confluent(7).payload(value).unwrap_err();
        assert_eq!(wrong(&confluent(8).value(b"{}")), "schema id is 8, not 7");
        assert!(wrong(b"{\"a\":1}").contains("magic byte"));
        assert!(confluent(7).check(b"[]").is_err());
    }
}
