//! Validation of payloads against their schema.

mod documents;
mod flat;

use std::sync::atomic::{AtomicBool, AtomicUsize};

use serde_json::Value;

use crate::registry::error::Error;
use crate::registry::validator::documents::Documents;
pub use crate::registry::validator::documents::Referenced;
use crate::registry::validator::flat::Flat;

/// A JSON Schema, compiled once and used for every payload.
#[derive(Debug)]
pub struct PayloadValidator {
    flat: Option<Flat>,
    full: jsonschema::Validator,
    /// What is known of the time that checks take.
    pub pace: Pace,
}

/// How long the checks of one schema took.
#[derive(Debug, Default)]
pub struct Pace {
    /// Number of checks that are running although their deadline has passed.
    pub late: AtomicUsize,
    /// Whether a check ended in time.
    pub timely: AtomicBool,
}

/// A payload that does not match its schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The payload is not JSON.
    #[error("payload is not JSON: {reason}")]
    NotJson {
        /// Message of the parser.
        reason: String,
    },
    /// The payload is JSON that the schema rejects.
    #[error("payload does not match its schema at `{path}`: {reason}")]
    Rejected {
        /// JSON pointer into the payload; empty for the whole payload.
        path: String,
        /// What the schema requires.
        reason: String,
    },
}

impl PayloadValidator {
    /// Compiles a JSON Schema. References to other documents are an error.
    pub fn compile(schema: &str) -> Result<Self, Error> {
        Self::compile_with(schema, Vec::new())
    }

    /// Compiles a JSON Schema that may refer to these documents by name.
    pub fn compile_with(schema: &str, referenced: Vec<Referenced>) -> Result<Self, Error> {
        let invalid = |reason| Error::InvalidSchema { reason };
        let schema: Value =
            serde_json::from_str(schema).map_err(|error| invalid(error.to_string()))?;
        let full = jsonschema::options()
            .with_retriever(Documents::new(referenced))
            .should_validate_formats(false)
            .build(&schema)
            .map_err(|error| invalid(error.to_string()))?;
        let flat = Flat::new(&schema);
        Ok(Self {
            flat,
            full,
            pace: Pace::default(),
        })
    }

    /// Creates a validator of null and of texts. The check of a text ends when the channel closes.
    #[cfg(test)]
    pub fn waiting(wait: std::sync::mpsc::Receiver<()>) -> Self {
        let wait = std::sync::Mutex::new(wait);
        let full = jsonschema::options()
            .with_format("wait", move |_text: &str| {
                wait.lock().is_ok_and(|wait| wait.recv().is_err())
            })
            .should_validate_formats(true)
            .build(&serde_json::json!({ "type": ["null", "string"], "format": "wait" }));
        Self {
            flat: None,
            full: full.expect("it is a schema"),
            pace: Pace::default(),
        }
    }

    /// Returns whether a payload certainly matches, in a time that is linear in its length. `false`
    /// means unknown.
    pub fn accepts_at_once(&self, json: &[u8]) -> bool {
        self.flat.as_ref().is_some_and(|flat| flat.accepts(json))
    }

    /// Validates the JSON of a payload, without its wire header.
    pub fn check(&self, json: &[u8]) -> Result<(), Mismatch> {
        if self.accepts_at_once(json) {
            return Ok(());
        }
        let payload: Value = serde_json::from_slice(json).map_err(|error| Mismatch::NotJson {
            reason: error.to_string(),
        })?;
        self.full
            .validate(&payload)
            .map_err(|error| Mismatch::Rejected {
                path: error.instance_path().to_string(),
                reason: error.masked().to_string(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_validated() {
        let schema = r#"{"type":"object","properties":{"a":{"type":["integer","null"]}},"required":["a"],"additionalProperties":false}"#;
        let validator = PayloadValidator::compile(schema).expect("it is a schema");
        assert_eq!(validator.check(br#"{"a":1}"#), Ok(()));
        assert_eq!(validator.check(br#"{"a":null}"#), Ok(()));
        let mismatch = |json: &[u8]| {
            validator
                .check(json)
                .expect_err("it does not match")
                .to_string()
        };
        assert_eq!(
            mismatch(br#"{"a":"x"}"#),
            r#"payload does not match its schema at `/a`: value is not of types "null", "integer""#
        );
        assert!(mismatch(b"{}").contains("required"));
        assert!(mismatch(br#"{"a":1,"b":2}"#).contains("'b' was unexpected"));
        assert!(mismatch(b"{").starts_with("payload is not JSON: "));
    }

    #[test]
    fn invalid_schema_is_rejected_and_nothing_is_fetched() {
        for schema in [
            "",
            "{",
            r#"{"type":"text"}"#,
            r#"{"$ref":"http://127.0.0.1:1/x.json"}"#,
        ] {
            let error = PayloadValidator::compile(schema).expect_err("it is invalid");
            assert!(!error.hint().is_empty(), "{schema}");
        }
    }

    #[test]
    fn references_are_resolved_by_name_or_id() {
        let referenced = |name: &str, text: &str| Referenced {
            name: name.to_owned(),
            text: text.to_owned(),
        };
        let number = r#"{"type":"number"}"#;
        let to_number = r#"{"type":"object","properties":{"lat":{"$ref":"number.json"}}}"#;
        let with_id = r#"{"$id":"http://acme.test/p/position.json","type":"object","properties":{"lat":{"$ref":"number.json"}}}"#;
        let cycle = r#"{"properties":{"at":{"$ref":"whole.json"},"lat":{"$ref":"number.json"}}}"#;
        let to = |reference: &str, id: &str| {
            format!(r#"{{{id}"type":"object","properties":{{"at":{{"$ref":"{reference}"}}}}}}"#)
        };
        for (whole, name, position) in [
            (to("position.json", ""), "position.json", to_number),
            (
                to("position.json", r#""$id":"whole.json","#),
                "position.json",
                to_number,
            ),
            (
                to("position.json", r#""$id":"http://acme.test/whole.json","#),
                "position.json",
                to_number,
            ),
            (
                to("com/acme/position.json", ""),
                "com/acme/position.json",
                to_number,
            ),
            (to("com.acme.Position", ""), "com.acme.Position", to_number),
            (
                to("http://acme.test/p/position.json", ""),
                "other name",
                with_id,
            ),
            (
                to("position.json#/properties", ""),
                "position.json",
                r#"{"properties":{"type":"object","properties":{"lat":{"type":"number"}}}}"#,
            ),
            (to("position.json", ""), "position.json", cycle),
        ] {
            let documents = vec![
                referenced(name, position),
                referenced("number.json", number),
                referenced("whole.json", &whole),
            ];
            let validator = PayloadValidator::compile_with(&whole, documents);
            let validator = validator.unwrap_or_else(|error| panic!("{whole}: {error}"));
            assert_eq!(
                validator.check(br#"{"at":{"lat":59.1}}"#),
                Ok(()),
                "{whole}"
            );
            let wrong = validator.check(br#"{"at":{"lat":"north"}}"#);
            assert!(wrong.is_err(), "{whole}");
        }
    }

    #[test]
    fn endless_self_reference_does_not_overflow_the_stack() {
        let schema = r##"{"definitions":{"a":{"allOf":[{"$ref":"#/definitions/b"}]},"b":{"allOf":[{"$ref":"#/definitions/a"}]}},"$ref":"#/definitions/a"}"##;
        if let Ok(validator) = PayloadValidator::compile(schema) {
            drop(validator.check(b"1"));
        }
    }
}
