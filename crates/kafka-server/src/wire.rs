//! Reads the fields of requests and responses from untrusted bytes.
//!
//! A count on the wire never sizes an allocation: it is compared with the remaining bytes, then with
//! the limit on elements of one message, and memory grows only as elements are decoded.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#protocol_types>
//! - KIP-482 (compact types and tagged fields)

#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use std::ops::Range;

/// Limit on the elements of all arrays in one message. Bytes alone do not bound memory: a small
/// element on the wire is larger in memory.
const MAX_ELEMENTS: usize = 250_000;

/// Limit on the elements that are allocated before they are decoded.
const MAX_RESERVED: usize = 1_024;

/// A message is not valid. Positions count from the start of the bytes that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe variants and fields")]
pub enum Error {
    /// The message ends within a field.
    #[error("the message is {missing} bytes too short for the field at byte {position}")]
    Truncated { position: usize, missing: usize },
    /// A variable-length integer has more than 32 bits.
    #[error("the integer at byte {position} has more than 32 bits")]
    Varint { position: usize },
    /// A length is negative, or a field that must have a value is null.
    #[error("invalid length {length} at byte {position}")]
    Length { position: usize, length: i64 },
    #[error("the string at byte {position} is not valid UTF-8")]
    Utf8 { position: usize },
    #[error("the message has more than {MAX_ELEMENTS} array elements")]
    TooManyElements,
}

/// Decodes one message from start to end.
///
/// Strings, byte fields and arrays have classic lengths until
/// [`set_flexible`](Self::set_flexible), and compact lengths afterwards.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    flexible: bool,
    elements_left: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte, with classic lengths.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            position: 0,
            flexible: false,
            elements_left: MAX_ELEMENTS,
        }
    }

    /// Chooses compact lengths and tagged fields (true) or classic lengths (false).
    pub fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// Returns the number of bytes that were not read yet.
    pub fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.position)
    }

    /// Reads a signed byte.
    pub fn i8(&mut self) -> Result<i8, Error> {
        self.fixed().map(i8::from_be_bytes)
    }

    /// Reads a boolean: every byte but zero is true.
    pub fn bool(&mut self) -> Result<bool, Error> {
        self.i8().map(|value| value != 0)
    }

    /// Reads two bytes.
    pub fn i16(&mut self) -> Result<i16, Error> {
        self.fixed().map(i16::from_be_bytes)
    }

    /// Reads four bytes.
    pub fn i32(&mut self) -> Result<i32, Error> {
        self.fixed().map(i32::from_be_bytes)
    }

    /// Reads eight bytes.
    pub fn i64(&mut self) -> Result<i64, Error> {
        self.fixed().map(i64::from_be_bytes)
    }

    /// Reads a UUID, such as the id of a topic.
    pub fn uuid(&mut self) -> Result<uuid::Uuid, Error> {
        self.fixed().map(uuid::Uuid::from_bytes)
    }

    /// Reads a string that must not be null.
    pub fn string(&mut self) -> Result<&'a str, Error> {
        let position = self.position;
        self.nullable_string()?.ok_or(Error::Length {
            position,
            length: -1,
        })
    }

    /// Reads a string, or null.
    pub fn nullable_string(&mut self) -> Result<Option<&'a str>, Error> {
        let length = if self.flexible {
            self.compact_length()?
        } else {
            let position = self.position;
            let length = self.i16()?;
            classic_length(i64::from(length), position)?
        };
        length.map(|length| self.str(length)).transpose()
    }

    /// Reads bytes that must not be null.
    pub fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let position = self.position;
        self.nullable_bytes()?.ok_or(Error::Length {
            position,
            length: -1,
        })
    }

    /// Reads bytes, or null.
    pub fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, Error> {
        let range = self.nullable_bytes_range()?;
        Ok(range.map(|range| self.bytes.get(range).unwrap_or_default()))
    }

    /// Reads an array that must not be null.
    pub fn array<T>(
        &mut self,
        element: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let position = self.position;
        self.nullable_array(element)?.ok_or(Error::Length {
            position,
            length: -1,
        })
    }

    /// Reads an array, or null.
    pub fn nullable_array<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Option<Vec<T>>, Error> {
        let Some(count) = self.array_count()? else {
            return Ok(None);
        };
        let mut elements = Vec::with_capacity(count.min(MAX_RESERVED));
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    /// Skips the tagged fields at the end of a structure; the classic form has none.
    pub fn tags(&mut self) -> Result<(), Error> {
        if !self.flexible {
            return Ok(());
        }
        let count = self.unsigned_varint()?;
        for _ in 0..count {
            let _tag = self.unsigned_varint()?;
            let size = self.unsigned_varint()?;
            self.range(usize::try_from(size).unwrap_or(usize::MAX))?;
        }
        Ok(())
    }

    fn array_count(&mut self) -> Result<Option<usize>, Error> {
        let position = self.position;
        let count = if self.flexible {
            self.compact_length()?
        } else {
            let count = self.i32()?;
            classic_length(i64::from(count), position)?
        };
        let Some(count) = count else {
            return Ok(None);
        };
        // Every element has at least one byte.
        let missing = count.saturating_sub(self.remaining());
        if missing > 0 {
            return Err(Error::Truncated { position, missing });
        }
        self.elements_left = self
            .elements_left
            .checked_sub(count)
            .ok_or(Error::TooManyElements)?;
        Ok(Some(count))
    }

    fn nullable_bytes_range(&mut self) -> Result<Option<Range<usize>>, Error> {
        let length = if self.flexible {
            self.compact_length()?
        } else {
            let position = self.position;
            let length = self.i32()?;
            classic_length(i64::from(length), position)?
        };
        length.map(|length| self.range(length)).transpose()
    }

    fn compact_length(&mut self) -> Result<Option<usize>, Error> {
        let encoded = self.unsigned_varint()?;
        let length = encoded.checked_sub(1);
        Ok(length.map(|length| usize::try_from(length).unwrap_or(usize::MAX)))
    }

    fn unsigned_varint(&mut self) -> Result<u32, Error> {
        let position = self.position;
        let mut value: u32 = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0x0f {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Error::Varint { position })
    }

    fn str(&mut self, length: usize) -> Result<&'a str, Error> {
        let position = self.position;
        let range = self.range(length)?;
        let bytes = self.bytes.get(range).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| Error::Utf8 { position })
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let position = self.position;
        let range = self.range(N)?;
        self.bytes
            .get(range)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(Error::Truncated {
                position,
                missing: N,
            })
    }

    fn range(&mut self, length: usize) -> Result<Range<usize>, Error> {
        let position = self.position;
        let missing = length.saturating_sub(self.remaining());
        if missing > 0 {
            return Err(Error::Truncated { position, missing });
        }
        self.position = position.saturating_add(length);
        Ok(position..self.position)
    }
}

