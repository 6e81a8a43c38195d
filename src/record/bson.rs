//! Writing and reading raw BSON, as far as a document of a row needs it.
//!
//! Hand-written because it is the hottest part of the consumer path: bytes are appended to one
//! buffer, where a `Document` would allocate for every field.
//!
//! # References
//! <https://bsonspec.org/spec.html>

/// Element types of BSON that documents of rows have.
pub mod tag {
    /// 64-bit IEEE 754 number.
    pub const DOUBLE: u8 = 0x01;
    /// UTF-8 string.
    pub const STRING: u8 = 0x02;
    /// Embedded document.
    pub const DOCUMENT: u8 = 0x03;
    /// Array.
    pub const ARRAY: u8 = 0x04;
    /// Binary data.
    pub const BINARY: u8 = 0x05;
    /// Truth.
    pub const BOOLEAN: u8 = 0x08;
    /// UTC milliseconds since 1970.
    pub const DATE: u8 = 0x09;
    /// No value.
    pub const NULL: u8 = 0x0A;
    /// 32-bit integer.
    pub const INT32: u8 = 0x10;
    /// 64-bit integer.
    pub const INT64: u8 = 0x12;
}

/// Binary subtype of a UUID.
pub const SUBTYPE_UUID: u8 = 4;
/// Binary subtype of anything.
pub const SUBTYPE_GENERIC: u8 = 0;

