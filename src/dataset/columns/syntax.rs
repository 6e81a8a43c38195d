//! How cells are read and written: markers of missing values, the point of decimals, JSON of values.

use crate::dataset::columns::cell::boolean;
use crate::dataset::columns::date;
use crate::dataset::columns::missing::Markers;
use crate::dataset::columns::number::{self, DecimalPoint};
use crate::dataset::options::ReadOptions;
use crate::dataset::schema::ColumnType;

/// How cells are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CellSyntax {
    /// Cells without a value.
    pub missing: Markers,
    /// The point of decimals.
    pub point: DecimalPoint,
}

impl CellSyntax {
    /// Follows the user's options.
    pub fn new(options: &ReadOptions) -> Self {
        let missing = options.null_values.as_ref();
        Self {
            missing: missing.map_or_else(Markers::default, |list| Markers::new(list.0.clone())),
            point: if options.decimal_comma {
                DecimalPoint::Comma
            } else {
                DecimalPoint::Point
            },
        }
    }

    /// Appends the JSON of a present cell of a column, unless it is text or, beside integers, does not
    /// have the type of the column. Does not allocate.
    ///
    /// Every value has one form, so that equal values have equal payloads.
    #[inline]
    pub fn write_json(&self, cell: &str, kind: ColumnType, out: &mut Vec<u8>) -> bool {
        match kind {
            // The pass over all rows has checked it.
            ColumnType::Integer | ColumnType::LargeInteger => {
                out.extend_from_slice(cell.as_bytes());
                true
            }
            ColumnType::Decimal => self.write_decimal(cell, out),
            ColumnType::Number => write_integer(cell, out) || self.write_decimal(cell, out),
            ColumnType::Boolean => boolean(cell).is_some_and(|value| {
                out.extend_from_slice(if value { b"true" } else { b"false" });
                true
            }),
            ColumnType::Date => {
                let written = date::parse(cell).and_then(|date| date::write(date.unix_ms));
                written.is_some_and(|written| {
                    out.push(b'"');
                    out.extend_from_slice(&written);
                    out.push(b'"');
                    true
                })
            }
            ColumnType::Text => false,
        }
    }

    #[inline]
    fn write_decimal(&self, cell: &str, out: &mut Vec<u8>) -> bool {
        let number = number::number(cell, self.point);
        if let Some(number) = number {
            out.extend_from_slice(ryu::Buffer::new().format(number).as_bytes());
        }
        number.is_some()
    }
}

fn write_integer(cell: &str, out: &mut Vec<u8>) -> bool {
    let is_integer = number::is_integer(cell);
    if is_integer {
        out.extend_from_slice(cell.as_bytes());
    }
    is_integer
}

/// Returns the label of a present cell as it is in the document: the text, or the JSON of a value
/// without quotes.
pub(in crate::dataset) fn label(cell: &str, kind: ColumnType, syntax: &CellSyntax) -> String {
    let mut json = Vec::new();
    if !syntax.write_json(cell, kind, &mut json) {
        return cell.to_owned();
    }
    let json = String::from_utf8(json).unwrap_or_default();
    json.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(cell: &str, kind: ColumnType) -> Option<String> {
        let mut out = Vec::new();
        let written = CellSyntax::default().write_json(cell, kind, &mut out);
        assert_eq!(written, !out.is_empty());
        written.then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_value_has_one_form() {
        for (cell, kind, expected) in [
            ("12", ColumnType::Integer, "12"),
            (
                "18446744073709551616",
                ColumnType::Integer,
                "18446744073709551616",
            ),
            ("12", ColumnType::Decimal, "12.0"),
            ("0.50", ColumnType::Decimal, "0.5"),
            ("-0", ColumnType::Decimal, "-0.0"),
            ("9007199254740993", ColumnType::Number, "9007199254740993"),
            ("0.50", ColumnType::Number, "0.5"),
            ("TRUE", ColumnType::Boolean, "true"),
            ("False", ColumnType::Boolean, "false"),
            (
                "2024-05-01",
                ColumnType::Date,
                "\"2024-05-01T00:00:00.000Z\"",
            ),
        ] {
            assert_eq!(json(cell, kind).as_deref(), Some(expected), "{cell}");
        }
    }

    #[test]
    fn cells_of_another_type_are_not_written() {
        for (cell, kind) in [
            ("inf", ColumnType::Decimal),
            ("1e400", ColumnType::Number),
            ("1", ColumnType::Boolean),
            ("soon", ColumnType::Date),
            ("x", ColumnType::Text),
        ] {
            assert_eq!(json(cell, kind), None, "{cell}");
        }
    }

    #[test]
    fn labels_are_as_in_documents() {
        let syntax = CellSyntax::default();
        assert_eq!(label("TRUE", ColumnType::Boolean, &syntax), "true");
        assert_eq!(label("1", ColumnType::Decimal, &syntax), "1.0");
        assert_eq!(label("\"x\"", ColumnType::Text, &syntax), "\"x\"");
        let date = label("2024-05-01", ColumnType::Date, &syntax);
        assert_eq!(date, "2024-05-01T00:00:00.000Z");
    }
}
