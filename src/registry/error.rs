//! Errors of the registry client and their hints.

use std::time::Duration;

/// A call to a registry failed, or a schema is invalid.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not an http or https URL.
    #[error("schema registry address `{url}` is not an http or https URL")]
    InvalidUrl {
        /// Address without credentials.
        url: String,
    },
    /// The HTTP client could not be created, for example because of an invalid certificate.
    #[error("failed to create the schema registry client")]
    Prepare {
        /// Cause.
        #[source]
        source: reqwest::Error,
    },
    /// The registry could not be reached, or closed the connection.
    #[error("schema registry `{url}` failed to {action}")]
    Request {
        /// What the request was for, as a verb.
        action: String,
        /// URL of the registry.
        url: String,
        /// Cause.
        #[source]
        source: reqwest::Error,
    },
    /// The registry did not respond in time.
    #[error("schema registry `{url}` did not {action} within {timeout:?}")]
    Timeout {
        /// What the request was for, as a verb.
        action: String,
        /// URL of the registry.
        url: String,
        /// Timeout of the call.
        timeout: Duration,
    },
    /// The registry refused the request.
    #[error("schema registry `{url}` refused to {action}: {message} (error {code})")]
    Refused {
        /// What the request was for, as a verb.
        action: String,
        /// URL of the registry.
        url: String,
        /// Error code of the registry, or the HTTP status.
        code: u32,
        /// Message of the registry.
        message: String,
    },
    /// The response is not what the API specifies.
    #[error("schema registry `{url}` sent an invalid response to the request to {action}")]
    Response {
        /// What the request was for, as a verb.
        action: String,
        /// URL of the registry.
        url: String,
    },
    /// A text is not a JSON Schema.
    #[error("invalid JSON Schema: {reason}")]
    InvalidSchema {
        /// Why it is invalid.
        reason: String,
    },
}

/// Error codes for a subject, a version and a schema id that do not exist.
const UNKNOWN: [u32; 3] = [40401, 40402, 40403];

impl Error {
    /// Returns whether the registry does not have the schema.
    pub fn is_unknown_schema(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if UNKNOWN.contains(code))
    }

    /// Returns whether a retry may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Request { .. } | Self::Timeout { .. } => true,
            // The first digits of a registry's own code are the HTTP status.
            Self::Refused { code, .. } => {
                let status = if *code < 1_000 { *code } else { *code / 100 };
                status == 429 || status >= 500
            }
            _ => false,
        }
    }

    /// Returns a hint for the user.
    pub fn hint(&self) -> String {
        let hint = match self {
            Self::InvalidUrl { .. } => "write the address as `http://127.0.0.1:8081`",
            Self::Prepare { .. } => "check the CA certificate",
            Self::Request { .. } | Self::Timeout { .. } => {
                "check `ENDPOINT_SCHEMA_URL` and that the registry is running"
            }
            Self::Refused { code, .. }
                if matches!(code / 100, 401 | 403) || matches!(code, 401 | 403) =>
            {
                "check `SCHEMA_REGISTRY_API_KEY` and `SCHEMA_REGISTRY_API_SECRET`"
            }
            Self::Refused { code, .. } if *code == 409 || code / 100 == 409 => {
                "use another topic, or set the compatibility level of the subject to NONE"
            }
            Self::Refused { .. } | Self::Response { .. } => {
                "check that the address belongs to a Confluent-compatible schema registry"
            }
            Self::InvalidSchema { .. } => "print a valid schema with `convoy dataset schema`",
        };
        hint.to_owned()
    }
}
