//! Builds documents and arrays.

use crate::bson::document::{Doc, Element};
use crate::bson::kind::Kind;
use crate::bson::value::Value;
use crate::bson::writer::Writer;

/// Builds a document by chained calls. See [`Writer`] for the same without an owned buffer.
#[derive(Debug, Clone)]
pub struct Builder {
    bytes: Vec<u8>,
}

/// Builds an array.
#[derive(Debug, Clone, Default)]
pub struct ArrayBuilder {
    builder: Builder,
    length: usize,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// Returns a builder of an empty document.
    pub fn new() -> Self {
        Self {
            bytes: vec![0, 0, 0, 0],
        }
    }

    /// Returns the bytes that the finished document has.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + 1
    }

    /// Returns the finished document.
    pub fn finish(mut self) -> Vec<u8> {
        Writer::resume(&mut self.bytes).finish();
        self.bytes
    }

    /// Adds a value.
    #[must_use]
    pub fn with(mut self, name: &str, value: &Value<'_>) -> Self {
        self.push(name, value);
        self
    }

    /// Adds a boolean.
    #[must_use]
    pub fn bool(self, name: &str, value: bool) -> Self {
        self.with(name, &Value::Bool(value))
    }

    /// Adds a 32-bit integer.
    #[must_use]
    pub fn int32(self, name: &str, value: i32) -> Self {
        self.with(name, &Value::Int32(value))
    }

    /// Adds a 64-bit integer.
    #[must_use]
    pub fn int64(self, name: &str, value: i64) -> Self {
        self.with(name, &Value::Int64(value))
    }

    /// Adds a count: 32 bits if it fits, else 64, as MongoDB does.
    #[must_use]
    pub fn count(self, name: &str, value: usize) -> Self {
        self.with(name, &count_value(value))
    }

    /// Adds a double.
    #[must_use]
    pub fn double(self, name: &str, value: f64) -> Self {
        self.with(name, &Value::Double(value))
    }

    /// Adds a string.
    #[must_use]
    pub fn string(self, name: &str, value: &str) -> Self {
        self.with(name, &Value::from(value))
    }

    /// Adds an embedded document.
    #[must_use]
    pub fn document(mut self, name: &str, document: Self) -> Self {
        self.push_raw(Kind::Document, name.as_bytes(), &document.finish());
        self
    }

    /// Adds an encoded document.
    #[must_use]
    pub fn raw_document(mut self, name: &str, document: Doc<'_>) -> Self {
        self.push_raw(Kind::Document, name.as_bytes(), document.bytes());
        self
    }

    /// Adds an array.
    #[must_use]
    pub fn array(mut self, name: &str, array: ArrayBuilder) -> Self {
        self.push_raw(Kind::Array, name.as_bytes(), &array.finish());
        self
    }

    /// Adds an array of strings.
    #[must_use]
    pub fn strings(self, name: &str, texts: &[&str]) -> Self {
        let mut array = ArrayBuilder::default();
        for &text in texts {
            array.push(&Value::from(text));
        }
        self.array(name, array)
    }

    /// Adds all elements of a document.
    #[must_use]
    pub fn extended(mut self, doc: Doc<'_>) -> Self {
        for element in doc.elements() {
            self.push_element(element);
        }
        self
    }

    /// Adds a document or an array that `fill` writes in place, without a copy.
    pub(crate) fn nest<T>(
        &mut self,
        kind: Kind,
        name: &str,
        fill: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.push_raw(kind, name.as_bytes(), &[0; 4]);
        let start = self.bytes.len() - 4;
        let filled = fill(self);
        self.bytes.push(0);
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
        filled
    }

    /// Adds an element of another document.
    pub fn push_element(&mut self, element: Element<'_>) {
        self.push_raw(element.kind(), element.name_bytes(), element.payload());
    }

    /// Adds an element whose value is already encoded.
    pub(crate) fn push_raw(&mut self, kind: Kind, name: &[u8], payload: &[u8]) {
        Writer::resume(&mut self.bytes).raw(kind, until_zero(name), payload);
    }

    /// Adds a value. A name ends at its first zero byte.
    pub fn push(&mut self, name: &str, value: &Value<'_>) {
        let end = until_zero(name.as_bytes()).len();
        Writer::resume(&mut self.bytes).value(&name[..end], value);
    }
}

impl ArrayBuilder {
    /// Adds a value.
    pub fn push(&mut self, value: &Value<'_>) {
        let mut digits = itoa::Buffer::new();
        self.builder.push(digits.format(self.length), value);
        self.length += 1;
    }

    /// Adds an encoded document.
    pub fn push_doc(&mut self, document: Doc<'_>) {
        let mut digits = itoa::Buffer::new();
        let name = digits.format(self.length).as_bytes();
        self.builder
            .push_raw(Kind::Document, name, document.bytes());
        self.length += 1;
    }

    /// Adds a document from a builder.
    pub fn push_built(&mut self, document: Builder) {
        self.push_doc(Doc::new(&document.finish()));
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Returns whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Returns the bytes that the finished array has.
    pub(crate) fn size(&self) -> usize {
        self.builder.len()
    }

    /// Returns the finished array.
    pub fn finish(self) -> Vec<u8> {
        self.builder.finish()
    }

    /// Returns the finished array as a value.
    pub fn into_value(self) -> Value<'static> {
        Value::Array(self.finish().into())
    }
}

impl<'a> FromIterator<Value<'a>> for ArrayBuilder {
    fn from_iter<I: IntoIterator<Item = Value<'a>>>(values: I) -> Self {
        let mut array = Self::default();
        for value in values {
            array.push(&value);
        }
        array
    }
}

/// Returns a count as an `int32` if it fits, else as an `int64`.
pub fn count_value(count: usize) -> Value<'static> {
    i32::try_from(count).map_or_else(
        |_| Value::Int64(i64::try_from(count).unwrap_or(i64::MAX)),
        Value::Int32,
    )
}

/// Returns the bytes before the first zero byte.
fn until_zero(name: &[u8]) -> &[u8] {
    let end = name.iter().position(|&byte| byte == 0);
    &name[..end.unwrap_or(name.len())]
}
