//! Rows of one file by number: in memory if the file is small, otherwise in the file.

#![warn(clippy::indexing_slicing)]

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::dataset::error::Error;
use crate::dataset::lines::{Dialect, RecordEnd, trim_line_end};
use crate::dataset::options::Delimiter;
use crate::dataset::reader::{LeftOut, Record};

/// Initial distance between two anchors in bytes: the size of one read from a large file.
const ANCHOR_SPAN: u64 = 64 << 10;

/// Maximum anchors per file; beyond it every second one is removed, so that memory is bounded.
const MAX_ANCHORS: usize = 1 << 18;

/// The rows of one file.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) path: PathBuf,
    dialect: Dialect,
    /// Places without rows, in their order.
    left_out: Vec<LeftOut>,
    anchors: Anchors,
    /// Offset of the end of the last row.
    end: u64,
    rows: u64,
    content: Content,
}

enum Content {
    Memory(Memory),
    File(File),
}

/// The rows of a file, each with a line feed.
#[derive(Default)]
struct Memory {
    text: String,
    /// End of each row in `text`, with its line feed.
    ends: Vec<u32>,
    /// Line of each row in the file.
    lines: Vec<u32>,
}

/// A row as in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawRow<'a> {
    /// Text without the line end.
    pub(super) text: &'a str,
    /// Bytes between the start of a line with a known number and the row.
    before: &'a [u8],
    /// Number of that line, and of lines that are not in `before`.
    line: u64,
    line_end: u8,
}

impl RawRow<'_> {
    /// Returns the line of the row.
    pub(super) fn line(&self) -> u64 {
        let ends = self.before.iter().filter(|&&byte| byte == self.line_end);
        self.line + ends.count() as u64
    }
}

impl Storage {
    /// Returns the number of rows.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns a row; `block` keeps the bytes read from the file for the next rows.
    ///
    /// Clear `block` before using it with another storage.
    pub(super) fn row<'a>(&'a self, row: u64, block: &'a mut Block) -> Result<RawRow<'a>, Error> {
        let (number, anchor) = self.anchors.before(row);
        let file = match &self.content {
            Content::Memory(memory) => return Ok(memory.row(row)),
            Content::File(file) => file,
        };
        if block.number != Some(number) {
            block.number = None;
            self.read_block(file, number, anchor, block)?;
            block.number = Some(number);
        }
        let index = usize::try_from(row - anchor.row).unwrap_or(usize::MAX);
        let place = block.rows.get(index).copied().unwrap_or_default();
        let (start, end) = (place.start as usize, place.end as usize);
        let record = block.bytes.get(start..end).unwrap_or_default();
        let text = std::str::from_utf8(trim_line_end(record))
            .map_err(|_invalid| self.changed(anchor.byte))?;
        let gaps = block.gaps.iter().take_while(|gap| gap.at <= start);
        Ok(RawRow {
            text,
            before: block.bytes.get(..start).unwrap_or_default(),
            line: anchor.line + gaps.map(|gap| gap.lines).sum::<u64>(),
            line_end: self.dialect.line_end,
        })
    }

    /// Returns the delimiter of the rows.
    pub(super) fn delimiter(&self) -> Delimiter {
        self.dialect.delimiter
    }

    /// Reads the bytes from an anchor to the next, without the places that have no rows.
    fn read_block(
        &self,
        file: &File,
        number: usize,
        anchor: Anchor,
        block: &mut Block,
    ) -> Result<(), Error> {
        let next = self.anchors.points.get(number + 1);
        let end = next.map_or(self.end, |next| next.byte);
        block.bytes.clear();
        block.gaps.clear();
        let mut at = anchor.byte;
        let first = self.left_out.partition_point(|it| it.start < at);
        let left_out = self.left_out.iter().skip(first);
        for gap in left_out.take_while(|it| it.start < end) {
            self.read_part(file, at, gap.start, block)?;
            block.gaps.push(Gap {
                at: block.bytes.len(),
                lines: gap.lines,
            });
            at = gap.end;
        }
        self.read_part(file, at, end, block)?;
        find_rows(&block.bytes, &self.dialect, &mut block.rows);
        let expected = next.map_or(self.rows, |next| next.row) - anchor.row;
        if block.rows.len() as u64 == expected {
            Ok(())
        } else {
            Err(self.changed(anchor.byte))
        }
    }

