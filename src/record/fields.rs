//! Reads the fields of a record from bytes: variable-length integers, and bytes with their length.
//!
//! A length beyond the remaining bytes is `None`, so that no length on the wire sizes an allocation.

use convoy_kafka_server::protocol::put_varint;

/// Fields from the start of some bytes to their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes that are not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Reads one byte.
    #[inline]
    pub fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// Reads a number of bytes.
    #[inline]
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// Reads a fixed number of bytes.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    /// Reads an integer of up to 64 bits in zigzag form, seven bits a byte.
    #[inline]
    pub fn varint(&mut self) -> Option<i64> {
        let byte = self.byte()?;
        if byte < 0x80 {
            return Some(unzigzag(u64::from(byte)));
        }
        self.long_varint(byte)
    }

    fn long_varint(&mut self, first: u8) -> Option<i64> {
        let mut value = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(unzigzag(value));
            }
        }
        None
    }

    /// Reads a length or a count of at most 2^31 - 1.
    #[inline]
    pub fn length(&mut self) -> Option<usize> {
        let length = i32::try_from(self.varint()?).ok()?;
        usize::try_from(length).ok()
    }

    /// Reads bytes with their length; the length -1 is null.
    #[inline]
    pub fn nullable(&mut self) -> Option<Option<&'a [u8]>> {
        match self.varint()? {
            -1 => Some(None),
            length => {
                let length = usize::try_from(i32::try_from(length).ok()?).ok()?;
                self.take(length).map(Some)
            }
        }
    }
}

fn unzigzag(value: u64) -> i64 {
    let magnitude = (value >> 1).cast_signed();
    if value & 1 == 1 {
        !magnitude
    } else {
        magnitude
    }
}

/// Appends bytes with their length; null has the length -1.
pub fn write_nullable(bytes: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        None => put_varint(-1, bytes),
        Some(value) => {
            put_varint(i64::try_from(value.len()).unwrap_or(i64::MAX), bytes);
            bytes.extend_from_slice(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn written_fields_are_read(integer: i64, value: Option<Vec<u8>>) {
            let mut bytes = Vec::new();
            put_varint(integer, &mut bytes);
            write_nullable(&mut bytes, value.as_deref());
            let mut fields = Fields::new(&bytes);
            prop_assert_eq!(fields.varint(), Some(integer));
            prop_assert_eq!(fields.nullable(), Some(value.as_deref()));
            prop_assert_eq!(fields.rest(), &[] as &[u8]);
        }

        #[test]
        fn any_bytes_are_read_or_are_not_there(bytes in prop::collection::vec(any::<u8>(), 0..32)) {
            let mut fields = Fields::new(&bytes);
            while fields.nullable().is_some() || fields.length().is_some() || fields.byte().is_some() {}
            prop_assert!(fields.rest().is_empty());
        }
    }

    #[test]
    fn integer_of_more_than_64_bits_is_not_there() {
        let longest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Fields::new(&longest).varint(), Some(i64::MIN));
        let mut longer = longest;
        longer[9] = 0x02;
        assert_eq!(Fields::new(&longer).varint(), None);
        longer[9] = 0x81;
        assert_eq!(Fields::new(&longer).varint(), None);
    }
}
