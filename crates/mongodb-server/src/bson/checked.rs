//! Reads elements of bytes that were not validated before.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::bson::document::{Doc, Element};
use crate::bson::invalid::Invalid;
use crate::bson::kind::Kind;

/// The elements of a document from an unchecked source: each with its name, or what is wrong.
///
/// One walk, without allocation or recursion. An embedded document or array is not looked into:
/// read it by [`Doc::checked_elements`] as well.
#[derive(Debug, Clone)]
pub struct CheckedElements<'a> {
    rest: &'a [u8],
    /// Bytes of the document without its terminator.
    end: usize,
}

impl<'a> Doc<'a> {
    /// Reads the document's frame; the elements are checked one by one as they are read.
    #[inline]
    pub fn checked_elements(self) -> Result<CheckedElements<'a>, Invalid> {
        let wrong = Invalid::Length { at: 0 };
        let bytes = self.bytes();
        let (length, body) = bytes.split_first_chunk::<4>().ok_or(wrong)?;
        let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_negative| wrong)?;
        let (last, rest) = body.split_last().ok_or(wrong)?;
        if length != bytes.len() || *last != 0 {
            return Err(wrong);
        }
        Ok(CheckedElements {
            rest,
            end: length.saturating_sub(1),
        })
    }
}

impl<'a> CheckedElements<'a> {
    /// Returns the bytes of the elements that were not read yet.
    #[inline]
    pub fn unread(&self) -> &'a [u8] {
        self.rest
    }

    #[cold]
    fn reject(&mut self) -> Invalid {
        let at = self.end.saturating_sub(self.rest.len());
        let kind = self.rest.first().copied().unwrap_or_default();
        self.rest = &[];
        match Kind::from_byte(kind) {
            Some(_) => Invalid::Length { at },
            None => Invalid::UnknownType { kind, at },
        }
    }
}

impl<'a> Iterator for CheckedElements<'a> {
    type Item = Result<(&'a str, Element<'a>), Invalid>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((element, rest)) = Element::split_first(self.rest) else {
            return Some(Err(self.reject()));
        };
        let Ok(name) = std::str::from_utf8(element.name_bytes()) else {
            let at = self.end.saturating_sub(self.rest.len());
            self.rest = &[];
            return Some(Err(Invalid::Text { at }));
        };
        self.rest = rest;
        Some(Ok((name, element)))
    }
}

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests may panic"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bson::{Value, Writer, strategies, subtype};

    fn sample(integer: i64, double: f64, text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.integer("integer", integer);
        writer.double("double", double);
        writer.string("text", text);
        writer.date_time("date", integer);
        writer.binary("binary", subtype::GENERIC, text.as_bytes());
        writer.document("inner", |inner| inner.integer("integer", 1));
        writer.finish();
        bytes
    }

    #[test]
    fn wrong_frames_are_rejected() {
        for bytes in [
            &[][..],
            &[5, 0, 0, 0],
            &[6, 0, 0, 0, 0],
            &[5, 0, 0, 0, 1],
            &[0xFF, 0xFF, 0xFF, 0xFF, 0],
        ] {
            assert!(Doc::new(bytes).checked_elements().is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn elements_are_read_as_they_were_written(
            integer: i64, double in prop::num::f64::NORMAL, text: String
        ) {
            let bytes = sample(integer, double, &text);
            let elements: Result<Vec<_>, _> =
                Doc::new(&bytes).checked_elements().expect("a frame").collect();
            let elements = elements.expect("valid elements");
            let names: Vec<_> = elements.iter().map(|(name, _)| *name).collect();
            prop_assert_eq!(names, ["integer", "double", "text", "date", "binary", "inner"]);
            prop_assert_eq!(elements[0].1.integer(), Some(integer));
            prop_assert_eq!(elements[1].1.double(), Some(double));
            prop_assert_eq!(elements[2].1.text(), Some(text.as_str()));
            prop_assert_eq!(elements[3].1.date_time(), Some(integer));
            prop_assert_eq!(elements[4].1.binary(), Some((0, text.as_bytes())));
            let inner = elements[5].1.doc().expect("a document");
            prop_assert_eq!(inner.get("integer").and_then(|value| value.as_i64()), Some(1));
        }

        #[test]
        fn valid_documents_read_alike_checked_and_unchecked(bytes in strategies::document()) {
            let doc = Doc::new(&bytes);
            let checked = doc.checked_elements().expect("a frame");
            let checked: Result<Vec<_>, _> = checked.collect();
            let checked = checked.expect("valid elements");
            let plain: Vec<_> = doc.elements().collect();
            prop_assert_eq!(checked.len(), plain.len());
            for ((name, checked), plain) in checked.iter().zip(&plain) {
                prop_assert_eq!(*name, plain.name());
                prop_assert_eq!(checked.kind(), plain.kind());
                prop_assert_eq!(checked.payload(), plain.payload());
            }
        }

        #[test]
        fn damaged_documents_never_panic(
            bytes in strategies::document(), cut in 0_usize..200, at in 0_usize..200, byte: u8
        ) {
            let mut bytes = bytes;
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(cut.min(length));
            if let Ok(elements) = Doc::new(&bytes).checked_elements() {
                for (_, element) in elements.flatten() {
                    drop::<Value<'_>>(element.value());
                }
            }
        }
    }
}
