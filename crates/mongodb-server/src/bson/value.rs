//! Decoded values.

use std::borrow::Cow;

use crate::bson::{Decimal128, Doc, Kind, ObjectId};

/// A value. Text, bytes and embedded documents are borrowed when read and owned when computed.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// 64-bit binary floating point.
    Double(f64),
    /// UTF-8 text.
    String(Cow<'a, str>),
    /// Embedded document: its bytes.
    Document(Cow<'a, [u8]>),
    /// Array: its bytes, a document whose names are indexes.
    Array(Cow<'a, [u8]>),
    /// Bytes with a subtype.
    Binary {
        /// See [`subtype`](crate::bson::subtype).
        subtype: u8,
        /// The bytes.
        bytes: Cow<'a, [u8]>,
    },
    /// Deprecated: undefined.
    Undefined,
    /// Twelve-byte identifier.
    ObjectId(ObjectId),
    /// Boolean.
    Bool(bool),
    /// Milliseconds since 1970.
    DateTime(i64),
    /// Null.
    Null,
    /// Regular expression.
    Regex {
        /// The pattern.
        pattern: Cow<'a, str>,
        /// Option letters.
        options: Cow<'a, str>,
    },
    /// Deprecated: namespace and identifier.
    DbPointer {
        /// Namespace of the collection.
        namespace: Cow<'a, str>,
        /// `_id` of the document.
        id: ObjectId,
    },
    /// JavaScript.
    Code(Cow<'a, str>),
    /// Deprecated: symbol.
    Symbol(Cow<'a, str>),
    /// Deprecated: JavaScript with variables.
    CodeWithScope {
        /// The code.
        code: Cow<'a, str>,
        /// The variables: a document's bytes.
        scope: Cow<'a, [u8]>,
    },
    /// 32-bit integer.
    Int32(i32),
    /// Internal timestamp: seconds in the high half, an increment in the low half.
    Timestamp(u64),
    /// 64-bit integer.
    Int64(i64),
    /// 128-bit decimal floating point.
    Decimal128(Decimal128),
    /// Less than everything.
    MinKey,
    /// Greater than everything.
    MaxKey,
}

impl<'a> Value<'a> {
    /// Returns the type.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Double(_) => Kind::Double,
            Self::String(_) => Kind::String,
            Self::Document(_) => Kind::Document,
            Self::Array(_) => Kind::Array,
            Self::Binary { .. } => Kind::Binary,
            Self::Undefined => Kind::Undefined,
            Self::ObjectId(_) => Kind::ObjectId,
            Self::Bool(_) => Kind::Bool,
            Self::DateTime(_) => Kind::DateTime,
            Self::Null => Kind::Null,
            Self::Regex { .. } => Kind::Regex,
            Self::DbPointer { .. } => Kind::DbPointer,
            Self::Code(_) => Kind::Code,
            Self::Symbol(_) => Kind::Symbol,
            Self::CodeWithScope { .. } => Kind::CodeWithScope,
            Self::Int32(_) => Kind::Int32,
            Self::Timestamp(_) => Kind::Timestamp,
            Self::Int64(_) => Kind::Int64,
            Self::Decimal128(_) => Kind::Decimal128,
            Self::MinKey => Kind::MinKey,
            Self::MaxKey => Kind::MaxKey,
        }
    }

    /// Returns the bytes that an owned value holds beside its own size.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::String(text) | Self::Code(text) | Self::Symbol(text) => text.len(),
            Self::Document(bytes) | Self::Array(bytes) | Self::Binary { bytes, .. } => bytes.len(),
            Self::Regex { pattern, options } => pattern.len() + options.len(),
            Self::DbPointer { namespace, .. } => namespace.len(),
            Self::CodeWithScope { code, scope } => code.len() + scope.len(),
            _ => 0,
        }
    }

    /// Returns the text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the text with the lifetime of its document, if it is borrowed.
    pub fn into_borrowed_str(self) -> Option<&'a str> {
        match self {
            Self::String(Cow::Borrowed(text)) => Some(text),
            _ => None,
        }
    }

    /// Returns the embedded document.
    pub fn as_document(&self) -> Option<Doc<'_>> {
        match self {
            Self::Document(bytes) => Some(Doc::new(bytes)),
            _ => None,
        }
    }

    /// Returns the array as a document; its values are the items.
    pub fn as_array(&self) -> Option<Doc<'_>> {
        match self {
            Self::Array(bytes) => Some(Doc::new(bytes)),
            _ => None,
        }
    }

    /// Returns the embedded document with the lifetime of the outer one, if it is borrowed.
    pub fn into_borrowed_document(self) -> Option<Doc<'a>> {
        match self {
            Self::Document(Cow::Borrowed(bytes)) => Some(Doc::new(bytes)),
            _ => None,
        }
    }

    /// Returns the array with the lifetime of its document, if it is borrowed.
    pub fn into_borrowed_array(self) -> Option<Doc<'a>> {
        match self {
            Self::Array(Cow::Borrowed(bytes)) => Some(Doc::new(bytes)),
            _ => None,
        }
    }

    /// Returns the number as an integer if it has no fraction and fits.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::Int32(number) => Some(i64::from(number)),
            Self::Int64(number) => Some(number),
            Self::Double(number) => integer_of(number),
            Self::Decimal128(number) => number.to_i64(),
            _ => None,
        }
    }

    /// Returns the number as a double, rounded to the nearest.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::Int32(number) => Some(f64::from(number)),
            Self::Int64(number) => Some(number as f64),
            Self::Double(number) => Some(number),
            Self::Decimal128(number) => Some(number.to_f64()),
            _ => None,
        }
    }

    /// Returns whether this is a number of any type.
    pub fn is_number(&self) -> bool {
        self.kind().is_number()
    }

    /// Returns whether this is null or undefined.
    pub fn is_nullish(&self) -> bool {
        matches!(self, Self::Null | Self::Undefined)
    }

    /// Returns the value as a condition: false, null, undefined and zero are false.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Bool(value) => *value,
            Self::Null | Self::Undefined => false,
            Self::Int32(number) => *number != 0,
            Self::Int64(number) => *number != 0,
            Self::Double(number) => *number != 0.0,
            Self::Decimal128(number) => !number.is_zero(),
            _ => true,
        }
    }

    /// Returns the value without borrowed parts.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::String(text) => Value::String(Cow::Owned(text.into_owned())),
            Self::Document(bytes) => Value::Document(Cow::Owned(bytes.into_owned())),
            Self::Array(bytes) => Value::Array(Cow::Owned(bytes.into_owned())),
            Self::Binary { subtype, bytes } => Value::Binary {
                subtype,
                bytes: Cow::Owned(bytes.into_owned()),
            },
            Self::Regex { pattern, options } => Value::Regex {
                pattern: Cow::Owned(pattern.into_owned()),
                options: Cow::Owned(options.into_owned()),
            },
            Self::DbPointer { namespace, id } => Value::DbPointer {
                namespace: Cow::Owned(namespace.into_owned()),
                id,
            },
            Self::Code(code) => Value::Code(Cow::Owned(code.into_owned())),
            Self::Symbol(text) => Value::Symbol(Cow::Owned(text.into_owned())),
            Self::CodeWithScope { code, scope } => Value::CodeWithScope {
                code: Cow::Owned(code.into_owned()),
                scope: Cow::Owned(scope.into_owned()),
            },
            Self::Double(number) => Value::Double(number),
            Self::Undefined => Value::Undefined,
            Self::ObjectId(id) => Value::ObjectId(id),
            Self::Bool(value) => Value::Bool(value),
            Self::DateTime(milliseconds) => Value::DateTime(milliseconds),
            Self::Null => Value::Null,
            Self::Int32(number) => Value::Int32(number),
            Self::Timestamp(stamp) => Value::Timestamp(stamp),
            Self::Int64(number) => Value::Int64(number),
            Self::Decimal128(number) => Value::Decimal128(number),
            Self::MinKey => Value::MinKey,
            Self::MaxKey => Value::MaxKey,
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::String(Cow::Owned(text))
    }
}

/// Returns a double as an integer if it is one.
pub fn integer_of(number: f64) -> Option<i64> {
    /// 2^63, the least double that is too large; its negative fits.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to be whole and in range"
    )]
    let integer = || number as i64;
    (number.fract() == 0.0 && (-LIMIT..LIMIT).contains(&number)).then(integer)
}
