//! Reads a document in place.
//!
//! A [`Doc`] is only made from bytes that passed [`crate::bson::validate`] or that the store wrote
//! itself. Reading is still total: bytes that are not BSON read as an element list that ends early.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::borrow::Cow;

use crate::bson::decimal::Decimal128;
use crate::bson::object_id::ObjectId;
use crate::bson::{Kind, Value};

/// A document or array, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doc<'a>(&'a [u8]);

/// One name and value of a document, not yet decoded.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    kind: Kind,
    name: &'a [u8],
    payload: &'a [u8],
}

/// The elements of a document in their order.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Doc<'a> {
    /// The document without elements.
    pub const EMPTY: Doc<'static> = Doc(&[5, 0, 0, 0, 0]);

    /// Reads bytes that are known to be one valid document.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, length prefix included.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Returns the elements in order.
    pub fn elements(self) -> Elements<'a> {
        Elements {
            rest: self.0.get(4..).unwrap_or_default(),
        }
    }

    /// Returns the value of the first element called `name`.
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        self.element(name).map(Element::value)
    }

    /// Returns the first element called `name`.
    pub fn element(self, name: &str) -> Option<Element<'a>> {
        self.elements()
            .find(|element| element.name == name.as_bytes())
    }

    /// Returns the values in order, as for an array.
    pub fn values(self) -> impl Iterator<Item = Value<'a>> {
        self.elements().map(Element::value)
    }

    /// Returns whether there is no element.
    pub fn is_empty(self) -> bool {
        self.elements().next().is_none()
    }

    /// Returns the number of elements.
    pub fn len(self) -> usize {
        self.elements().count()
    }
}

impl<'a> Element<'a> {
    /// Returns the type.
    pub fn kind(self) -> Kind {
        self.kind
    }

    /// Returns the name; validated text, so never replaced in practice.
    pub fn name(self) -> &'a str {
        std::str::from_utf8(self.name).unwrap_or("\u{fffd}")
    }

    /// Returns the name's bytes.
    pub fn name_bytes(self) -> &'a [u8] {
        self.name
    }

    /// Returns the encoded value.
    pub fn payload(self) -> &'a [u8] {
        self.payload
    }

    /// Returns the embedded document or array, if it is one.
    pub fn doc(self) -> Option<Doc<'a>> {
        matches!(self.kind, Kind::Document | Kind::Array).then_some(Doc(self.payload))
    }

    /// Decodes the value; nothing is copied.
    pub fn value(self) -> Value<'a> {
        let bytes = self.payload;
        match self.kind {
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

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let (&kind, rest) = self.rest.split_first()?;
        if kind == 0 {
            self.rest = &[];
            return None;
        }
        let kind = Kind::from_byte(kind)?;
        let end = rest.iter().position(|&byte| byte == 0)?;
        let (name, rest) = rest.split_at_checked(end)?;
        let rest = rest.get(1..)?;
        let (payload, rest) = rest.split_at_checked(payload_len(kind, rest)?)?;
        self.rest = rest;
        Some(Element {
            kind,
            name,
            payload,
        })
    }
}

/// Returns how many bytes the value at the start of `rest` takes; `None` if its length is absurd.
///
/// The result may exceed what is left: the caller splits with a check.
pub fn payload_len(kind: Kind, rest: &[u8]) -> Option<usize> {
    let prefix = || -> Option<usize> {
        let bytes = rest.get(..4)?.try_into().ok()?;
        usize::try_from(i32::from_le_bytes(bytes)).ok()
    };
    match kind {
        Kind::Null | Kind::Undefined | Kind::MinKey | Kind::MaxKey => Some(0),
        Kind::Bool => Some(1),
        Kind::Int32 => Some(4),
        Kind::Double | Kind::DateTime | Kind::Timestamp | Kind::Int64 => Some(8),
        Kind::ObjectId => Some(12),
        Kind::Decimal128 => Some(16),
        Kind::String | Kind::Symbol | Kind::Code => prefix()?.checked_add(4),
        Kind::Binary => prefix()?.checked_add(5),
        Kind::DbPointer => prefix()?.checked_add(16),
        Kind::Document | Kind::Array | Kind::CodeWithScope => prefix(),
        Kind::Regex => {
            let pattern = rest.iter().position(|&byte| byte == 0)?.checked_add(1)?;
            let options = rest.get(pattern..)?.iter().position(|&byte| byte == 0)?;
            pattern.checked_add(options)?.checked_add(1)
        }
    }
}

/// Returns the first `N` bytes; zeros where there are fewer.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes
        .get(..N)
        .and_then(|bytes| bytes.try_into().ok())
        .unwrap_or([0; N])
}

/// Reads text with a length prefix and a closing zero.
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
