//! Lines of a file, and which of them form a record.
//!
//! The first pass over a file and later reads of a part of it share these rules, so that both find
//! the same rows.

#![warn(clippy::indexing_slicing)]

use crate::dataset::options::Delimiter;

/// How records are separated, and split into fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) delimiter: Delimiter,
    /// Last byte of a line.
    pub(super) line_end: u8,
    /// Start of lines to skip.
    pub(super) comment: Option<Vec<u8>>,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            delimiter: Delimiter::COMMA,
            line_end: b'\n',
            comment: None,
        }
    }
}

impl Dialect {
    /// Returns whether a line is a comment.
    pub(super) fn is_comment(&self, line: &[u8]) -> bool {
        let comment = self.comment.as_deref();
        comment.is_some_and(|comment| line.starts_with(comment))
    }

    /// Returns whether a line has no fields.
    pub(super) fn is_blank(&self, line: &[u8]) -> bool {
        line.iter()
            .all(|&byte| is_blank(byte) && byte != self.delimiter.byte() || is_line_end(byte))
    }

    /// Returns the offset after the first line of some bytes; `None` if they have no line end.
    pub(super) fn line(&self, bytes: &[u8]) -> Option<usize> {
        memchr::memchr(self.line_end, bytes).map(|end| end + 1)
    }

    /// Finds the end of the first record, which is neither blank nor a comment.
    pub(super) fn record(&self, bytes: &[u8]) -> RecordEnd {
        let mut quotes = Quotes::default();
        let mut scanned = 0;
        let mut lines = 0;
        while let Some(rest) = bytes.get(scanned..) {
            let Some(length) = self.line(rest) else {
                let open = quotes.after(rest, self.delimiter) == Quotes::Inside;
                return RecordEnd::Missing { open };
            };
            quotes = quotes.after(rest.get(..length).unwrap_or_default(), self.delimiter);
            scanned += length;
            lines += 1;
            if quotes != Quotes::Inside {
                break;
            }
        }
        RecordEnd::At {
            length: scanned,
            lines,
        }
    }
}

/// Where a record ends in some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordEnd {
    /// Length with the line end, and number of lines.
    At { length: usize, lines: u64 },
    /// The bytes end before the record, in a quoted field if it is `open`.
    Missing { open: bool },
}

/// Returns whether a byte is a blank that is trimmed around fields.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Removes the line end and the blank lines after it.
pub(super) fn trim_line_end(mut record: &[u8]) -> &[u8] {
    while let [rest @ .., b'\n' | b'\r'] = record {
        record = rest;
    }
    record
}

/// State of a scan for quoted fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Quotes {
    /// At the start of a field, or in the blanks before it.
    #[default]
    Outside,
    /// In a field that does not start with a quote.
    Unquoted,
    /// In a quoted field.
    Inside,
    /// After a quote in a quoted field: its end, or the first half of an escaped quote.
    Closing,
}

impl Quotes {
    /// Returns the state after a line with its line end.
    pub(super) fn after(self, line: &[u8], delimiter: Delimiter) -> Self {
        if self != Self::Inside && memchr::memchr(b'"', line).is_none() {
            return Self::Outside;
        }
        line.iter()
            .fold(self, |state, &byte| state.next(byte, delimiter))
    }

    /// Returns the state after a byte.
    pub(super) fn next(self, byte: u8, delimiter: Delimiter) -> Self {
        match (self, byte) {
            (Self::Inside, b'"') => Self::Closing,
            (Self::Outside | Self::Closing, b'"') | (Self::Inside, _) => Self::Inside,
            (_, byte) if byte == delimiter.byte() || is_line_end(byte) => Self::Outside,
            (Self::Outside, byte) if is_blank(byte) => Self::Outside,
            _ => Self::Unquoted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quote_states_agree_with_the_csv_crate() {
        let records = [
            "a,\"b\nc\"\n",
            "5\" x,y\n",
            "\"a\"\"\nb\"\n",
            "\"a\"b\"\n",
            "a\"\n",
        ];
        for record in records {
            let two = format!("{record}z\n");
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(two.as_bytes());
            let expected = reader.records().count();
            let mut state = Quotes::Outside;
            let ends = two
                .split_inclusive('\n')
                .filter(|line| {
                    state = state.after(line.as_bytes(), Delimiter::COMMA);
                    state != Quotes::Inside
                })
                .count();
            assert_eq!(ends, expected, "{record:?}");
        }
    }

    #[test]
    fn quoted_fields_may_follow_blanks_and_span_lines() {
        let dialect = Dialect::default();
        let end = |bytes: &[u8]| dialect.record(bytes);
        assert_eq!(
            end(b"1, \"a\nb\" ,2\nc"),
            RecordEnd::At {
                length: 12,
                lines: 2
            }
        );
        assert_eq!(end(b"1,\"a\n"), RecordEnd::Missing { open: true });
        assert_eq!(end(b"1,2"), RecordEnd::Missing { open: false });
    }

    #[test]
    fn lines_of_blanks_have_no_fields() {
        let tabs = Dialect {
            delimiter: "tab".parse().expect("it is a delimiter"),
            ..Dialect::default()
        };
        assert!(Dialect::default().is_blank(b"  \t\r\n"));
        assert!(tabs.is_blank(b"  \n"));
        assert!(!tabs.is_blank(b"\t\n"));
        assert!(!Dialect::default().is_blank(b",\n"));
    }
}