    fn read_part(&self, file: &File, from: u64, to: u64, block: &mut Block) -> Result<(), Error> {
        let length = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let start = block.bytes.len();
        block.bytes.resize(start + length, 0);
        let part = block.bytes.get_mut(start..).unwrap_or_default();
        file.read_exact_at(part, from)
            .map_err(|source| match source.kind() {
                io::ErrorKind::UnexpectedEof => self.changed(from),
                _ => Error::Read {
                    file: self.path.clone(),
                    byte: from,
                    source,
                },
            })
    }

    fn changed(&self, byte: u64) -> Error {
        Error::Changed {
            file: self.path.clone(),
            byte,
        }
    }
}

impl Memory {
    fn push(&mut self, record: &Record<'_>) {
        self.text.push_str(record.text);
        self.text.push('\n');
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.ends.push(end);
        self.lines
            .push(u32::try_from(record.line).unwrap_or(u32::MAX));
    }

    fn row(&self, row: u64) -> RawRow<'_> {
        let index = usize::try_from(row).unwrap_or(usize::MAX);
        let end = |index: usize| self.ends.get(index).map_or(0, |&end| end as usize);
        let start = index.checked_sub(1).map_or(0, end);
        let text = self.text.get(start..end(index).saturating_sub(1));
        RawRow {
            text: text.unwrap_or_default(),
            before: &[],
            line: self.lines.get(index).map_or(0, |&line| u64::from(line)),
            line_end: b'\n',
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(memory) => write!(f, "Memory({} bytes)", memory.text.len()),
            Self::File(file) => file.fmt(f),
        }
    }
}

/// Last block read from a file; a reusable buffer.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Number of the anchor at its start.
    number: Option<usize>,
    bytes: Vec<u8>,
    rows: Vec<Span>,
    gaps: Vec<Gap>,
}

/// A row in a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
}

/// Lines that are not in a block.
#[derive(Debug)]
struct Gap {
    /// Offset in the block.
    at: usize,
    lines: u64,
}

impl Block {
    /// Invalidates the block.
    pub(super) fn clear(&mut self) {
        self.number = None;
    }
}

/// Collects the positions of rows during the first read of a file.
pub(super) struct Builder {
    anchors: Anchors,
    rows: u64,
    left_out: Vec<LeftOut>,
    /// The rows, if they are kept in memory.
    memory: Option<Memory>,
    memory_bytes: u64,
}

impl Builder {
    /// Maximum number of places without rows. They take 24 MB.
    pub(super) const MAX_LEFT_OUT: usize = 1 << 20;

    /// Starts without rows. They are kept in memory up to a number of bytes.
    pub(super) fn new(memory_bytes: u64) -> Self {
        Self {
            anchors: Anchors::new(ANCHOR_SPAN, MAX_ANCHORS),
            rows: 0,
            left_out: Vec::new(),
            memory: Some(Memory::default()),
            memory_bytes,
        }
    }

    /// Adds the next row.
    pub(super) fn row(&mut self, record: &Record<'_>) {
        self.anchors.note(Anchor {
            row: self.rows,
            byte: record.byte,
            line: record.line,
        });
        self.rows += 1;
        let memory_bytes = self.memory_bytes;
        self.memory = self
            .memory
            .take()
            .filter(|memory| (memory.text.len() + record.text.len()) as u64 <= memory_bytes);
        if let Some(memory) = &mut self.memory {
            memory.push(record);
        }
    }

    /// Adds a place without rows; returns false if there are too many.
    pub(super) fn leave_out(&mut self, place: LeftOut) -> bool {
        match self.left_out.last_mut() {
            Some(last) if last.end == place.start => {
                last.end = place.end;
                last.lines += place.lines;
            }
            _ => self.left_out.push(place),
        }
        self.left_out.len() <= Self::MAX_LEFT_OUT
    }

