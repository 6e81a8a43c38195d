//! The start of a file: its delimiter, its header, and where its rows start.

use std::path::Path;

use crate::dataset::assumptions::{Assumed, Basis};
use crate::dataset::error::{Error, Position};
use crate::dataset::first_rows::{Delimiters, Sample, find_delimiter, looks_missing};
use crate::dataset::header::{comment_mark, locate, separator_line};
use crate::dataset::lines::{Dialect, RecordEnd};
use crate::dataset::options::{Delimiter, ReadOptions};
use crate::dataset::window::Next;

/// How a file is split, and where its rows start.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) dialect: Dialect,
    pub(super) delimiter: Assumed<Option<Delimiter>>,
    /// Fields of the header, or numbered names.
    pub(super) header: Vec<String>,
    /// Position of the header, or of the first row.
    pub(super) header_at: Next,
    pub(super) header_line: Assumed<Option<u64>>,
    /// Whether rows may end with a delimiter that starts no column.
    pub(super) trailing_delimiter: bool,
    /// Whether the first row has units.
    pub(super) units_row: bool,
    /// Length of what comes before the rows, and its lines.
    pub(super) length: usize,
    pub(super) lines: u64,
}

/// The first bytes of a file, and how it is to be read.
pub(super) struct Beginning<'a> {
    pub(super) file: &'a Path,
    pub(super) bytes: &'a [u8],
    /// Position of the first byte.
    pub(super) at: Next,
    /// Whether the file ends after `bytes`.
    pub(super) complete: bool,
    pub(super) decoded: bool,
    pub(super) options: &'a ReadOptions,
}

