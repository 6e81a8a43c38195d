//! The wire form of Confluent's serializers: which schema a payload follows.
//!
//! ```text
//!  0x00 | id, 4 bytes, big-endian | JSON
//! ```

/// Bytes before the JSON.
pub const HEADER_BYTES: usize = 5;

const MAGIC: u8 = 0;

/// A payload is not in the wire form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Fewer bytes than the header has.
    #[error("payload of {bytes} bytes is shorter than the {HEADER_BYTES} bytes of a schema id")]
    TooShort {
        /// Bytes of the payload.
        bytes: usize,
    },
    /// Another first byte, such as that of plain JSON.
    #[error("payload starts with byte {found:#04x} instead of the magic byte 0x00")]
    NoMagic {
        /// The first byte.
        found: u8,
    },
}

/// Appends the header of a payload that follows a schema.
pub fn put_header(payload: &mut Vec<u8>, schema_id: u32) {
    payload.push(MAGIC);
    payload.extend_from_slice(&schema_id.to_be_bytes());
}

/// Splits a payload into the id of its schema and its JSON.
pub fn split(payload: &[u8]) -> Result<(u32, &[u8]), WireError> {
    let bytes = payload.len();
    let Some((&[magic, a, b, c, d], json)) = payload.split_first_chunk::<HEADER_BYTES>() else {
        return Err(WireError::TooShort { bytes });
    };
    if magic != MAGIC {
        return Err(WireError::NoMagic { found: magic });
    }
    Ok((u32::from_be_bytes([a, b, c, d]), json))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_payload_is_what_confluents_serializer_writes() {
        let mut payload = Vec::new();
        put_header(&mut payload, 258);
        payload.extend_from_slice(b"{}");
        assert_eq!(payload, b"\x00\x00\x00\x01\x02{}");
        assert_eq!(split(&payload), Ok((258, &b"{}"[..])));
    }

    #[test]
    fn what_is_not_in_the_wire_form_is_said() {
        assert_eq!(split(b"{\"a\":1}"), Err(WireError::NoMagic { found: b'{' }));
        for bytes in 0..HEADER_BYTES {
            assert_eq!(
                split(&[0; HEADER_BYTES][..bytes]),
                Err(WireError::TooShort { bytes })
            );
        }
    }

    proptest! {
        #[test]
        fn headers_come_back(id: u32, json in prop::collection::vec(any::<u8>(), 0..20)) {
            let mut payload = Vec::new();
            put_header(&mut payload, id);
            payload.extend_from_slice(&json);
            prop_assert_eq!(split(&payload), Ok((id, json.as_slice())));
        }
    }
}
