//! Rows of one file by number: in memory if the file is small, otherwise in the file.

#![warn(clippy::indexing_slicing)]

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::dataset::error::Error;
use crate::dataset::reader::{Quotes, trim_line_end};

/// Initial distance between two anchors in bytes: the size of one read from a large file.
const ANCHOR_SPAN: u64 = 64 << 10;

/// Maximum anchors per file; beyond it every second one is removed, so that memory is bounded.
const MAX_ANCHORS: usize = 1 << 18;

/// The rows of one file.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) path: PathBuf,
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

/// A file's text from its first row on.
struct Memory {
    text: String,
    /// Start of each row in `text`.
    starts: Vec<u32>,
}

/// A row as in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawRow<'a> {
    /// Text without the line end.
    pub(super) text: &'a str,
    /// Bytes between the start of a line with a known number and the row.
    pub(super) before: &'a [u8],
    /// Number of that line.
    pub(super) line: u64,
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
            Content::Memory(memory) => return Ok(memory.row(row, anchor, self.anchors.first())),
            Content::File(file) => file,
        };
        if block.number != Some(number) {
            block.number = None;
            self.read_block(file, number, anchor, block)?;
            block.number = Some(number);
        }
        let (start, bytes) = bounds(&block.bytes, &block.starts, row - anchor.row);
        let text = std::str::from_utf8(trim_line_end(bytes))
            .map_err(|_invalid| self.changed(anchor.byte))?;
        let before = block.bytes.get(..start).unwrap_or_default();
        let line = anchor.line;
        Ok(RawRow { text, before, line })
    }

    fn read_block(
        &self,
        file: &File,
        number: usize,
        anchor: Anchor,
        block: &mut Block,
    ) -> Result<(), Error> {
        let next = self.anchors.points.get(number + 1);
        let end = next.map_or(self.end, |next| next.byte);
        let length = usize::try_from(end - anchor.byte).unwrap_or(usize::MAX);
        block.bytes.resize(length, 0);
        file.read_exact_at(&mut block.bytes, anchor.byte)
            .map_err(|source| match source.kind() {
                io::ErrorKind::UnexpectedEof => self.changed(anchor.byte),
                _ => Error::Read {
                    file: self.path.clone(),
                    byte: anchor.byte,
                    source,
                },
            })?;
        row_starts(&block.bytes, &mut block.starts);
        let expected = next.map_or(self.rows, |next| next.row) - anchor.row;
        if block.starts.len() as u64 == expected {
            Ok(())
        } else {
            Err(self.changed(anchor.byte))
        }
    }

    fn changed(&self, byte: u64) -> Error {
        Error::Changed {
            file: self.path.clone(),
            byte,
        }
    }
}

impl Memory {
    fn row(&self, row: u64, anchor: Anchor, first: Anchor) -> RawRow<'_> {
        let (start, bytes) = bounds(self.text.as_bytes(), &self.starts, row);
        let end = start + trim_line_end(bytes).len();
        let known = usize::try_from(anchor.byte - first.byte).unwrap_or(start);
        RawRow {
            text: self.text.get(start..end).unwrap_or_default(),
            before: self.text.as_bytes().get(known..start).unwrap_or_default(),
            line: anchor.line,
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
    starts: Vec<u32>,
}

impl Block {
    /// Invalidates the block.
    pub(super) fn clear(&mut self) {
        self.number = None;
    }
}

/// Collects the positions of rows during the first read of a file.
#[derive(Debug)]
pub(super) struct Builder {
    anchors: Anchors,
    rows: u64,
    /// Start of each row, if the rows are kept in memory.
    starts: Option<Vec<u32>>,
}

impl Builder {
    /// Starts without rows; `in_memory` decides between [`Self::in_memory`] and [`Self::in_file`].
    pub(super) fn new(in_memory: bool) -> Self {
        Self {
            anchors: Anchors::new(ANCHOR_SPAN, MAX_ANCHORS),
            rows: 0,
            starts: in_memory.then(Vec::new),
        }
    }

    /// Adds the start of the next row.
    pub(super) fn row(&mut self, byte: u64, line: u64) {
        let row = self.rows;
        self.anchors.note(Anchor { row, byte, line });
        self.rows += 1;
        if let Some(starts) = &mut self.starts {
            let start = byte - self.anchors.first().byte;
            starts.push(u32::try_from(start).unwrap_or(u32::MAX));
        }
    }

    /// Returns the number of rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Keeps the rows in memory; `bytes` is the content of the file.
    pub(super) fn in_memory(self, path: PathBuf, mut bytes: Vec<u8>) -> Result<Storage, Error> {
        let first = usize::try_from(self.anchors.first().byte).unwrap_or(bytes.len());
        let end = bytes.len() as u64;
        bytes.drain(..first.min(bytes.len()));
        let text = String::from_utf8(bytes).map_err(|wrong| Error::Changed {
            file: path.clone(),
            byte: (first + wrong.utf8_error().valid_up_to()) as u64,
        })?;
        let starts = self.starts.unwrap_or_default();
        Ok(Storage {
            path,
            anchors: self.anchors,
            end,
            rows: self.rows,
            content: Content::Memory(Memory { text, starts }),
        })
    }

    /// Keeps the rows in their file, of which `end` bytes were read.
    pub(super) fn in_file(self, path: PathBuf, file: File, end: u64) -> Storage {
        Storage {
            path,
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

    fn first(&self) -> Anchor {
        self.points.first().copied().unwrap_or_default()
    }

    /// Returns the last anchor at or before a row, with its number.
    fn before(&self, row: u64) -> (usize, Anchor) {
        let after = self.points.partition_point(|anchor| anchor.row <= row);
        let number = after.saturating_sub(1);
        (number, self.points.get(number).copied().unwrap_or_default())
    }
}

/// Returns the start of a row and the bytes until the next row.
fn bounds<'a>(bytes: &'a [u8], starts: &[u32], row: u64) -> (usize, &'a [u8]) {
    let index = usize::try_from(row).unwrap_or(usize::MAX);
    let start = starts
        .get(index)
        .map_or(bytes.len(), |&start| start as usize);
    let next = starts.get(index.saturating_add(1));
    let end = next.map_or(bytes.len(), |&next| next as usize);
    (start, bytes.get(start..end).unwrap_or_default())
}

/// Finds the starts of rows in a part of a file that starts with a row.
fn row_starts(bytes: &[u8], starts: &mut Vec<u32>) {
    starts.clear();
    let mut at = 0;
    let mut quotes = Quotes::Outside;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        if quotes != Quotes::Inside && !trim_line_end(line).is_empty() {
            starts.push(u32::try_from(at).unwrap_or(u32::MAX));
        }
        quotes = quotes.after(line);
        at += line.len();
    }
}

#[cfg(test)]
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
    fn rows_start_after_unquoted_line_ends() {
        let mut starts = Vec::new();
        row_starts(b"1,2\n\r\n\"a\n\n\",b\n3,4", &mut starts);
        assert_eq!(starts, [0, 6, 14]);
    }
}