impl Beginning<'_> {
    /// Finds delimiter and header. `None` if there is no line that may be one.
    pub(super) fn examine(&self, line_end: u8) -> Result<Option<Opening>, Error> {
        let comment = self.options.comment.as_ref();
        let mut dialect = Dialect {
            line_end,
            comment: comment
                .filter(|comment| !comment.is_empty())
                .map(|comment| comment.clone().into_bytes()),
            ..Dialect::default()
        };
        let (mut skipped, mut lines) = (0, 0);
        let mut given = self.options.delimiter.map(|it| (it, Basis::Option));
        if let Some((delimiter, length)) = separator_line(self.bytes, &dialect) {
            given = given.or(Some((delimiter, Basis::Mark)));
            (skipped, lines) = (length, 1);
        }
        let rest = self.bytes.get(skipped..).unwrap_or_default();
        let candidates = given.map_or(Delimiter::USUAL.to_vec(), |(it, _basis)| vec![it]);
        let start = if self.options.no_header == Some(true) {
            skip_blank(rest, &dialect)
        } else {
            let start = locate(rest, &dialect, &candidates);
            (
                usize::try_from(start.byte).unwrap_or(rest.len()),
                start.line,
            )
        };
        (skipped, lines) = (skipped + start.0, lines + start.1);
        let rest = self.bytes.get(skipped..).unwrap_or_default();
        let at = Next {
            line: self.at.line + lines,
            byte: self.at.byte + skipped as u64,
        };
        if dialect.is_blank(rest) {
            return Ok(None);
        }
        let delimiter = self.delimiter(rest, given, &dialect)?;
        dialect.delimiter = delimiter.value.unwrap_or(Delimiter::COMMA);
        let mut sample = Sample::new(rest, self.complete, &dialect);
        let header_line = self.header(&mut sample, rest, at)?;
        let (length, header_lines) = match (header_line.value, dialect.record(rest)) {
            (None, _) => (0, 0),
            (_, RecordEnd::At { length, lines }) => (length, lines),
            (_, RecordEnd::Missing { .. }) => (rest.len(), 1),
        };
        let trailing_delimiter = header_line.value.is_some() && sample.trailing_delimiter();
        if trailing_delimiter && sample.header.last().is_some_and(String::is_empty) {
            sample.header.pop();
        }
        Ok(Some(Opening {
            units_row: self.units_row(&sample, header_line.value, at, header_lines, length)?,
            dialect,
            delimiter,
            header: sample.header,
            header_at: at,
            header_line,
            trailing_delimiter,
            length: skipped + length,
            lines: lines + header_lines,
        }))
    }

    fn delimiter(
        &self,
        rest: &[u8],
        given: Option<(Delimiter, Basis)>,
        dialect: &Dialect,
    ) -> Result<Assumed<Option<Delimiter>>, Error> {
        let (value, basis) = match given {
            Some((delimiter, basis)) => (Some(delimiter), basis),
            None => match find_delimiter(rest, self.complete, dialect) {
                Delimiters::None => (None, Basis::Default),
                Delimiters::One(delimiter) => (Some(delimiter), Basis::Evidence),
                Delimiters::Blanks => {
                    return Err(Error::BlanksAsDelimiter {
                        file: self.file.to_owned(),
                    });
                }
                Delimiters::Two(first, second) => {
                    return Err(Error::AmbiguousDelimiter {
                        file: self.file.to_owned(),
                        first,
                        second,
                    });
                }
            },
        };
        Ok(Assumed { value, basis })
    }

    /// Decides whether the first record is the header. If it is not, numbers the columns.
    fn header(
        &self,
        sample: &mut Sample,
        rest: &[u8],
        at: Next,
    ) -> Result<Assumed<Option<u64>>, Error> {
        match self.options.no_header {
            Some(true) => {
                let columns = sample.header.len();
                let first = std::mem::take(&mut sample.header);
                sample.rows.insert(0, first);
                sample.header = (1..=columns).map(|n| format!("column_{n}")).collect();
                return Ok(Assumed {
                    value: None,
                    basis: Basis::Option,
                });
            }
            Some(false) => {
                return Ok(Assumed {
                    value: Some(at.line),
                    basis: Basis::Option,
                });
            }
            None => {}
        }
        let position = self.position(at);
        if let Some(mark) = comment_mark(rest) {
            return Err(Error::HeaderLooksLikeComment { position, mark });
        }
        if let Some(evidence) = sample.header_is_data() {
            return Err(Error::HeaderLooksLikeData { position, evidence });
        }
        Ok(Assumed {
            value: Some(at.line),
            basis: Basis::Evidence,
        })
    }

    fn units_row(
        &self,
        sample: &Sample,
        header_line: Option<u64>,
        at: Next,
        header_lines: u64,
        length: usize,
    ) -> Result<bool, Error> {
        if let Some(skip) = self.options.skip_units_row {
            return Ok(skip);
        }
        let nulls = self.options.null_values.as_ref();
        let is_missing = |text: &str| {
            nulls.is_some_and(|nulls| nulls.0.iter().any(|null| null == text))
                || looks_missing(text)
        };
        match sample.units(is_missing) {
            Some(evidence) if header_line.is_some() => Err(Error::UnitsRow {
                position: self.position(Next {
                    line: at.line + header_lines,
                    byte: at.byte + length as u64,
                }),
                evidence,
            }),
            _ => Ok(false),
        }
    }

    fn position(&self, at: Next) -> Position {
        Position {
            file: self.file.to_owned(),
            line: at.line,
            byte: at.byte,
            decoded: self.decoded,
        }
    }
}

/// Returns the length and the number of the blank lines and comments at the start.
fn skip_blank(bytes: &[u8], dialect: &Dialect) -> (usize, u64) {
    let (mut skipped, mut lines) = (0, 0);
    while let Some(rest) = bytes.get(skipped..)
        && let Some(length) = dialect.line(rest)
    {
        let line = rest.get(..length).unwrap_or_default();
        if !dialect.is_blank(line) && !dialect.is_comment(line) {
            break;
        }
        (skipped, lines) = (skipped + length, lines + 1);
    }
    (skipped, lines)
}
