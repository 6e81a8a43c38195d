//! Columns, their types and typed values.

use crate::dataset::error::Error;

/// Name of the label column in classification datasets such as APS.
const LABEL_COLUMN: &str = "class";

/// Type of a column: the narrowest type for all its present values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnType {
    /// Every present value is a canonical decimal integer within `i64`.
    Integer,
    /// Every present value is a finite number; at least one is not an integer.
    Decimal,
    /// Any other UTF-8 text, or a column without present values.
    Text,
}

impl ColumnType {
    /// Returns the narrowest type for a present value.
    ///
    /// Quantities are numbers: `12`, `-3`, `0.50`, `.5`, `1e-7`. Values that a number would not
    /// preserve are text, because they are codes or do not fit: `007`, `+5`,
    /// `99999999999999999999`, `1e999`, `nan`, ` 5`.
    pub fn infer(text: &str) -> Self {
        if is_integer(text.as_bytes()) {
            Self::Integer
        } else if decimal(text).is_some() {
            Self::Decimal
        } else {
            Self::Text
        }
    }
}

/// One column of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name in the header, and of the field in JSON and BSON.
    pub name: String,
    /// Type, inferred from every row.
    pub kind: ColumnType,
    /// Whether the value is missing (`na` or empty) in any row.
    pub nullable: bool,
}

/// The columns of a dataset, in file order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Columns in file order; names are unique.
    pub columns: Vec<Column>,
}

impl Schema {
    /// Returns the index of the column named `class` if it is text.
    ///
    /// [`Dataset::label_column`](crate::dataset::Dataset::label_column) also requires at most 64
    /// distinct values.
    pub fn label_column(&self) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.name == LABEL_COLUMN && column.kind == ColumnType::Text)
    }

    /// Checks that every column name is a valid field name and not one of `reserved`.
    pub fn check_field_names(&self, reserved: &[&str]) -> Result<(), Error> {
        for Column { name, .. } in &self.columns {
            let reason = if reserved.contains(&name.as_str()) {
                "has the name of a field that convoy adds to every document"
            } else if name.starts_with('$') {
                "starts with `$`, which MongoDB reserves for operators"
            } else if name.contains('.') {
                "contains `.`, which MongoDB reads as a path"
            } else {
                continue;
            };
            let name = name.clone();
            return Err(Error::FieldName { name, reason });
        }
        Ok(())
    }
}

/// A typed value of one cell, borrowed from its row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// The cell is `na` or empty.
    Missing,
    /// Value of an integer column.
    Integer(i64),
    /// Value of a decimal column; finite.
    Decimal(f64),
    /// Value of a text column.
    Text(&'a str),
}

impl<'a> Value<'a> {
    /// Parses a cell as a value of its column's type.
    ///
    /// A cell of another type becomes text: its file changed after the types were inferred.
    pub fn new(text: &'a str, kind: ColumnType) -> Self {
        if is_missing(text) {
            return Self::Missing;
        }
        let number = match kind {
            ColumnType::Integer => text.parse().ok().map(Self::Integer),
            ColumnType::Decimal => number(text).map(Self::Decimal),
            ColumnType::Text => None,
        };
        number.unwrap_or(Self::Text(text))
    }
}

/// Returns whether a cell has no value.
#[inline]
pub fn is_missing(text: &str) -> bool {
    text.is_empty() || text == "na"
}

/// Number of digits that always fit an `i64`.
const SAFE_DIGITS: usize = 18;

fn is_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0'] => text.len() == 1,
        [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => {
            digits.len() <= SAFE_DIGITS
                || std::str::from_utf8(text).is_ok_and(|text| text.parse::<i64>().is_ok())
        }
        _ => false,
    }
}

/// Returns the number if the text is a decimal that is not an integer.
fn decimal(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let mut bytes = unsigned.bytes();
    let first = bytes.next()?;
    let padded = first == b'0' && bytes.next().is_some_and(|byte| byte.is_ascii_digit());
    let plain = first.is_ascii_digit() || first == b'.';
    let fraction = unsigned.contains(['.', 'e', 'E']);
    if !plain || padded || !(fraction || text == "-0") {
        return None;
    }
    number(text)
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantities_are_numbers_and_codes_are_text() {
        for text in [
            "0",
            "12",
            "-3",
            "9223372036854775807",
            "-9223372036854775808",
        ] {
            assert_eq!(ColumnType::infer(text), ColumnType::Integer, "{text}");
        }
        for text in [
            "0.0", "0.50", "-0", ".5", "5.", "1e-7", "1E5", "-0.0", "12.25",
        ] {
            assert_eq!(ColumnType::infer(text), ColumnType::Decimal, "{text}");
        }
        let text = [
            "007",
            "+5",
            "9223372036854775808",
            "1e999",
            "nan",
            "inf",
            "-",
            ".",
            "e5",
            "1e",
            " 5",
            "5 ",
            "0x10",
            "1_000",
            "00.5",
            "+1.5",
            "NA",
            "neg",
            "--1",
            "1.2.3",
            "٣",
        ];
        for text in text {
            assert_eq!(ColumnType::infer(text), ColumnType::Text, "{text}");
        }
    }

    #[test]
    fn cell_of_another_type_becomes_text() {
        assert_eq!(Value::new("x", ColumnType::Integer), Value::Text("x"));
        assert_eq!(Value::new("inf", ColumnType::Decimal), Value::Text("inf"));
        assert_eq!(Value::new("5", ColumnType::Decimal), Value::Decimal(5.0));
        assert_eq!(Value::new("na", ColumnType::Integer), Value::Missing);
        assert_eq!(Value::new("", ColumnType::Text), Value::Missing);
    }

    #[test]
    fn invalid_and_reserved_field_names_are_rejected() {
        let schema = |name: &str| Schema {
            columns: vec![Column {
                name: name.to_owned(),
                kind: ColumnType::Integer,
                nullable: false,
            }],
        };
        for name in ["_id", "$set", "a.b"] {
            assert!(schema(name).check_field_names(&["_id"]).is_err(), "{name}");
        }
        assert!(schema("aa_000").check_field_names(&["_id"]).is_ok());
    }

    proptest! {
        #[test]
        fn every_integer_is_an_integer(number: i64) {
            prop_assert_eq!(ColumnType::infer(&number.to_string()), ColumnType::Integer);
            let value = Value::new(&number.to_string(), ColumnType::Integer) == Value::Integer(number);
            prop_assert!(value);
        }

        #[test]
        fn every_finite_double_is_a_decimal(number in proptest::num::f64::NORMAL) {
            let text = format!("{number:e}");
            prop_assert_eq!(ColumnType::infer(&text), ColumnType::Decimal);
            prop_assert!(Value::new(&text, ColumnType::Decimal) == Value::Decimal(number));
        }

        #[test]
        fn integers_print_as_their_text(text in "[-+0-9]{0,21}") {
            if ColumnType::infer(&text) == ColumnType::Integer {
                prop_assert_eq!(text.parse::<i64>().expect("it is an integer").to_string(), text);
            }
        }
    }
}
