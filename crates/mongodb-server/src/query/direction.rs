//! The direction of a sort or index field.

use crate::bson::{Value, key};

/// Ascending or descending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

impl Direction {
    /// Reads a number by its sign; `None` for zero, NaN and other values.
    pub fn parse(value: &Value<'_>) -> Option<Self> {
        let number = value.as_f64()?;
        if number == 0.0 || number.is_nan() {
            return None;
        }
        Some(if number > 0.0 {
            Self::Ascending
        } else {
            Self::Descending
        })
    }

    /// Appends the encoding of a value whose byte order is this order.
    pub fn encode(self, value: &Value<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Ascending => key::encode(value, out),
            Self::Descending => key::encode_descending(value, out),
        }
    }
}
