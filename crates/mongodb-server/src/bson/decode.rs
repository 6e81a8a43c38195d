//! Decodes the values of a document.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::borrow::Cow;

use crate::bson::decimal::Decimal128;
use crate::bson::document::{Doc, Element};
use crate::bson::kind::Kind;
use crate::bson::object_id::ObjectId;
use crate::bson::value::Value;

impl<'a> Doc<'a> {
    /// Returns the value of the first element called `name`.
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        self.element(name).map(Element::value)
    }

    /// Returns the values in order; those of an array are its items.
    pub fn values(self) -> impl Iterator<Item = Value<'a>> {
        self.elements().map(Element::value)
    }
}

impl<'a> Element<'a> {
    /// Decodes the value without a copy.
    pub fn value(self) -> Value<'a> {
        let bytes = self.payload();
        match self.kind() {
            Kind::Double => Value::Double(f64::from_le_bytes(array(bytes))),
            Kind::String => Value::String(Cow::Borrowed(text(bytes))),
            Kind::Symbol => Value::Symbol(Cow::Borrowed(text(bytes))),
            Kind::Code => Value::Code(Cow::Borrowed(text(bytes))),
            Kind::Document => Value::Document(Cow::Borrowed(bytes)),
            Kind::Array => Value::Array(Cow::Borrowed(bytes)),
            Kind::Binary => Value::Binary {
                subtype: bytes.get(4).copied().unwrap_or_default(),
                bytes: Cow::Borrowed(bytes.get(5..).unwrap_or_default()),
            },
            Kind::Undefined => Value::Undefined,
            Kind::ObjectId => Value::ObjectId(ObjectId(array(bytes))),
            Kind::Bool => Value::Bool(bytes.first() == Some(&1)),
            Kind::DateTime => Value::DateTime(i64::from_le_bytes(array(bytes))),
            Kind::Null => Value::Null,
            Kind::Regex => {
                let (pattern, rest) = split_cstring(bytes);
                Value::Regex {
                    pattern: Cow::Borrowed(pattern),
                    options: Cow::Borrowed(split_cstring(rest).0),
                }
            }
            Kind::DbPointer => {
                let id = bytes.len().saturating_sub(12);
                let (namespace, id) = bytes.split_at_checked(id).unwrap_or_default();
                Value::DbPointer {
                    namespace: Cow::Borrowed(text(namespace)),
                    id: ObjectId(array(id)),
                }
            }
            Kind::CodeWithScope => {
                let code = bytes.get(4..).unwrap_or_default();
                let end = usize::try_from(u32::from_le_bytes(array(code)))
                    .unwrap_or_default()
                    .saturating_add(4);
                let (code, scope) = code.split_at_checked(end).unwrap_or_default();
                Value::CodeWithScope {
                    code: Cow::Borrowed(text(code)),
                    scope: Cow::Borrowed(scope),
                }
            }
            Kind::Int32 => Value::Int32(i32::from_le_bytes(array(bytes))),
            Kind::Timestamp => Value::Timestamp(u64::from_le_bytes(array(bytes))),
            Kind::Int64 => Value::Int64(i64::from_le_bytes(array(bytes))),
            Kind::Decimal128 => Value::Decimal128(Decimal128::from_bytes(array(bytes))),
            Kind::MinKey => Value::MinKey,
            Kind::MaxKey => Value::MaxKey,
        }
    }
}

/// Returns the first `N` bytes; zeros if there are fewer.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes
        .get(..N)
        .and_then(|bytes| bytes.try_into().ok())
        .unwrap_or([0; N])
}

/// Reads text with a length prefix and a terminator.
fn text(bytes: &[u8]) -> &str {
    let end = bytes.len().saturating_sub(1);
    std::str::from_utf8(bytes.get(4..end).unwrap_or_default()).unwrap_or("\u{fffd}")
}

fn split_cstring(bytes: &[u8]) -> (&str, &[u8]) {
    let end = bytes.iter().position(|&byte| byte == 0);
    let end = end.unwrap_or(bytes.len());
    let (string, rest) = bytes.split_at_checked(end).unwrap_or_default();
    (
        std::str::from_utf8(string).unwrap_or("\u{fffd}"),
        rest.get(1..).unwrap_or_default(),
    )
}