/// Appends elements to a document in a byte buffer.
///
/// Keys must not contain a zero byte; the callers' keys are constants or checked column names.
#[derive(Debug)]
pub struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Writer<'a> {
    /// Begins a document at the end of `bytes`.
    pub fn begin(bytes: &'a mut Vec<u8>) -> Self {
        let start = bytes.len();
        bytes.extend_from_slice(&[0; 4]);
        Self { bytes, start }
    }

    /// Ends the document: writes its terminator and its length.
    pub fn end(self) {
        self.bytes.push(0);
        let length = self.bytes.len() - self.start;
        let length = i32::try_from(length).unwrap_or(i32::MAX);
        self.bytes[self.start..self.start + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// Appends an element's head: its type and its key.
    fn element(&mut self, tag: u8, key: &str) {
        self.bytes.push(tag);
        self.bytes.extend_from_slice(key.as_bytes());
        self.bytes.push(0);
    }

    /// Appends an integer as `int32` where it fits, as `int64` otherwise.
    pub fn integer(&mut self, key: &str, value: i64) {
        if let Ok(small) = i32::try_from(value) {
            self.element(tag::INT32, key);
            self.bytes.extend_from_slice(&small.to_le_bytes());
        } else {
            self.int64(key, value);
        }
    }

    /// Appends an `int64`.
    pub fn int64(&mut self, key: &str, value: i64) {
        self.element(tag::INT64, key);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends a `double`.
    pub fn double(&mut self, key: &str, value: f64) {
        self.element(tag::DOUBLE, key);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends a string.
    pub fn string(&mut self, key: &str, value: &str) {
        self.element(tag::STRING, key);
        let length = i32::try_from(value.len() + 1).unwrap_or(i32::MAX);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
    }

    /// Appends a null.
    pub fn null(&mut self, key: &str) {
        self.element(tag::NULL, key);
    }

    /// Appends a truth.
    pub fn boolean(&mut self, key: &str, value: bool) {
        self.element(tag::BOOLEAN, key);
        self.bytes.push(u8::from(value));
    }

    /// Appends a date, milliseconds since 1970.
    pub fn date(&mut self, key: &str, unix_ms: i64) {
        self.element(tag::DATE, key);
        self.bytes.extend_from_slice(&unix_ms.to_le_bytes());
    }

    /// Appends binary data.
    pub fn binary(&mut self, key: &str, subtype: u8, value: &[u8]) {
        self.element(tag::BINARY, key);
        let length = i32::try_from(value.len()).unwrap_or(i32::MAX);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.push(subtype);
        self.bytes.extend_from_slice(value);
    }

    /// Appends an embedded document that `fill` writes.
    pub fn document(&mut self, key: &str, fill: impl FnOnce(&mut Writer<'_>)) {
        self.element(tag::DOCUMENT, key);
        let mut inner = Writer::begin(self.bytes);
        fill(&mut inner);
        inner.end();
    }

    /// Appends an embedded document whose content may turn out not to fit.
    pub fn try_document<E>(
        &mut self,
        key: &str,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.element(tag::DOCUMENT, key);
        let mut inner = Writer::begin(self.bytes);
        fill(&mut inner)?;
        inner.end();
        Ok(())
    }

    /// Appends an array; its elements' keys are their positions, as decimal text.
    pub fn try_array<E>(
        &mut self,
        key: &str,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.element(tag::ARRAY, key);
        let mut inner = Writer::begin(self.bytes);
        fill(&mut inner)?;
        inner.end();
        Ok(())
    }
}

/// An element's value, borrowed from its document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Element<'a> {
    /// `double`.
    Double(f64),
    /// String.
    String(&'a str),
    /// Embedded document, its bytes.
    Document(&'a [u8]),
    /// Binary data with its subtype.
    Binary(u8, &'a [u8]),
    /// Date, milliseconds since 1970.
    Date(i64),
    /// Null.
    Null,
    /// `int32` or `int64`.
    Integer(i64),
    /// A value of a type that documents of rows do not have.
    Other,
}

/// A document's bytes are not what documents of rows are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the document's bytes are no BSON of the expected types")]
pub struct Malformed;

/// Iterates over the elements of a document, without allocating and without recursion.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// Reads a document's frame.
    pub fn of(document: &'a [u8]) -> Result<Self, Malformed> {
        let (length, body) = document.split_first_chunk::<4>().ok_or(Malformed)?;
        let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| Malformed)?;
        let (last, rest) = body.split_last().ok_or(Malformed)?;
        if length != document.len() || *last != 0 {
            return Err(Malformed);
        }
        Ok(Self { rest })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Passes over a value that only somebody else can have written.
    fn skip(&mut self, tag: u8) -> Result<(), Malformed> {
        let length = match tag {
            // undefined, max key, min key
            0x06 | 0x7F | 0xFF => 0,
            // boolean
            0x08 => 1,
            // timestamp
            0x11 => 8,
            // object id
            0x07 => 12,
            // decimal
            0x13 => 16,
            // code, symbol
            0x0D | 0x0E => self.length()?,
            // array: its length counts itself
            0x04 => {
                let (head, _) = self.rest.split_first_chunk::<4>().ok_or(Malformed)?;
                usize::try_from(i32::from_le_bytes(*head)).map_err(|_| Malformed)?
            }
            _ => return Err(Malformed),
        };
        self.take(length).map(|_skipped| ())
    }

    fn length(&mut self) -> Result<usize, Malformed> {
        usize::try_from(i32::from_le_bytes(self.array()?)).map_err(|_| Malformed)
    }

    fn element(&mut self) -> Result<(&'a str, Element<'a>), Malformed> {
        let [kind] = self.array()?;
        let end = self
            .rest
            .iter()
            .position(|byte| *byte == 0)
            .ok_or(Malformed)?;
        let key = std::str::from_utf8(self.take(end)?).map_err(|_| Malformed)?;
        self.take(1)?;
        let value = match kind {
            tag::DOUBLE => Element::Double(f64::from_le_bytes(self.array()?)),
            tag::STRING => {
                let length = self.length()?;
                let (last, text) = self.take(length)?.split_last().ok_or(Malformed)?;
                if *last != 0 {
                    return Err(Malformed);
                }
                Element::String(std::str::from_utf8(text).map_err(|_| Malformed)?)
            }
            tag::DOCUMENT => {
                let (head, _) = self.rest.split_first_chunk::<4>().ok_or(Malformed)?;
                let length = usize::try_from(i32::from_le_bytes(*head)).map_err(|_| Malformed)?;
                Element::Document(self.take(length)?)
            }
            tag::BINARY => {
                let length = self.length()?;
                let [subtype] = self.array()?;
                Element::Binary(subtype, self.take(length)?)
            }
            tag::DATE => Element::Date(i64::from_le_bytes(self.array()?)),
            tag::NULL => Element::Null,
            tag::INT32 => Element::Integer(i64::from(i32::from_le_bytes(self.array()?))),
            tag::INT64 => Element::Integer(i64::from_le_bytes(self.array()?)),
            other => {
                self.skip(other)?;
                Element::Other
            }
        };
        Ok((key, value))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<(&'a str, Element<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let element = self.element();
        if element.is_err() {
            self.rest = &[];
        }
        Some(element)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(integer: i64, double: f64, text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::begin(&mut bytes);
        writer.integer("integer", integer);
        writer.double("double", double);
        writer.string("text", text);
        writer.null("null");
        writer.date("date", integer);
        writer.binary("binary", SUBTYPE_GENERIC, text.as_bytes());
        writer.document("inner", |inner| inner.integer("integer", 1));
        writer.end();
        bytes
    }

    proptest! {
        #[test]
        fn elements_are_read_as_they_were_written(integer: i64, double: f64, text: String) {
            let bytes = sample(integer, double, &text);
            let read: Result<Vec<_>, _> = Elements::of(&bytes).unwrap().collect();
            let read = read.unwrap();
            prop_assert_eq!(read[0], ("integer", Element::Integer(integer)));
            prop_assert_eq!(read[2], ("text", Element::String(&text)));
            prop_assert_eq!(read[5], ("binary", Element::Binary(0, text.as_bytes())));
            prop_assert_eq!(read.len(), 7);
        }

        #[test]
        fn the_driver_reads_what_we_write(integer: i64, double: f64, text: String) {
            let bytes = sample(integer, double, &text);
            let document = bson::RawDocumentBuf::from_bytes(bytes).unwrap();
            let document = bson::Document::try_from(document).unwrap();
            prop_assert_eq!(document.get_str("text").unwrap(), text.as_str());
            prop_assert_eq!(document.len(), 7);
        }

        #[test]
        fn a_document_cut_or_changed_anywhere_never_panics(cut in 0usize..200, at in 0usize..200, byte: u8) {
            let mut bytes = sample(1, 2.0, "three");
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(cut.min(length));
            if let Ok(elements) = Elements::of(&bytes) {
                prop_assert!(elements.count() <= length);
            }
        }
    }
}