/// Checks a classic length; -1 is null.
fn classic_length(length: i64, position: usize) -> Result<Option<usize>, Error> {
    match length {
        -1 => Ok(None),
        _ => usize::try_from(length)
            .map(Some)
            .map_err(|_| Error::Length { position, length }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compact(bytes: &[u8]) -> Reader<'_> {
        let mut reader = Reader::new(bytes);
        reader.set_flexible(true);
        reader
    }

    #[test]
    fn count_beyond_the_remaining_bytes_is_rejected_before_allocating() {
        let bytes = [0x7f, 0xff, 0xff, 0xff, 1, 2];
        let result = Reader::new(&bytes).array(Reader::i8);
        assert_eq!(
            result,
            Err(Error::Truncated {
                position: 0,
                missing: 0x7fff_ffff - 2
            })
        );
    }

    #[test]
    fn arrays_of_one_request_share_a_limit() {
        let mut bytes = 200_000_i32.to_be_bytes().to_vec();
        bytes.resize(4 + 200_000, 0);
        let second = bytes.clone();
        bytes.extend(second);
        let mut reader = Reader::new(&bytes);
        assert!(reader.array(Reader::i8).is_ok());
        assert_eq!(reader.array(Reader::i8), Err(Error::TooManyElements));
    }

    #[test]
    fn null_and_empty_differ_in_both_forms() {
        assert_eq!(Reader::new(&[0xff, 0xff]).nullable_string(), Ok(None));
        assert_eq!(Reader::new(&[0, 0]).nullable_string(), Ok(Some("")));
        assert_eq!(compact(&[0]).nullable_string(), Ok(None));
        assert_eq!(compact(&[1]).nullable_string(), Ok(Some("")));
        assert_eq!(
            compact(&[0]).string(),
            Err(Error::Length {
                position: 0,
                length: -1
            })
        );
    }

    #[test]
    fn negative_length_other_than_null_is_rejected() {
        assert_eq!(
            Reader::new(&[0xff, 0xfe]).nullable_string(),
            Err(Error::Length {
                position: 0,
                length: -2
            })
        );
    }

    #[test]
    fn varint_of_more_than_32_bits_is_rejected() {
        assert_eq!(
            compact(&[0xff, 0xff, 0xff, 0xff, 0x1f]).nullable_string(),
            Err(Error::Varint { position: 0 })
        );
        assert_eq!(
            compact(&[0xff, 0xff, 0xff, 0xff, 0x80, 0x00]).nullable_string(),
            Err(Error::Varint { position: 0 })
        );
    }

    #[test]
    fn tagged_fields_are_skipped() {
        let mut reader = compact(&[2, 0, 1, 0xaa, 5, 2, 0xbb, 0xcc, 7]);
        assert_eq!(reader.tags(), Ok(()));
        assert_eq!(reader.i8(), Ok(7));
        assert_eq!(reader.remaining(), 0);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic_or_overrun(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            flexible: bool,
            steps in proptest::collection::vec(0_u8..8, 0..16),
        ) {
            let mut reader = Reader::new(&bytes);
            reader.set_flexible(flexible);
            for step in steps {
                let _outcome = match step {
                    0 => reader.i8().map(drop),
                    1 => reader.i64().map(drop),
                    2 => reader.nullable_string().map(drop),
                    3 => reader.nullable_bytes().map(drop),
                    4 => reader.array(Reader::string).map(drop),
                    5 => reader.nullable_array(Reader::i32).map(drop),
                    6 => reader.uuid().map(drop),
                    _ => reader.tags(),
                };
                prop_assert!(reader.remaining() <= bytes.len());
            }
        }
    }
}
