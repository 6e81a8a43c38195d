//! A row as JSON: one object, fields in column order, compact.
//!
//! The same row always gives the same bytes: integers as in the file, decimals in their shortest
//! form, missing values as `null`. So two payloads are equal if their hashes are.

use crate::dataset::{ColumnType, Schema, is_missing};

/// Encodes rows of one schema as JSON.
#[derive(Debug)]
pub struct PayloadEncoder {
    columns: Vec<EncodedColumn>,
}

#[derive(Debug)]
struct EncodedColumn {
    name: String,
    /// The bytes `,"name":`.
    prefix: Vec<u8>,
    kind: ColumnType,
}

/// A cell of a decimal column does not contain a number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}` has the value `{value}` (expected a number)")]
pub struct EncodeError {
    /// Name of the column.
    pub column: String,
    /// Text of the cell.
    pub value: String,
}

impl PayloadEncoder {
    /// Prepares to encode rows of a schema.
    pub fn new(schema: &Schema) -> Self {
        let columns = schema
            .columns
            .iter()
            .map(|column| {
                let mut prefix = vec![b','];
                write_json_string(&mut prefix, &column.name);
                prefix.push(b':');
                EncodedColumn {
                    name: column.name.clone(),
                    prefix,
                    kind: column.kind,
                }
            })
            .collect();
        Self { columns }
    }

    /// Appends the JSON of one row to `out`. `fields` are the texts of its cells in column order.
    pub fn encode<'f>(
        &self,
        fields: impl Iterator<Item = &'f str>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let start = out.len();
        for (column, field) in self.columns.iter().zip(fields) {
            out.extend_from_slice(&column.prefix);
            if is_missing(field) {
                out.extend_from_slice(b"null");
                continue;
            }
            match column.kind {
                ColumnType::Integer => out.extend_from_slice(field.as_bytes()),
                ColumnType::Decimal => {
                    let number = field.parse().map_err(|_| column.not_a_number(field))?;
                    write_decimal(out, number);
                }
                ColumnType::Text => write_json_string(out, field),
            }
        }
        match out.get_mut(start) {
            Some(comma) => *comma = b'{',
            None => out.push(b'{'),
        }
        out.push(b'}');
        Ok(())
    }
}

impl EncodedColumn {
    fn not_a_number(&self, field: &str) -> EncodeError {
        EncodeError {
            column: self.name.clone(),
            value: field.to_owned(),
        }
    }
}

/// Appends a finite number in its shortest form that parses back to the same number.
pub(super) fn write_decimal(out: &mut Vec<u8>, number: f64) {
    out.extend_from_slice(ryu::Buffer::new().format(number).as_bytes());
}

/// Appends an integer.
pub(super) fn write_integer(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends a JSON string with its quotes.
pub fn write_json_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a string always becomes JSON in memory");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::example_schema;

    fn encode(fields: [&str; 3]) -> String {
        let mut out = Vec::new();
        PayloadEncoder::new(&example_schema())
            .encode(fields.into_iter(), &mut out)
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn row_becomes_compact_json_in_column_order() {
        let json = encode(["neg", "76698", "76698.08"]);
        assert_eq!(json, r#"{"class":"neg","aa_000":76698,"bt_000":76698.08}"#);
    }

    #[test]
    fn missing_values_become_null_and_decimals_keep_their_type() {
        assert_eq!(
            encode(["a\"b", "na", "0"]),
            r#"{"class":"a\"b","aa_000":null,"bt_000":0.0}"#
        );
        assert_eq!(
            encode(["", "", "0.00"]),
            r#"{"class":null,"aa_000":null,"bt_000":0.0}"#
        );
    }
}
