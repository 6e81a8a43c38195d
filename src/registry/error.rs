//! What can go wrong with a registry, and what to do about it.

use std::time::Duration;

/// A registry could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of the registry is not a URL.
    #[error("schema registry address `{url}` is not an http or https URL")]
    InvalidUrl {
        /// What was given, without credentials.
        url: String,
    },
    /// The HTTP client could not be made, such as for a bad certificate.
    #[error("failed to prepare the client of the schema registry")]
    Prepare {
        /// Why not.
        #[source]
        source: reqwest::Error,
    },
    /// The registry could not be reached, or broke off.
    #[error("failed to {action} at the schema registry `{url}`")]
    Request {
        /// What was to be done.
        action: String,
        /// The registry.
        url: String,
        /// Why it failed.
        #[source]
        source: reqwest::Error,
    },
    /// The registry did not answer in time.
    #[error("schema registry `{url}` did not {action} within {deadline:?}")]
    Deadline {
        /// What was to be done.
        action: String,
        /// The registry.
        url: String,
        /// How long it had.
        deadline: Duration,
    },
    /// The registry said no.
    #[error("schema registry `{url}` refused to {action}: {message} (error {code})")]
    Refused {
        /// What was to be done.
        action: String,
        /// The registry.
        url: String,
        /// The registry's own error code, or the HTTP status.
        code: u32,
        /// The registry's reason.
        message: String,
    },
    /// The registry's answer is not what its protocol says.
    #[error("schema registry `{url}` gave an answer to `{action}` that is not understood")]
    Answer {
        /// What was to be done.
        action: String,
        /// The registry.
        url: String,
    },
    /// A text is no JSON Schema.
    #[error("invalid JSON Schema: {reason}")]
    InvalidSchema {
        /// Why not.
        reason: String,
    },
}

/// What registries answer when they have no schema with an id.
const UNKNOWN_SCHEMA: u32 = 40403;

impl Error {
    /// Returns whether the registry says that it has no such schema.
    pub fn is_unknown_schema(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == UNKNOWN_SCHEMA)
    }

    /// Returns whether the same request may be answered later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Request { .. } | Self::Deadline { .. } => true,
            // The first digits of a registry's own code are the HTTP status.
            Self::Refused { code, .. } => {
                let status = if *code < 1_000 { *code } else { *code / 100 };
                status == 429 || status >= 500
            }
            _ => false,
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        let hint = match self {
            Self::InvalidUrl { .. } => "write it as `http://127.0.0.1:8081`",
            Self::Prepare { .. } => "check the CA certificate",
            Self::Request { .. } | Self::Deadline { .. } => {
                "check `ENDPOINT_SCHEMA_URL` and whether the registry runs"
            }
            Self::Refused { code, .. }
                if matches!(code / 100, 401 | 403) || matches!(code, 401 | 403) =>
            {
                "check `SCHEMA_REGISTRY_API_KEY` and `SCHEMA_REGISTRY_API_SECRET`"
            }
            Self::Refused { code, .. } if *code == 409 || code / 100 == 409 => {
                "use another topic, or set the compatibility level of the subject to NONE"
            }
            Self::Refused { .. } | Self::Answer { .. } => {
                "check that the address is that of a Confluent-compatible schema registry"
            }
            Self::InvalidSchema { .. } => "`convoy dataset schema` prints a valid one",
        };
        hint.to_owned()
    }
}
