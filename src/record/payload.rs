//! A row as JSON: one object, fields in column order, compact.
//!
//! The same row always gives the same bytes: integers as in the file, decimals in their shortest
//! form, dates in UTC with milliseconds, missing values as `null`. So two payloads are equal if their hashes are.

use crate::dataset::{CellSyntax, ColumnType, MISSING_LABEL, Schema};

/// Encodes rows of one schema as JSON.
#[derive(Debug)]
pub struct PayloadEncoder {
    columns: Vec<EncodedColumn>,
    syntax: CellSyntax,
}

#[derive(Debug)]
struct EncodedColumn {
    name: String,
    /// The bytes `,"name":`.
    prefix: Vec<u8>,
    /// The prefix followed by zeros, if it is short.
    block: Option<[u8; BLOCK]>,
    kind: ColumnType,
}

/// Bytes that are copied at once, which is faster than a copy of any length.
const BLOCK: usize = 16;

/// A cell does not have the type of its column: its file changed after the types were inferred.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}` has the value `{value}` (expected type {kind})")]
pub struct EncodeError {
    /// Name of the column.
    pub column: String,
    /// Text of the cell.
    pub value: String,
    /// Type of the column.
    pub kind: ColumnType,
}

impl PayloadEncoder {
    /// Prepares to encode rows of a schema, with the usual markers of missing values.
    pub fn new(schema: &Schema) -> Self {
        Self::with_syntax(schema, CellSyntax::default())
    }

    /// Prepares to encode rows of a schema whose cells are read by a syntax.
    pub fn with_syntax(schema: &Schema, syntax: CellSyntax) -> Self {
        let columns = schema
            .columns
            .iter()
            .map(|column| {
                let mut prefix = vec![b','];
                write_json_string(&mut prefix, &column.name);
                prefix.push(b':');
                let mut block = [0; BLOCK];
                let short = block.get_mut(..prefix.len());
                EncodedColumn {
                    name: column.name.clone(),
                    block: short
                        .map(|short| short.copy_from_slice(&prefix))
                        .map(|()| block),
                    prefix,
                    kind: column.kind,
                }
            })
            .collect();
        Self { columns, syntax }
    }

    /// Appends the JSON of one row to `out`. `fields` are the texts of its cells in column order.
    pub fn encode<'f>(
        &self,
        fields: impl Iterator<Item = &'f str>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let start = out.len();
        for (column, field) in self.columns.iter().zip(fields) {
            column.write_prefix(out);
            self.write(column, field, out)?;
        }
        match out.get_mut(start) {
            Some(comma) => *comma = b'{',
            None => out.push(b'{'),
        }
        out.push(b'}');
        Ok(())
    }

    #[inline]
    fn write(
        &self,
        column: &EncodedColumn,
        field: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        if self.syntax.missing.contains(field) {
            out.extend_from_slice(b"null");
        } else if matches!(column.kind, ColumnType::Integer | ColumnType::LargeInteger) {
            // The pass over all rows has checked it.
            append_short(out, field.as_bytes());
        } else if column.kind == ColumnType::Text {
            write_json_string(out, field);
        } else if !self.syntax.write_json(field, column.kind, out) {
            return Err(EncodeError {
                column: column.name.clone(),
                value: field.to_owned(),
                kind: column.kind,
            });
        }
        Ok(())
    }

    /// Calls `visit` with the label of a row, as it is in its document. `scratch` is a buffer.
    ///
    /// Calls it with [`MISSING_LABEL`] if the cell has no value.
    pub fn visit_label(
        &self,
        column: usize,
        field: &str,
        scratch: &mut Vec<u8>,
        visit: impl FnOnce(&str),
    ) {
        let kind = self.columns.get(column).map(|column| column.kind);
        if self.syntax.missing.contains(field) {
            return visit(MISSING_LABEL);
        }
        scratch.clear();
        let written = kind.is_some_and(|kind| self.syntax.write_json(field, kind, scratch));
        let json = std::str::from_utf8(scratch).unwrap_or_default();
        visit(if written { unquoted(json) } else { field });
    }
}

impl EncodedColumn {
    #[inline]
    fn write_prefix(&self, out: &mut Vec<u8>) {
        match &self.block {
            Some(block) => {
                let end = out.len() + self.prefix.len();
                out.extend_from_slice(block);
                out.truncate(end);
            }
            None => out.extend_from_slice(&self.prefix),
        }
    }
}

/// Appends bytes, up to eight of them without a copy of any length.
#[inline]
fn append_short(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = bytes.len();
    let word = match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) if length <= 8 => {
            let last = u64::from(u32::from_le_bytes(*last));
            u64::from(u32::from_le_bytes(*first)) | last << (8 * (length - 4))
        }
        (None, None) => bytes
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
        _ => return out.extend_from_slice(bytes),
    };
    let end = out.len() + length;
    out.extend_from_slice(&word.to_le_bytes());
    out.truncate(end);
}

/// Returns the text of a JSON value that has no escapes.
pub(super) fn unquoted(json: &str) -> &str {
    let text = json
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    text.unwrap_or(json)
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
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::example_schema;

    proptest! {
        #[test]
        fn short_bytes_are_appended_as_any_others(
            before: Vec<u8>, bytes in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let mut out = before.clone();
            append_short(&mut out, &bytes);
            prop_assert_eq!(out, [before, bytes].concat());
        }
    }

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
