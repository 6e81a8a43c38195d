//! Encodes elements at the end of a byte buffer. [`Builder`](crate::bson::Builder) encodes by it too.

use crate::bson::kind::Kind;
use crate::bson::value::Value;

/// Appends a document, element by element, to a byte buffer.
///
/// Allocates only when the buffer grows, and copies each value once: made for the path of every
/// record. Names must not contain a zero byte.
///
/// ```
/// use convoy_mongodb_server::bson::{Doc, Writer};
///
/// let mut bytes = Vec::new();
/// let mut document = Writer::new(&mut bytes);
/// document.string("vehicle", "truck-7");
/// document.document("position", |position| {
///     position.double("latitude", 48.1);
///     position.double("longitude", 11.6);
/// });
/// document.finish();
/// assert_eq!(Doc::new(&bytes).len(), 2);
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Writer<'a> {
    /// Begins a document at the end of `bytes`. It is complete after [`Self::finish`].
    #[inline]
    pub fn new(bytes: &'a mut Vec<u8>) -> Self {
        let start = bytes.len();
        bytes.extend_from_slice(&[0; 4]);
        Self { bytes, start }
    }

    /// Continues a document that begins at the start of `bytes` and has no end yet.
    #[inline]
    pub(crate) fn resume(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes, start: 0 }
    }

    /// Ends the document: writes its terminator and its length.
    #[inline]
    pub fn finish(self) {
        self.bytes.push(0);
        let length = self.bytes.len() - self.start;
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.bytes[self.start..self.start + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// Appends an integer as an `int32` if it fits, else as an `int64`.
    #[inline]
    pub fn integer(&mut self, name: &str, value: i64) {
        match i32::try_from(value) {
            Ok(small) => self.int32(name, small),
            Err(_) => self.int64(name, value),
        }
    }

    /// Appends an `int32`.
    #[inline]
    pub fn int32(&mut self, name: &str, value: i32) {
        self.head(Kind::Int32, name.as_bytes());
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends an `int64`.
    #[inline]
    pub fn int64(&mut self, name: &str, value: i64) {
        self.head(Kind::Int64, name.as_bytes());
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends a `double`.
    #[inline]
    pub fn double(&mut self, name: &str, value: f64) {
        self.head(Kind::Double, name.as_bytes());
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends a string.
    #[inline]
    pub fn string(&mut self, name: &str, value: &str) {
        self.head(Kind::String, name.as_bytes());
        self.text(value);
    }

    /// Appends a null.
    #[inline]
    pub fn null(&mut self, name: &str) {
        self.head(Kind::Null, name.as_bytes());
    }

    /// Appends a boolean.
    #[inline]
    pub fn bool(&mut self, name: &str, value: bool) {
        self.head(Kind::Bool, name.as_bytes());
        self.bytes.push(u8::from(value));
    }

    /// Appends a date, in milliseconds since 1970.
    #[inline]
    pub fn date_time(&mut self, name: &str, unix_ms: i64) {
        self.head(Kind::DateTime, name.as_bytes());
        self.bytes.extend_from_slice(&unix_ms.to_le_bytes());
    }

    /// Appends binary data.
    #[inline]
    pub fn binary(&mut self, name: &str, subtype: u8, value: &[u8]) {
        self.head(Kind::Binary, name.as_bytes());
        self.length(value.len());
        self.bytes.push(subtype);
        self.bytes.extend_from_slice(value);
    }

    /// Appends an embedded document that `fill` writes in place.
    #[inline]
    pub fn document<T>(&mut self, name: &str, fill: impl FnOnce(&mut Writer<'_>) -> T) -> T {
        self.nest(Kind::Document, name, fill)
    }

    /// Appends an array that `fill` writes in place. The names of its elements must be their
    /// positions in decimal: `0`, `1`, `2`.
    #[inline]
    pub fn array<T>(&mut self, name: &str, fill: impl FnOnce(&mut Writer<'_>) -> T) -> T {
        self.nest(Kind::Array, name, fill)
    }

    /// Appends a value of any type.
    pub fn value(&mut self, name: &str, value: &Value<'_>) {
        match value {
            Value::Double(number) => self.double(name, *number),
            Value::String(text) => self.string(name, text),
            Value::Binary { subtype, bytes } => self.binary(name, *subtype, bytes),
            Value::Bool(value) => self.bool(name, *value),
            Value::DateTime(unix_ms) => self.date_time(name, *unix_ms),
            Value::Int32(number) => self.int32(name, *number),
            Value::Int64(number) => self.int64(name, *number),
            Value::Document(bytes) | Value::Array(bytes) => {
                self.raw(value.kind(), name.as_bytes(), bytes);
            }
            other => {
                self.head(value.kind(), name.as_bytes());
                self.rare_payload(other);
            }
        }
    }

    /// Appends elements that `fill` encodes at the end of the buffer. What it writes must be whole
    /// elements, and what is there must stay.
    #[inline]
    pub fn encoded<T>(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        fill(self.bytes)
    }

    /// Appends an element whose value is already encoded.
    #[inline]
    pub(crate) fn raw(&mut self, kind: Kind, name: &[u8], payload: &[u8]) {
        self.head(kind, name);
        self.bytes.extend_from_slice(payload);
    }

    #[inline]
    fn nest<T>(&mut self, kind: Kind, name: &str, fill: impl FnOnce(&mut Writer<'_>) -> T) -> T {
        self.head(kind, name.as_bytes());
        let mut inner = Writer::new(self.bytes);
        let filled = fill(&mut inner);
        inner.finish();
        filled
    }

    /// Appends an element's type and name.
    #[inline]
    fn head(&mut self, kind: Kind, name: &[u8]) {
        debug_assert!(!name.contains(&0), "a name ends at its first zero byte");
        self.bytes.push(kind as u8);
        self.bytes.extend_from_slice(name);
        self.bytes.push(0);
    }

    #[inline]
    fn length(&mut self, length: usize) {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&length.to_le_bytes());
    }

    #[inline]
    fn text(&mut self, text: &str) {
        self.length(text.len() + 1);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
    }

    fn cstring(&mut self, text: &str) {
        self.bytes
            .extend(text.bytes().take_while(|&byte| byte != 0));
        self.bytes.push(0);
    }

    /// Appends the values of the types that [`Self::value`] has no method for.
    fn rare_payload(&mut self, value: &Value<'_>) {
        match value {
            Value::Symbol(text) | Value::Code(text) => self.text(text),
            Value::ObjectId(id) => self.bytes.extend_from_slice(&id.0),
            Value::Regex { pattern, options } => {
                self.cstring(pattern);
                self.cstring(options);
            }
            Value::DbPointer { namespace, id } => {
                self.text(namespace);
                self.bytes.extend_from_slice(&id.0);
            }
            Value::CodeWithScope { code, scope } => {
                self.length(code.len() + scope.len() + 9);
                self.text(code);
                self.bytes.extend_from_slice(scope);
            }
            Value::Timestamp(stamp) => self.bytes.extend_from_slice(&stamp.to_le_bytes()),
            Value::Decimal128(number) => self.bytes.extend_from_slice(&number.to_bytes()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bson::{Builder, Doc, strategies, subtype};

    fn sample(integer: i64, double: f64, text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.integer("integer", integer);
        writer.double("double", double);
        writer.string("text", text);
        writer.null("null");
        writer.bool("bool", integer > 0);
        writer.date_time("date", integer);
        writer.binary("binary", subtype::GENERIC, text.as_bytes());
        writer.document("inner", |inner| inner.int64("integer", 1));
        writer.array("list", |list| list.int32("0", 7));
        writer.finish();
        bytes
    }

    proptest! {
        #[test]
        fn typed_methods_and_values_encode_alike(integer: i64, double: f64, text: String) {
            let bytes = sample(integer, double, &text);
            let mut builder = Builder::new();
            for element in Doc::new(&bytes).elements() {
                builder.push(element.name(), &element.value());
            }
            prop_assert_eq!(builder.finish(), bytes);
        }

        #[test]
        fn writer_and_builder_encode_any_value_alike(
            name in "[a-cß]{0,3}", value in strategies::value()
        ) {
            let mut bytes = Vec::new();
            let mut writer = Writer::new(&mut bytes);
            writer.value(&name, &value.as_value());
            writer.finish();
            prop_assert_eq!(Builder::new().with(&name, &value.as_value()).finish(), bytes);
        }
    }
}
