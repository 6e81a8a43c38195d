//! Columns and their types.

use std::fmt;

use serde::{Serialize, Serializer};

/// Type of a column: the narrowest type that preserves all its present values.
///
/// | type | cells | JSON | BSON |
/// |---|---|---|---|
/// | boolean | `true`, `True`, `TRUE`, and false | `true` | bool |
/// | integer | decimal integers within 64 bits | `12` | int32, int64 |
/// | large integer | decimal integers of at most 34 digits | `12` | beyond 64 bits Decimal128 |
/// | decimal | finite numbers, some not an integer | `12.0` | double |
/// | number | as decimal, with integers that no double holds | `12`, `12.5` | as integer or double |
/// | date | ISO 8601 dates and times | `"2024-05-01T10:00:00.000Z"` | date |
/// | text | all other | `"12 km"` | string |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnType {
    /// Every present value is `true` or `false`, in one of three spellings.
    Boolean,
    /// Every present value is a canonical decimal integer within 64 bits.
    Integer,
    /// Every present value is a canonical decimal integer of at most 34 digits.
    LargeInteger,
    /// Every present value is a finite number; at least one is not an integer.
    Decimal,
    /// As [`Self::Decimal`], but some integers are not exact as doubles: so integers stay integers.
    Number,
    /// Every present value is an ISO 8601 date, at most as fine as milliseconds.
    Date,
    /// Any other UTF-8 text, or a column without present values.
    Text,
}

impl ColumnType {
    /// Returns the name, as in `dataset inspect`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::LargeInteger => "large integer",
            Self::Decimal => "decimal",
            Self::Number => "number",
            Self::Date => "date",
            Self::Text => "text",
        }
    }
}

impl Serialize for ColumnType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

/// One column of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name of the field in JSON and BSON.
    pub name: String,
    /// Type, inferred from every row.
    pub kind: ColumnType,
    /// Whether the value is missing in any row.
    pub nullable: bool,
}

/// The columns of a dataset, in file order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Columns in file order; names are unique.
    pub columns: Vec<Column>,
}
