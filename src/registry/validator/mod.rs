//! Payloads against their schema.

mod flat;

use serde_json::Value;

use crate::registry::error::Error;
use crate::registry::validator::flat::Flat;

/// A JSON Schema, compiled once and used for every payload.
#[derive(Debug)]
pub struct PayloadValidator {
    flat: Option<Flat>,
    full: jsonschema::Validator,
}

/// Why a payload does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Not JSON.
    #[error("payload is not JSON: {reason}")]
    NotJson {
        /// What the parser says.
        reason: String,
    },
    /// JSON that the schema forbids.
    #[error("payload does not fit its schema at `{path}`: {reason}")]
    Forbidden {
        /// JSON pointer into the payload; empty for the whole.
        path: String,
        /// What the schema asks for.
        reason: String,
    },
}

impl PayloadValidator {
    /// Compiles the text of a JSON Schema. References to other documents are not followed.
    pub fn compile(schema: &str) -> Result<Self, Error> {
        let invalid = |reason| Error::InvalidSchema { reason };
        let schema: Value =
            serde_json::from_str(schema).map_err(|wrong| invalid(wrong.to_string()))?;
        let full = jsonschema::options()
            .offline()
            .should_validate_formats(false)
            .build(&schema)
            .map_err(|wrong| invalid(wrong.to_string()))?;
        let flat = Flat::of(&schema);
        Ok(Self { flat, full })
    }

    /// Checks the JSON of a payload, without its wire header.
    pub fn check(&self, json: &[u8]) -> Result<(), Misfit> {
        if self.flat.as_ref().is_some_and(|flat| flat.accepts(json)) {
            return Ok(());
        }
        let payload: Value = serde_json::from_slice(json).map_err(|wrong| Misfit::NotJson {
            reason: wrong.to_string(),
        })?;
        self.full
            .validate(&payload)
            .map_err(|wrong| Misfit::Forbidden {
                path: wrong.instance_path().to_string(),
                reason: wrong.masked().to_string(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_checked_against_the_schema() {
        let schema = r#"{"type":"object","properties":{"a":{"type":["integer","null"]}},"required":["a"],"additionalProperties":false}"#;
        let validator = PayloadValidator::compile(schema).expect("it is a schema");
        assert_eq!(validator.check(br#"{"a":1}"#), Ok(()));
        assert_eq!(validator.check(br#"{"a":null}"#), Ok(()));
        let misfit = |json: &[u8]| {
            validator
                .check(json)
                .expect_err("it does not fit")
                .to_string()
        };
        assert_eq!(
            misfit(br#"{"a":"x"}"#),
            r#"payload does not fit its schema at `/a`: value is not of types "null", "integer""#
        );
        assert!(misfit(b"{}").contains("required"));
        assert!(misfit(br#"{"a":1,"b":2}"#).contains("'b' was unexpected"));
        assert!(misfit(b"{").starts_with("payload is not JSON: "));
    }

    #[test]
    fn what_is_no_schema_is_refused_and_nothing_is_fetched() {
        for schema in [
            "",
            "{",
            r#"{"type":"text"}"#,
            r#"{"$ref":"http://127.0.0.1:1/x.json"}"#,
        ] {
            let error = PayloadValidator::compile(schema).expect_err("it is no schema");
            assert!(!error.hint().is_empty(), "{schema}");
        }
    }
    #[test]
    fn a_schema_that_refers_to_itself_without_end_does_not_end_the_process() {
        let schema = r##"{"definitions":{"a":{"allOf":[{"$ref":"#/definitions/b"}]},"b":{"allOf":[{"$ref":"#/definitions/a"}]}},"$ref":"#/definitions/a"}"##;
        if let Ok(validator) = PayloadValidator::compile(schema) {
            drop(validator.check(b"1"));
        }
    }
}
