//! The integers of variable length in records.
//!
//! # References
//!
//! - <https://kafka.apache.org/documentation/#record>

/// Reads a zigzag varint.
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

/// Writes a zigzag varint.
pub fn put_varint(value: i64, output: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        output.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    output.push(rest.to_le_bytes()[0]);
}
