//! Variable-length integers: seven bits per byte, the least significant first.
//!
//! # References
//!
//! - <https://protobuf.dev/programming-guides/encoding/#varints>

/// Appends an unsigned integer.
pub fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends a signed integer in zigzag form: small magnitudes take few bytes.
pub fn put(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, zigzag(value));
}

/// Returns the bytes of a signed integer in zigzag form.
pub fn length(value: i64) -> usize {
    let bits = u64::BITS - (zigzag(value) | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn length_is_the_number_of_appended_bytes(value: i64, shift in 0..64) {
            let value = value >> shift;
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            prop_assert_eq!(bytes.len(), length(value));
        }
    }

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
            put(&mut bytes, value);
            assert_eq!(bytes, expected, "{value}");
        }
        let mut bytes = Vec::new();
        put(&mut bytes, i64::MIN);
        assert_eq!(
            bytes,
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]
        );
    }
}
