//! Strings of responses.

use kafka_protocol::protocol::StrBytes;

pub fn str_bytes(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
