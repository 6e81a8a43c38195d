//! Columns, their types and typed values.

/// Type of a column, the narrowest that holds every present value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Every present value is a canonical decimal integer within `i64`.
    Integer,
    /// Every present value is a finite number; at least one is not an integer.
    Decimal,
    /// Anything else: UTF-8 text.
    Text,
}

/// One column of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name as in the header; also the field's name in JSON and BSON.
    pub name: String,
    /// Type inferred from every row.
    pub kind: ColumnType,
    /// Whether any row misses this value (`na` or empty).
    pub nullable: bool,
}

/// The columns of a dataset, in file order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Columns in file order; names are unique.
    pub columns: Vec<Column>,
}

/// A typed value of one cell, borrowed from its row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// `na` or empty.
    Missing,
    /// Of an integer column.
    Integer(i64),
    /// Of a decimal column; finite.
    Decimal(f64),
    /// Of a text column.
    Text(&'a str),
}
