//! Reads the records of one CSV file in order, with their positions.

#![warn(clippy::indexing_slicing)]

use std::io::{self, BufRead, Cursor, Read};
use std::path::{Path, PathBuf};

use crate::dataset::error::{Error, Position};
use crate::dataset::header;
use crate::dataset::names::check_names;
use crate::dataset::split::{Fields, Split};

/// Maximum number of columns.
const MAX_COLUMNS: usize = 4_096;

/// Maximum length of a row. Brokers reject larger messages by default.
const MAX_ROW_BYTES: usize = 1 << 20;

/// Length of the prefix that is searched for the header.
const PREFIX_BYTES: u64 = 64 << 10;

/// Reads the records of one CSV file in order.
///
/// Memory is bounded by the longest row, not by the size of the file. After an error the reader
/// must not be used; every row before it was complete.
#[derive(Debug)]
pub struct Reader<R> {
    input: io::Chain<Cursor<Vec<u8>>, R>,
    file: PathBuf,
    names: Vec<String>,
    next: Next,
    record: Vec<u8>,
    split: Split,
}

/// Position of the next byte of input.
#[derive(Debug, Clone, Copy)]
struct Next {
    line: u64,
    byte: u64,
}

/// One record with its position.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Fields, unquoted.
    pub fields: Fields<'a>,
    /// Line of its start, from 1.
    pub line: u64,
    /// Offset of its first byte.
    pub byte: u64,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header. `file` appears in errors only.
    pub fn new(file: &Path, mut input: R) -> Result<Self, Error> {
        let mut prefix = Vec::new();
        (&mut input)
            .take(PREFIX_BYTES)
            .read_to_end(&mut prefix)
            .map_err(|source| read_error(file, 0, source))?;
        let start = header::locate(&prefix);
        let mut prefix = Cursor::new(prefix);
        prefix.set_position(start.byte as u64);
        let mut reader = Self {
            input: prefix.chain(input),
            file: file.to_owned(),
            names: Vec::new(),
            next: Next {
                line: start.line,
                byte: start.byte as u64,
            },
            record: Vec::new(),
            split: Split::default(),
        };
        reader.names = reader.header()?;
        Ok(reader)
    }

    /// Returns the column names in file order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Reads the next row; `None` at the end of the file.
    pub fn next_row(&mut self) -> Result<Option<Record<'_>>, Error> {
        let Some(at) = self.next_record()? else {
            return Ok(None);
        };
        let expected = self.names.len();
        let text = text_of(&self.record, &self.file, at)?;
        let fields = self.split.record(text);
        if fields.len() != expected {
            return Err(Error::Ragged {
                position: position(&self.file, at),
                expected,
                found: fields.len(),
            });
        }
        Ok(Some(Record {
            fields,
            line: at.line,
            byte: at.byte,
        }))
    }

    /// Returns the offset of the next byte to read.
    pub(super) fn next_byte(&self) -> u64 {
        self.next.byte
    }

    fn header(&mut self) -> Result<Vec<String>, Error> {
        let Some(at) = self.next_record()? else {
            let file = self.file.clone();
            return Err(Error::Empty { file });
        };
        let text = text_of(&self.record, &self.file, at)?;
        let fields = self.split.record(text);
        let position = position(&self.file, at);
        if fields.len() > MAX_COLUMNS {
            let limit = MAX_COLUMNS;
            return Err(Error::TooManyColumns { position, limit });
        }
        let names = fields.iter().map(str::to_owned).collect::<Vec<_>>();
        check_names(&names, position)?;
        Ok(names)
    }

    /// Reads the bytes of the next record that is not blank, without its line end.
    fn next_record(&mut self) -> Result<Option<Next>, Error> {
        loop {
            let at = self.next;
            self.record.clear();
            let mut quotes = Quotes::Outside;
            while let Some(start) = self.read_line(at)? {
                quotes = quotes.after(self.record.get(start..).unwrap_or_default());
                if quotes != Quotes::Inside {
                    break;
                }
            }
            if quotes == Quotes::Inside {
                let position = position(&self.file, at);
                return Err(Error::UnclosedQuote { position });
            }
            if self.record.is_empty() {
                return Ok(None);
            }
            self.record.truncate(trim_line_end(&self.record).len());
            if !self.record.is_empty() {
                return Ok(Some(at));
            }
        }
    }

    /// Appends a line to the record that started `at` and returns the line's start in the record;
    /// `None` at the end of the file.
    fn read_line(&mut self, at: Next) -> Result<Option<usize>, Error> {
        let start = self.record.len();
        let budget = (MAX_ROW_BYTES + 1).saturating_sub(start);
        let read = (&mut self.input)
            .take(budget as u64)
            .read_until(b'\n', &mut self.record)
            .map_err(|source| read_error(&self.file, self.next.byte, source))?;
        if self.record.len() > MAX_ROW_BYTES {
            return Err(Error::RowTooLong {
                position: position(&self.file, at),
                limit: MAX_ROW_BYTES,
            });
        }
        self.next.byte += read as u64;
        self.next.line += 1;
        Ok((read > 0).then_some(start))
    }
}

/// Removes the line end and the blank lines after it.
pub(super) fn trim_line_end(mut record: &[u8]) -> &[u8] {
    while let [rest @ .., b'\n' | b'\r'] = record {
        record = rest;
    }
    record
}

