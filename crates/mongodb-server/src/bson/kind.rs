//! The element types of BSON, with the numbers and names that `$type` accepts.

/// The type of an element. The discriminant is the byte on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// 64-bit binary floating point.
    Double = 0x01,
    /// UTF-8 text.
    String = 0x02,
    /// Embedded document.
    Document = 0x03,
    /// Array.
    Array = 0x04,
    /// Bytes with a subtype.
    Binary = 0x05,
    /// Deprecated: undefined.
    Undefined = 0x06,
    /// Twelve-byte identifier.
    ObjectId = 0x07,
    /// Boolean.
    Bool = 0x08,
    /// Milliseconds since 1970.
    DateTime = 0x09,
    /// Null.
    Null = 0x0A,
    /// Regular expression: pattern and options.
    Regex = 0x0B,
    /// Deprecated: namespace and identifier.
    DbPointer = 0x0C,
    /// JavaScript.
    Code = 0x0D,
    /// Deprecated: symbol.
    Symbol = 0x0E,
    /// Deprecated: JavaScript with variables.
    CodeWithScope = 0x0F,
    /// 32-bit integer.
    Int32 = 0x10,
    /// Internal timestamp.
    Timestamp = 0x11,
    /// 64-bit integer.
    Int64 = 0x12,
    /// 128-bit decimal floating point.
    Decimal128 = 0x13,
    /// Greater than everything.
    MaxKey = 0x7F,
    /// Less than everything.
    MinKey = 0xFF,
}

/// Every type with the number and alias that `$type` accepts.
const ALIASES: [(Kind, i32, &str); 21] = [
    (Kind::Double, 1, "double"),
    (Kind::String, 2, "string"),
    (Kind::Document, 3, "object"),
    (Kind::Array, 4, "array"),
    (Kind::Binary, 5, "binData"),
    (Kind::Undefined, 6, "undefined"),
    (Kind::ObjectId, 7, "objectId"),
    (Kind::Bool, 8, "bool"),
    (Kind::DateTime, 9, "date"),
    (Kind::Null, 10, "null"),
    (Kind::Regex, 11, "regex"),
    (Kind::DbPointer, 12, "dbPointer"),
    (Kind::Code, 13, "javascript"),
    (Kind::Symbol, 14, "symbol"),
    (Kind::CodeWithScope, 15, "javascriptWithScope"),
    (Kind::Int32, 16, "int"),
    (Kind::Timestamp, 17, "timestamp"),
    (Kind::Int64, 18, "long"),
    (Kind::Decimal128, 19, "decimal"),
    (Kind::MinKey, -1, "minKey"),
    (Kind::MaxKey, 127, "maxKey"),
];

impl Kind {
    /// Returns the type of a byte on the wire.
    #[inline]
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        // A match, not a search: it runs for every element of every document.
        Some(match byte {
            0x01 => Self::Double,
            0x02 => Self::String,
            0x03 => Self::Document,
            0x04 => Self::Array,
            0x05 => Self::Binary,
            0x06 => Self::Undefined,
            0x07 => Self::ObjectId,
            0x08 => Self::Bool,
            0x09 => Self::DateTime,
            0x0A => Self::Null,
            0x0B => Self::Regex,
            0x0C => Self::DbPointer,
            0x0D => Self::Code,
            0x0E => Self::Symbol,
            0x0F => Self::CodeWithScope,
            0x10 => Self::Int32,
            0x11 => Self::Timestamp,
            0x12 => Self::Int64,
            0x13 => Self::Decimal128,
            0x7F => Self::MaxKey,
            0xFF => Self::MinKey,
            _ => return None,
        })
    }

    /// Returns the type of `$type: "alias"`.
    pub(crate) fn from_alias(alias: &str) -> Option<Self> {
        ALIASES
            .iter()
            .find(|(.., name)| *name == alias)
            .map(|&(kind, ..)| kind)
    }

    /// Returns the type of `$type: number`.
    pub(crate) fn from_number(number: i32) -> Option<Self> {
        ALIASES
            .iter()
            .find(|&&(_, known, _)| known == number)
            .map(|&(kind, ..)| kind)
    }

    /// Returns the name that `$type` accepts.
    pub fn alias(self) -> &'static str {
        ALIASES
            .iter()
            .find(|&&(kind, ..)| kind == self)
            .map_or("unknown", |&(.., name)| name)
    }

    /// Returns whether values of this type compare as numbers.
    pub(crate) fn is_number(self) -> bool {
        matches!(
            self,
            Self::Double | Self::Int32 | Self::Int64 | Self::Decimal128
        )
    }

    /// Returns the rank of this type in the order of all values; types of one rank compare by value.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Self::MinKey => 1,
            Self::Undefined => 2,
            Self::Null => 5,
            Self::Double | Self::Int32 | Self::Int64 | Self::Decimal128 => 10,
            Self::String | Self::Symbol => 15,
            Self::Document => 20,
            Self::Array => 25,
            Self::Binary => 30,
            Self::ObjectId => 35,
            Self::Bool => 40,
            Self::DateTime => 45,
            Self::Timestamp => 47,
            Self::Regex => 50,
            Self::DbPointer => 55,
            Self::Code => 60,
            Self::CodeWithScope => 65,
            Self::MaxKey => 127,
        }
    }
}
