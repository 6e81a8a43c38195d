//! Wire format of Confluent's serializers: a payload with the id of its schema.
//!
//! ```text
//!  0x00 | id, 4 bytes, big-endian | JSON
//! ```

/// Length of the header before the JSON.
pub const HEADER_BYTES: usize = 5;

const MAGIC: u8 = 0;

/// A payload is not in the wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The payload is shorter than the header.
    #[error(
        "payload of {bytes} bytes is shorter than the header with the schema id ({HEADER_BYTES} bytes)"
    )]
    TooShort {
        /// Length of the payload.
        bytes: usize,
    },
    /// The first byte is not the magic byte, as in plain JSON.
    #[error("payload starts with byte {found:#04x} instead of the magic byte 0x00")]
    NoMagic {
        /// First byte.
        found: u8,
    },
}

/// Appends the header with the id of the payload's schema.
pub fn put_header(payload: &mut Vec<u8>, schema_id: u32) {
    payload.push(MAGIC);
    payload.extend_from_slice(&schema_id.to_be_bytes());
}

/// Splits a payload into the id of its schema and the JSON.
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
    fn header_is_as_confluents_serializer_writes_it() {
        let mut payload = Vec::new();
        put_header(&mut payload, 258);
        payload.extend_from_slice(b"{}");
        assert_eq!(payload, b"\x00\x00\x00\x01\x02{}");
        assert_eq!(split(&payload), Ok((258, &b"{}"[..])));
    }

    #[test]
    fn payload_without_the_header_is_rejected() {
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
        fn header_round_trips(id: u32, json in prop::collection::vec(any::<u8>(), 0..20)) {
            let mut payload = Vec::new();
            put_header(&mut payload, id);
            payload.extend_from_slice(&json);
            prop_assert_eq!(split(&payload), Ok((id, json.as_slice())));
        }
    }
}
