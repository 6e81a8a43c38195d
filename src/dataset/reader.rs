//! Reads the records of one CSV file in order, with their positions.

#![warn(clippy::indexing_slicing)]

use std::io::{self, Read};
use std::path::Path;

use crate::dataset::assumptions::{BadRow, Compression, FileAssumptions};
use crate::dataset::defect::{Defect, Place};
use crate::dataset::error::{Error, Position};
use crate::dataset::header::comment_mark;
use crate::dataset::lines::{Dialect, RecordEnd, trim_line_end};
use crate::dataset::opening::Beginning;
use crate::dataset::options::{OnBadRow, ReadOptions, TextEncoding};
use crate::dataset::origin::{Origin, assumptions, line_end, read_error};
use crate::dataset::split::{Fields, Split};
use crate::dataset::window::{Next, Window};

/// Maximum number of columns.
const MAX_COLUMNS: usize = 4_096;

/// Maximum length of a row. Brokers reject larger messages by default.
const MAX_ROW_BYTES: usize = 1 << 20;

/// Maximum length of the text of a bad row that is shown.
const SHOWN_TEXT: usize = 200;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads the records of one CSV file in order.
///
/// Memory is bounded by the longest row, not by the size of the file. After an error the reader
/// must not be used; every row before it was complete.
#[derive(Debug)]
pub struct Reader<R> {
    window: Window<R>,
    names: Vec<String>,
    header: Vec<String>,
    dialect: Dialect,
    keep_repeated_headers: Option<bool>,
    on_bad_row: OnBadRow,
    /// Whether the next row has units.
    units_next: bool,
    rows: u64,
    split: Split,
    assumed: FileAssumptions,
    compression: Compression,
    decoded: bool,
    /// Rows that were left out since the last row, for [`Reader::take_left_out`].
    left_out: Vec<LeftOut>,
    /// Lengths of the row that was returned last, with and without its line end.
    last: Found,
}

/// Bytes that hold no row of the dataset, though they look like one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) lines: u64,
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
    /// The record without its line end.
    pub(super) text: &'a str,
}

/// A record at the start of the window.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    /// Length with the line end.
    length: usize,
    lines: u64,
}

/// What is at the start of the window.
enum Row {
    Fine(Found),
    Bad(Found, Defect),
}

impl<R: Read> Reader<R> {
    /// Reads the header of a text in UTF-8. `file` appears in errors only.
    pub fn new(file: &Path, input: R, options: &ReadOptions) -> Result<Self, Error> {
        Self::with_origin(file, input, options, Origin::PLAIN)
    }

    /// Reads the header of a file.
    pub(super) fn with_origin(
        file: &Path,
        input: R,
        options: &ReadOptions,
        origin: Origin,
    ) -> Result<Self, Error> {
        let mut window = Window::new(input);
        let decoded =
            origin.compression != Compression::None || origin.encoding.value != TextEncoding::UTF_8;
        let failed = |byte, error| read_error(file, byte, origin.compression, error);
        let fill = |window: &mut Window<R>| {
            let filled = window.fill(MAX_ROW_BYTES + 1);
            filled.map_err(|error| failed(window.at().byte, error))
        };
        fill(&mut window)?;
        if window.bytes().starts_with(BYTE_ORDER_MARK) {
            window.advance(BYTE_ORDER_MARK.len(), 0);
        }
        let line_end = line_end(window.bytes());
        window
            .skip_lines(options.skip_rows, line_end)
            .map_err(|error| failed(window.at().byte, error))?;
        fill(&mut window)?;
        let beginning = Beginning {
            file,
            bytes: window.bytes(),
            at: window.at(),
            complete: window.ended(),
            decoded,
            options,
        };
        let Some(opening) = beginning.examine(line_end)? else {
            let file = file.to_owned();
            return Err(Error::Empty { file });
        };
        let assumed = assumptions(file, origin, &opening, line_end);
        let mut reader = Self {
            names: Vec::new(),
            header: opening.header,
            dialect: opening.dialect,
            keep_repeated_headers: options.skip_repeated_headers.map(|skip| !skip),
            on_bad_row: options.on_bad_row,
            units_next: opening.units_row,
            rows: 0,
            split: Split::default(),
            assumed,
            compression: origin.compression,
            decoded,
            left_out: Vec::new(),
            last: Found {
                length: opening.length,
                lines: opening.lines,
            },
            window,
        };
        reader.check_header(opening.header_at)?;
        Ok(reader)
    }

