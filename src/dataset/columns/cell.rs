//! Classes of cells, by which columns get their types.

use crate::dataset::columns::date::{self, CellDate};
use crate::dataset::columns::number::{self, DecimalPoint, Integer, Obstacle};

/// Integers up to this magnitude are exact as doubles.
const DOUBLE_INTEGERS: u64 = 1 << 53;

/// A present cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell {
    /// A canonical integer of at most 34 digits.
    Integer(i128),
    /// A finite decimal.
    Decimal(Decimal),
    /// `true`, `True`, `TRUE`, or false.
    Boolean,
    /// An ISO 8601 date.
    Date(CellDate),
    /// A text that resembles a number.
    LikeNumber(Obstacle),
    /// Any other text.
    Text,
}

/// A decimal in a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decimal {
    pub value: f64,
    /// Whether a double preserves it.
    pub exact: bool,
    /// Whether it may be a code, as `1E5`.
    pub may_be_code: bool,
}

/// The class of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// An integer that is exact as a double.
    Integer,
    /// An integer within 64 bits that is not.
    WideInteger,
    /// An integer beyond 64 bits.
    LargeInteger,
    /// A decimal that a double preserves.
    Decimal,
    /// A decimal that a double does not preserve.
    LongDecimal,
    /// A decimal that may be a code.
    Exponent,
    /// A boolean.
    Boolean,
    /// A date.
    Date,
    /// A date with a fraction finer than milliseconds.
    FineDate,
    /// A text that resembles a number and not a code.
    LikeNumber,
    /// A text that resembles a number and is probably a code.
    LikeCode,
    /// Any other text.
    Text,
}

/// Number of classes.
pub const CLASSES: usize = Class::Text as usize + 1;

impl Cell {
    /// Classifies a present cell.
    pub fn new(text: &str, point: DecimalPoint) -> Self {
        match number::integer(text) {
            Some(Integer::Small(number)) => return Self::Integer(i128::from(number)),
            Some(Integer::Large(number)) => return Self::Integer(number),
            Some(Integer::Huge) => return Self::LikeNumber(Obstacle::TooManyDigits),
            None => {}
        }
        if let Some(value) = number::decimal(text, point) {
            return Self::Decimal(Decimal {
                value,
                exact: number::is_exact(text, value),
                may_be_code: number::may_be_code(text),
            });
        }
        if boolean(text).is_some() {
            return Self::Boolean;
        }
        if let Some(date) = date::parse(text) {
            return Self::Date(date);
        }
        number::obstacle(text).map_or(Self::Text, Self::LikeNumber)
    }

    pub fn class(self) -> Class {
        match self {
            Self::Integer(number) => match i64::try_from(number) {
                Err(_) => Class::LargeInteger,
                Ok(number) if number.unsigned_abs() > DOUBLE_INTEGERS => Class::WideInteger,
                Ok(_) => Class::Integer,
            },
            Self::Decimal(decimal) if decimal.may_be_code => Class::Exponent,
            Self::Decimal(decimal) if decimal.exact => Class::Decimal,
            Self::Decimal(_) => Class::LongDecimal,
            Self::Boolean => Class::Boolean,
            Self::Date(date) if date.too_fine => Class::FineDate,
            Self::Date(_) => Class::Date,
            Self::LikeNumber(obstacle) if obstacle.is_code() => Class::LikeCode,
            Self::LikeNumber(_) => Class::LikeNumber,
            Self::Text => Class::Text,
        }
    }
}

/// Parses a boolean as written in CSV files.
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_their_class() {
        for (text, class) in [
            ("12", Class::Integer),
            ("-9007199254740992", Class::Integer),
            ("9007199254740993", Class::WideInteger),
            ("9223372036854775807", Class::WideInteger),
            ("9223372036854775808", Class::LargeInteger),
            ("0.5", Class::Decimal),
            ("-0", Class::Decimal),
            ("9007199254740993.0", Class::LongDecimal),
            ("1E5", Class::Exponent),
            ("1.0E5", Class::Decimal),
            ("TRUE", Class::Boolean),
            ("tRUE", Class::Text),
            ("yes", Class::Text),
            ("2024-05-01", Class::Date),
            ("2024-05-01T10:00:00.123456", Class::FineDate),
            ("1e400", Class::LikeNumber),
            ("+5", Class::LikeNumber),
            ("007", Class::LikeCode),
            ("0x1F", Class::LikeCode),
            ("A7", Class::Text),
        ] {
            assert_eq!(
                Cell::new(text, DecimalPoint::Point).class(),
                class,
                "{text}"
            );
        }
    }
}