    /// Returns the number of bytes that the rows take in memory; `None` if they are not there.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        let memory = self.memory.as_ref()?;
        Some(memory.text.len() as u64)
    }

    /// Returns the rows that are in memory.
    pub(super) fn in_memory(self, path: PathBuf, dialect: Dialect) -> Storage {
        let mut memory = self.memory.unwrap_or_default();
        memory.text.shrink_to_fit();
        Storage {
            path,
            dialect,
            left_out: Vec::new(),
            anchors: Anchors::new(ANCHOR_SPAN, MAX_ANCHORS),
            end: 0,
            rows: self.rows,
            content: Content::Memory(memory),
        }
    }

    /// Keeps the rows in a file, of which `end` bytes were read.
    pub(super) fn in_file(self, path: PathBuf, dialect: Dialect, file: File, end: u64) -> Storage {
        Storage {
            path,
            dialect,
            left_out: self.left_out,
            anchors: self.anchors,
            end,
            rows: self.rows,
            content: Content::File(file),
        }
    }
}

/// A row with a known position.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Anchor {
    row: u64,
    byte: u64,
    line: u64,
}

/// A sparse index of rows at about equal distances in bytes.
#[derive(Debug)]
struct Anchors {
    points: Vec<Anchor>,
    span: u64,
    capacity: usize,
}

impl Anchors {
    fn new(span: u64, capacity: usize) -> Self {
        Self {
            points: Vec::new(),
            span,
            capacity,
        }
    }

    fn note(&mut self, anchor: Anchor) {
        let span = self.span;
        let far = |last: &Anchor| anchor.byte - last.byte >= span;
        if self.points.last().is_none_or(far) {
            self.points.push(anchor);
        }
        if self.points.len() > self.capacity {
            let mut index = 0;
            self.points.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.span *= 2;
        }
    }

    /// Returns the last anchor at or before a row, with its number.
    fn before(&self, row: u64) -> (usize, Anchor) {
        let after = self.points.partition_point(|anchor| anchor.row <= row);
        let number = after.saturating_sub(1);
        (number, self.points.get(number).copied().unwrap_or_default())
    }
}

/// Finds the rows in a part of a file that starts with a row.
fn find_rows(bytes: &[u8], dialect: &Dialect, rows: &mut Vec<Span>) {
    rows.clear();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let line = dialect.line(rest).unwrap_or(rest.len());
        let first = rest.get(..line).unwrap_or_default();
        if dialect.is_blank(first) || dialect.is_comment(first) {
            at += line;
            continue;
        }
        let length = match dialect.record(rest) {
            RecordEnd::At { length, .. } => length,
            RecordEnd::Missing { .. } => rest.len(),
        };
        let offset = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        rows.push(Span {
            start: offset(at),
            end: offset(at + length),
        });
        at += length;
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "tests panic")]
mod tests {
    use super::*;

    #[test]
    fn index_stays_small_and_covers_every_row() {
        let mut anchors = Anchors::new(4, 8);
        for row in 0..1_000 {
            let (byte, line) = (row * 3, row + 2);
            anchors.note(Anchor { row, byte, line });
        }
        assert!(anchors.points.len() <= 8);
        for row in 0..1_000 {
            let (number, anchor) = anchors.before(row);
            assert!(anchor.row <= row);
            let next = anchors.points.get(number + 1);
            assert!(next.is_none_or(|next| next.row > row));
            assert!(row * 3 - anchor.byte <= 2 * anchors.span + 3);
        }
    }

    #[test]
    fn rows_are_found_between_blank_lines_and_comments() {
        let dialect = Dialect {
            comment: Some(b"#".to_vec()),
            ..Dialect::default()
        };
        let mut rows = Vec::new();
        let bytes = b"1,2\n\r\n\"a\n#\n\",b\n# \"\n  \n3,4";
        find_rows(bytes, &dialect, &mut rows);
        let found: Vec<_> = rows
            .iter()
            .map(|row| &bytes[row.start as usize..row.end as usize])
            .collect();
        assert_eq!(found, [b"1,2\n".as_slice(), b"\"a\n#\n\",b\n", b"3,4"]);
    }
}
