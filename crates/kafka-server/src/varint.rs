//! Integers of variable length: seven bits per byte, the least significant first.
//!
//! # References
//!
//! - <https://kafka.apache.org/documentation/#record>

use bytes::BufMut;

/// Reads a signed integer in zigzag form; `None` if the bytes end before it.
pub fn varint(input: &mut &[u8]) -> Option<i64> {
    let mut value: u64 = 0;
    for shift in (0..64).step_by(7) {
        let (byte, following) = input.split_first()?;
        *input = following;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let magnitude = (value >> 1).cast_signed();
            return Some(if value & 1 == 1 {
                !magnitude
            } else {
                magnitude
            });
        }
    }
    None
}

/// Appends a signed integer in zigzag form: small magnitudes take few bytes.
pub fn put_varint(value: i64, output: &mut impl BufMut) {
    put_unsigned_varint(((value << 1) ^ (value >> 63)).cast_unsigned(), output);
}

/// Appends an unsigned integer.
pub fn put_unsigned_varint(mut value: u64, output: &mut impl BufMut) {
    while value >= 0x80 {
        output.put_u8(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    output.put_u8(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_the_bytes_of_protocol_buffers() {
        for (value, expected) in [
            (0, &[0][..]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[0x7e]),
            (-64, &[0x7f]),
            (64, &[0x80, 1]),
            (150, &[0xac, 2]),
        ] {
            let mut bytes = Vec::new();
            put_varint(value, &mut bytes);
            assert_eq!(bytes, expected, "{value}");
            assert_eq!(varint(&mut &bytes[..]), Some(value));
        }
        let mut bytes = Vec::new();
        put_varint(i64::MIN, &mut bytes);
        assert_eq!(
            bytes,
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]
        );
    }
}
