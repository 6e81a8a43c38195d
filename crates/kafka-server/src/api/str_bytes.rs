//! Strings in responses.

use kafka_protocol::protocol::StrBytes;

/// Copies a string for a response.
pub fn str_bytes(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
