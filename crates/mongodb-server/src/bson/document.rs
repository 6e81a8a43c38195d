//! Reads a document in place.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::bson::kind::Kind;

/// A document or array, borrowed.
///
/// Reading never fails or panics: bytes that are not BSON read as a list of elements that ends
/// early. Bytes from an unknown source pass [`validate`](crate::bson::validate()) first, or are read
/// by [`Doc::checked_elements`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doc<'a>(&'a [u8]);

/// A name and an encoded value of a document.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    kind: Kind,
    name: &'a [u8],
    payload: &'a [u8],
}

/// Iterates over the elements of a document in order.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Doc<'a> {
    /// The document without elements.
    pub const EMPTY: Doc<'static> = Doc(&[5, 0, 0, 0, 0]);

    /// Reads bytes as a document; nothing is checked.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, length prefix included.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Returns the elements in order.
    #[inline]
    pub fn elements(self) -> Elements<'a> {
        Elements {
            rest: self.0.get(4..).unwrap_or_default(),
        }
    }

    /// Returns the first element called `name`.
    pub fn element(self, name: &str) -> Option<Element<'a>> {
        self.elements()
            .find(|element| element.name == name.as_bytes())
    }

    /// Returns whether there are no elements.
    pub fn is_empty(self) -> bool {
        self.elements().next().is_none()
    }

    /// Returns the number of elements.
    pub fn len(self) -> usize {
        self.elements().count()
    }
}

impl<'a> Element<'a> {
    /// Splits the first element off; `None` at the end and at the first invalid element.
    #[inline]
    pub(crate) fn split_first(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&kind, rest) = bytes.split_first()?;
        // The terminator of a document is not a type.
        let kind = Kind::from_byte(kind)?;
        let (end, _ascii) = name_end(rest)?;
        let (name, rest) = rest.split_at_checked(end)?;
        let rest = rest.get(1..)?;
        let (payload, rest) = rest.split_at_checked(payload_len(kind, rest)?)?;
        let element = Self {
            kind,
            name,
            payload,
        };
        Some((element, rest))
    }

    /// Returns the type.
    #[inline]
    pub fn kind(self) -> Kind {
        self.kind
    }

    /// Returns the name; a replacement character if it is not UTF-8.
    #[inline]
    pub fn name(self) -> &'a str {
        std::str::from_utf8(self.name).unwrap_or("\u{fffd}")
    }

    /// Returns the name's bytes.
    #[inline]
    pub fn name_bytes(self) -> &'a [u8] {
        self.name
    }

    /// Returns the encoded value.
    #[inline]
    pub fn payload(self) -> &'a [u8] {
        self.payload
    }

    /// Returns the embedded document or array, if it is one.
    #[inline]
    pub fn doc(self) -> Option<Doc<'a>> {
        matches!(self.kind, Kind::Document | Kind::Array).then_some(Doc(self.payload))
    }

    /// Returns an `int32` or an `int64`.
    #[inline]
    pub fn integer(self) -> Option<i64> {
        match self.kind {
            Kind::Int32 => Some(i64::from(i32::from_le_bytes(self.payload.try_into().ok()?))),
            Kind::Int64 => Some(i64::from_le_bytes(self.payload.try_into().ok()?)),
            _ => None,
        }
    }

    /// Returns a `double`.
    #[inline]
    pub fn double(self) -> Option<f64> {
        let number = || Some(f64::from_le_bytes(self.payload.try_into().ok()?));
        (self.kind == Kind::Double).then(number)?
    }

    /// Returns a date, in milliseconds since 1970.
    #[inline]
    pub fn date_time(self) -> Option<i64> {
        let unix_ms = || Some(i64::from_le_bytes(self.payload.try_into().ok()?));
        (self.kind == Kind::DateTime).then(unix_ms)?
    }

    /// Returns a string; `None` if its terminator is missing or it is not UTF-8.
    #[inline]
    pub fn text(self) -> Option<&'a str> {
        if self.kind != Kind::String {
            return None;
        }
        match self.payload.get(4..)?.split_last()? {
            (0, text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// Returns binary data with its subtype.
    #[inline]
    pub fn binary(self) -> Option<(u8, &'a [u8])> {
        if self.kind != Kind::Binary {
            return None;
        }
        let (&subtype, bytes) = self.payload.get(4..)?.split_first()?;
        Some((subtype, bytes))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        let (element, rest) = Element::split_first(self.rest)?;
        self.rest = rest;
        Some(element)
    }
}

/// Returns the length of the name at the start of `bytes`, which a zero ends, and whether it is
/// ASCII. Looks at eight bytes at once: most names are that short.
#[inline]
pub(crate) fn name_end(bytes: &[u8]) -> Option<(usize, bool)> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let mut rest = bytes;
    let mut seen = 0;
    while let Some((block, after)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*block);
        // The lowest bit that is set is that of the first zero byte.
        let zeros = word.wrapping_sub(ONES) & !word & HIGH;
        if zeros != 0 {
            let before = zeros & zeros.wrapping_neg();
            seen |= word & before.wrapping_sub(1);
            let length = bytes.len().saturating_sub(rest.len());
            let within = usize::try_from(zeros.trailing_zeros() / 8).ok()?;
            return Some((length.saturating_add(within), seen & HIGH == 0));
        }
        seen |= word;
        rest = after;
    }
    let within = rest.iter().position(|&byte| byte == 0)?;
    let ascii = rest.get(..within).is_some_and(<[u8]>::is_ascii);
    let length = bytes.len().saturating_sub(rest.len());
    Some((length.saturating_add(within), ascii && seen & HIGH == 0))
}

/// Returns the length of the value at the start of `rest` in bytes; `None` if its length prefix is
/// invalid. The result may exceed the length of `rest`.
#[inline]
pub(crate) fn payload_len(kind: Kind, rest: &[u8]) -> Option<usize> {
    let prefix = || {
        let (length, _) = rest.split_first_chunk::<4>()?;
        usize::try_from(i32::from_le_bytes(*length)).ok()
    };
    match kind {
        Kind::Double | Kind::DateTime | Kind::Timestamp | Kind::Int64 => Some(8),
        Kind::Int32 => Some(4),
        Kind::Null | Kind::Undefined | Kind::MinKey | Kind::MaxKey => Some(0),
        Kind::Bool => Some(1),
        Kind::ObjectId => Some(12),
        Kind::Decimal128 => Some(16),
        Kind::String | Kind::Symbol | Kind::Code => prefix()?.checked_add(4),
        Kind::Binary => prefix()?.checked_add(5),
        Kind::DbPointer => prefix()?.checked_add(16),
        Kind::Document | Kind::Array | Kind::CodeWithScope => prefix(),
        Kind::Regex => regex_len(rest),
    }
}

/// Returns the length of a pattern and its options, each with a terminator. Apart from the common
/// types, whose path it would slow down by a quarter.
#[cold]
fn regex_len(rest: &[u8]) -> Option<usize> {
    let pattern = rest.iter().position(|&byte| byte == 0)?.checked_add(1)?;
    let options = rest.get(pattern..)?.iter().position(|&byte| byte == 0)?;
    pattern.checked_add(options)?.checked_add(1)
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "tests may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_end_at_the_first_zero(
            bytes in proptest::collection::vec(prop_oneof![Just(0_u8), 1_u8..3, 0x7f_u8..0x82, any::<u8>()], 0..40),
        ) {
            let end = bytes.iter().position(|byte| *byte == 0);
            let expected = end.map(|end| (end, bytes[..end].is_ascii()));
            prop_assert_eq!(name_end(&bytes), expected);
        }
    }
}