    /// Returns the column names in file order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns what was assumed about the file so far.
    pub fn assumptions(&self) -> &FileAssumptions {
        &self.assumed
    }

    pub(super) fn into_assumptions(self) -> FileAssumptions {
        self.assumed
    }

    pub(super) fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// Returns the offset of the next byte to read.
    pub(super) fn next_byte(&self) -> u64 {
        self.window.at().byte
    }

    /// Returns the rows that were left out since the last call.
    pub(super) fn take_left_out(&mut self) -> impl Iterator<Item = LeftOut> + '_ {
        self.left_out.drain(..)
    }

    /// Returns the input.
    pub(super) fn input(&mut self) -> &mut R {
        self.window.input()
    }

    /// Reads the next row; `None` at the end of the file. Gives each bad row that is left out, with
    /// its whole text, to `visit_bad`.
    pub fn next_row(
        &mut self,
        visit_bad: &mut dyn FnMut(&BadRow, &[u8]),
    ) -> Result<Option<Record<'_>>, Error> {
        loop {
            self.window.advance(self.last.length, self.last.lines);
            self.last = Found::default();
            let Some(row) = self.find_row()? else {
                return Ok(None);
            };
            let first = std::mem::take(&mut self.units_next);
            match row {
                Row::Bad(found, defect) => self.leave_out(found, defect, visit_bad)?,
                Row::Fine(found) if first => {
                    self.assumed.skipped.unit_rows += 1;
                    self.skip(found);
                }
                Row::Fine(found) if self.repeats_header(found)? => {
                    self.assumed.skipped.repeated_headers += 1;
                    self.skip(found);
                }
                Row::Fine(found) => {
                    self.last = found;
                    break;
                }
            }
        }
        self.rows += 1;
        let at = self.window.at();
        let record = self.window.bytes().get(..self.last.length);
        let record = trim_line_end(record.unwrap_or_default());
        let text = std::str::from_utf8(record).unwrap_or_default();
        let fields = self.split.again(text, self.dialect.delimiter);
        Ok(Some(Record {
            fields: fields.truncated(self.names.len()),
            line: at.line,
            byte: at.byte,
            text,
        }))
    }

    fn check_header(&mut self, at: Next) -> Result<(), Error> {
        let position = self.position(at);
        if self.assumed.header_line.value.is_some() {
            // The header is the record in the window that ends `self.last`.
            let start = usize::try_from(at.byte - self.window.at().byte).unwrap_or(usize::MAX);
            let header = self.window.bytes().get(start..).unwrap_or_default();
            let (length, defect) = match self.dialect.record(header) {
                RecordEnd::At { length, .. } => (length, None),
                RecordEnd::Missing { open: true } if self.window.ended() => {
                    (0, Some(Defect::UnclosedQuote))
                }
                RecordEnd::Missing { .. } if self.window.ended() => (header.len(), None),
                RecordEnd::Missing { .. } => (0, Some(too_long())),
            };
            let defect = match std::str::from_utf8(header.get(..length).unwrap_or_default()) {
                Ok(_) => defect.map(|defect| (at.byte, defect)),
                Err(wrong) => Some((at.byte + wrong.valid_up_to() as u64, Defect::InvalidUtf8)),
            };
            if let Some((byte, defect)) = defect {
                let position = Position { byte, ..position };
                return Err(Error::BadRow { position, defect });
            }
        }
        if self.header.len() > MAX_COLUMNS {
            let limit = MAX_COLUMNS;
            return Err(Error::TooManyColumns { position, limit });
        }
        self.names = self.header.clone();
        Ok(())
    }

    /// Finds the next row, after blank lines and comments.
    fn find_row(&mut self) -> Result<Option<Row>, Error> {
        loop {
            let Some(found) = self.find_record()? else {
                return Ok(None);
            };
            let bytes = self.window.bytes();
            let line = self.dialect.line(bytes).unwrap_or(bytes.len());
            let line = bytes.get(..line).unwrap_or_default();
            let skipped = &mut self.assumed.skipped;
            if self.dialect.is_blank(line) {
                skipped.blank_lines += 1;
            } else if self.dialect.is_comment(line) {
                skipped.comment_lines += 1;
            } else {
                return Ok(Some(self.judge(found)));
            }
            self.window.advance(line.len(), 1);
        }
    }

    /// Returns the record at the start of the window, complete in memory; `None` at the end.
    fn find_record(&mut self) -> Result<Option<Result<Found, Defect>>, Error> {
        loop {
            let bytes = self.window.bytes();
            let ended = self.window.ended();
            match self.dialect.record(bytes) {
                RecordEnd::At { length, lines } if length <= MAX_ROW_BYTES + 1 => {
                    return Ok(Some(Ok(Found { length, lines })));
                }
                RecordEnd::Missing { .. } if ended && bytes.is_empty() => return Ok(None),
                RecordEnd::Missing { open } if ended && bytes.len() <= MAX_ROW_BYTES => {
                    let found = Found {
                        length: bytes.len(),
                        lines: 1,
                    };
                    return Ok(Some(if open {
                        Err(Defect::UnclosedQuote)
                    } else {
                        Ok(found)
                    }));
                }
                RecordEnd::Missing { .. } if bytes.len() <= MAX_ROW_BYTES => {
                    let more = self.window.more();
                    more.map_err(|error| self.read_error(error))?;
                }
                _ => return Ok(Some(Err(too_long()))),
            }
        }
    }

    /// Checks a record. A defect may make the record end after its first line.
    fn judge(&mut self, found: Result<Found, Defect>) -> Row {
        let bytes = self.window.bytes();
        let found = match found {
            Ok(found) => found,
            Err(defect) => {
                let line = self.dialect.line(bytes).unwrap_or(bytes.len());
                let found = Found {
                    length: line,
                    lines: 1,
                };
                return Row::Bad(found, defect);
            }
        };
        let record = trim_line_end(bytes.get(..found.length).unwrap_or_default());
        if record.first() == Some(&0) {
            return Row::Bad(found, Defect::NulBytes);
        }
        let Ok(text) = std::str::from_utf8(record) else {
            return Row::Bad(found, Defect::InvalidUtf8);
        };
        let expected = self.header.len();
        let fields = self.split.record(text, self.dialect.delimiter);
        let unnamed = self.assumed.trailing_delimiter
            && fields.len() == expected + 1
            && fields.get(expected).is_empty();
        let fits = fields.len() == expected || unnamed;
        let found_fields = fields.len();
        if self.split.has_text_after_quote() {
            return Row::Bad(found, Defect::TextAfterQuote);
        }
        if fits {
            return Row::Fine(found);
        }
        let cut = self.window.ended() && found.length == bytes.len() && record.len() == bytes.len();
        let place = if comment_mark(record).is_some() {
            Place::Comment
        } else if record.contains(&b'\r') {
            Place::CarriageReturn
        } else if cut {
            Place::Last
        } else if self.rows == 0 {
            Place::First
        } else {
            Place::Middle
        };
        Row::Bad(
            found,
            Defect::Ragged {
                expected,
                found: found_fields,
                place,
            },
        )
    }

    /// Returns whether a row has the same fields as the header, and is to be skipped.
    fn repeats_header(&mut self, found: Found) -> Result<bool, Error> {
        // In a file of one column a value may well be the column's name.
        let header_line = self.assumed.header_line.value;
        let unlikely = self.header.len() == 1 && self.keep_repeated_headers.is_none();
        if header_line.is_none() || unlikely || self.keep_repeated_headers == Some(true) {
            return Ok(false);
        }
        let record = self.window.bytes().get(..found.length).unwrap_or_default();
        let text = std::str::from_utf8(trim_line_end(record)).unwrap_or_default();
        let fields = self.split.again(text, self.dialect.delimiter);
        let header = self.header.iter().map(String::as_str);
        if !fields.truncated(self.header.len()).iter().eq(header) {
            return Ok(false);
        }
        match self.keep_repeated_headers {
            Some(_) => Ok(true),
            None => Err(Error::RepeatedHeader {
                position: self.position(self.window.at()),
            }),
        }
    }

    /// Moves past a row that is no data.
    fn skip(&mut self, found: Found) {
        let start = self.window.at().byte;
        self.window.advance(found.length, found.lines);
        self.left_out.push(LeftOut {
            start,
            end: self.window.at().byte,
            lines: found.lines,
        });
    }

    /// Moves past a bad row, or refuses it.
    fn leave_out(
        &mut self,
        found: Found,
        defect: Defect,
        visit_bad: &mut dyn FnMut(&BadRow, &[u8]),
    ) -> Result<(), Error> {
        let at = self.window.at();
        let text = self.window.bytes().get(..found.length).unwrap_or_default();
        let text = trim_line_end(text);
        if self.on_bad_row == OnBadRow::Fail {
            let invalid = std::str::from_utf8(text)
                .err()
                .map_or(0, |it| it.valid_up_to());
            let mut position = self.position(at);
            if defect == Defect::InvalidUtf8 {
                position.byte += invalid as u64;
            }
            return Err(Error::BadRow { position, defect });
        }
        let shown = text.get(..SHOWN_TEXT).unwrap_or(text);
        let bad = BadRow {
            line: at.line,
            byte: at.byte,
            reason: defect.to_string(),
            text: String::from_utf8_lossy(shown).into_owned(),
        };
        visit_bad(&bad, text);
        self.assumed.skipped.bad_rows += 1;
        if self.assumed.bad_rows.len() < FileAssumptions::NAMED_BAD_ROWS {
            self.assumed.bad_rows.push(bad);
        }
        let ends = self.window.bytes().get(..found.length);
        let has_end = ends.is_some_and(|line| line.last() == Some(&self.dialect.line_end));
        self.skip(found);
        if has_end {
            return Ok(());
        }
        self.skip_rest_of_line()
    }

    /// Moves past the rest of a line that does not fit into memory.
    fn skip_rest_of_line(&mut self) -> Result<(), Error> {
        loop {
            let bytes = self.window.bytes();
            let end = self.dialect.line(bytes);
            self.window.advance(end.unwrap_or(usize::MAX), 0);
            if end.is_some() || self.window.ended() {
                break;
            }
            let more = self.window.more();
            more.map_err(|error| self.read_error(error))?;
        }
        let end = self.window.at().byte;
        if let Some(last) = self.left_out.last_mut() {
            last.end = end;
        }
        Ok(())
    }

    fn position(&self, at: Next) -> Position {
        Position {
            file: self.assumed.file.clone(),
            line: at.line,
            byte: at.byte,
            decoded: self.decoded,
        }
    }

    fn read_error(&self, error: io::Error) -> Error {
        let byte = self.window.at().byte + self.window.bytes().len() as u64;
        read_error(&self.assumed.file, byte, self.compression, error)
    }
}

fn too_long() -> Defect {
    Defect::TooLong {
        limit: MAX_ROW_BYTES,
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "tests panic")]
mod tests;