/// State of a scan for quoted fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    /// At the start of a field.
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
    pub(super) fn after(self, line: &[u8]) -> Self {
        if self != Self::Inside && !line.contains(&b'"') {
            return Self::Outside;
        }
        line.iter().fold(self, |state, byte| match (state, byte) {
            (Self::Inside, b'"') => Self::Closing,
            (Self::Outside | Self::Closing, b'"') | (Self::Inside, _) => Self::Inside,
            (_, b',' | b'\n') => Self::Outside,
            _ => Self::Unquoted,
        })
    }
}

fn text_of<'a>(record: &'a [u8], file: &Path, at: Next) -> Result<&'a str, Error> {
    std::str::from_utf8(record).map_err(|wrong| Error::InvalidUtf8 {
        position: Position {
            file: file.to_owned(),
            line: at.line,
            byte: at.byte + wrong.valid_up_to() as u64,
        },
    })
}

fn position(file: &Path, at: Next) -> Position {
    Position {
        file: file.to_owned(),
        line: at.line,
        byte: at.byte,
    }
}

fn read_error(file: &Path, byte: u64, source: io::Error) -> Error {
    Error::Read {
        file: file.to_owned(),
        byte,
        source,
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "tests panic")]
mod tests {
    use super::*;

    fn open(text: &[u8]) -> Result<Reader<&[u8]>, Error> {
        Reader::new(Path::new("rows.csv"), text)
    }

    /// Fields, line and byte.
    type Row = (Vec<String>, u64, u64);

    /// Every row that comes before the end or an error.
    fn rows(text: &[u8]) -> (Vec<Row>, Option<Error>) {
        let mut rows = Vec::new();
        let mut reader = match open(text) {
            Ok(reader) => reader,
            Err(error) => return (rows, Some(error)),
        };
        loop {
            match reader.next_row() {
                Ok(Some(row)) => rows.push((
                    row.fields.iter().map(str::to_owned).collect(),
                    row.line,
                    row.byte,
                )),
                Ok(None) => return (rows, None),
                Err(error) => return (rows, Some(error)),
            }
        }
    }

    fn error(text: &[u8]) -> String {
        rows(text).1.expect("the text is malformed").to_string()
    }

    #[test]
    fn rows_have_their_line_and_byte() {
        let text = b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n\"x\ny\",\"\"\"\"\n3,4";
        let (rows, error) = rows(text);
        assert!(error.is_none(), "{error:?}");
        let row = |fields: [&str; 2], line, byte| (fields.map(str::to_owned).to_vec(), line, byte);
        assert_eq!(
            rows,
            [
                row(["1", "2"], 2, 8),
                row(["x\ny", "\""], 4, 15),
                row(["3", "4"], 6, 26),
            ]
        );
    }

    #[test]
    fn errors_name_line_and_byte() {
        assert_eq!(error(b""), "`rows.csv` is empty");
        assert_eq!(error(b"\n\r\n"), "`rows.csv` is empty");
        assert_eq!(
            error(b"a,b\n1,2\n3\n"),
            "`rows.csv`, line 3, byte 8: expected 2 fields as in the header, found 1"
        );
        assert_eq!(
            error(b"a,b\n1,\xff\n"),
            "`rows.csv`, line 2, byte 6: the row is not valid UTF-8"
        );
        assert_eq!(
            error(b"a,b\n1,2\n1,\"2\n\n"),
            "`rows.csv`, line 3, byte 8: a quoted field is not closed before the end of the file"
        );
        assert_eq!(
            error(b"a,,c\n"),
            "`rows.csv`, line 1, byte 0: column 2 has no name"
        );
        assert_eq!(
            error(b"a,b,a\n"),
            "`rows.csv`, line 1, byte 0: columns 1 and 3 are both named `a`"
        );
        assert_eq!(
            error(b"a,b\r1,2\r3,4"),
            "`rows.csv`, line 1, byte 0: the name of column 2 contains a control character"
        );
        assert_eq!(
            error(&b",".repeat(MAX_COLUMNS)),
            "`rows.csv`, line 1, byte 0: the header has more than 4096 columns"
        );
    }

    #[test]
    fn row_without_an_end_does_not_exhaust_memory() {
        let mut text = b"a\n\"".to_vec();
        text.resize(3 * MAX_ROW_BYTES, b'x');
        assert_eq!(
            error(&text),
            "`rows.csv`, line 2, byte 2: the row is longer than 1048576 bytes"
        );
    }

    #[test]
    fn a_file_cut_at_any_byte_keeps_its_complete_rows() {
        let text = "\u{feff}id,name\r\n1,plain\n2,\"a, b\"\r\n\n3,\"two\nlines \"\"é\"\"\"\n4,né\n";
        let (whole, error) = rows(text.as_bytes());
        assert!(error.is_none());
        assert_eq!(whole.len(), 4);
        for cut in 0..text.len() {
            let (rows, error) = rows(&text.as_bytes()[..cut]);
            let complete = whole
                .iter()
                .filter(|row| {
                    let next = whole.iter().map(|next| next.2).find(|&byte| byte > row.2);
                    next.unwrap_or(text.len() as u64) <= cut as u64
                })
                .count();
            assert!(rows.len() >= complete, "cut at {cut}");
            assert_eq!(rows[..complete], whole[..complete], "cut at {cut}");
            assert!(rows.len() <= complete + 1, "cut at {cut}");
            if let Some(error) = error {
                assert!(error.to_string().contains("rows.csv"), "cut at {cut}");
            }
        }
    }

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
                    state = state.after(line.as_bytes());
                    state != Quotes::Inside
                })
                .count();
            assert_eq!(ends, expected, "{record:?}");
        }
    }
}
