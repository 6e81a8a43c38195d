//! A part of a file in memory that moves forward, with the position of its start.

#![warn(clippy::indexing_slicing)]

use std::io::{self, Read};

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// Position of the next byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Next {
    /// Line from 1.
    pub(super) line: u64,
    /// Offset in bytes.
    pub(super) byte: u64,
}

/// The next bytes of an input.
#[derive(Debug)]
pub(super) struct Window<R> {
    input: R,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    at: Next,
    ended: bool,
}

impl<R: Read> Window<R> {
    /// Starts at the first byte, which is in line 1.
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            bytes: Vec::new(),
            start: 0,
            end: 0,
            at: Next { line: 1, byte: 0 },
            ended: false,
        }
    }

    /// Returns the bytes in memory.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Returns the position of the first byte.
    pub(super) fn at(&self) -> Next {
        self.at
    }

    /// Returns whether the input ends after the bytes in memory.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Removes bytes from the start.
    pub(super) fn advance(&mut self, bytes: usize, lines: u64) {
        let bytes = bytes.min(self.end - self.start);
        self.start += bytes;
        self.at.byte += bytes as u64;
        self.at.line += lines;
    }

    /// Reads until there are this many bytes, or the input ends.
    pub(super) fn fill(&mut self, bytes: usize) -> io::Result<()> {
        while self.end - self.start < bytes && !self.ended {
            self.more()?;
        }
        Ok(())
    }

    /// Moves past some lines, or to the end of the input.
    pub(super) fn skip_lines(&mut self, lines: u64, line_end: u8) -> io::Result<()> {
        for _ in 0..lines {
            self.fill(1)?;
            while memchr::memchr(line_end, self.bytes()).is_none() && !self.ended {
                self.advance(usize::MAX, 0);
                self.more()?;
            }
            if self.bytes().is_empty() {
                break;
            }
            let length = memchr::memchr(line_end, self.bytes());
            self.advance(length.map_or(usize::MAX, |length| length + 1), 1);
        }
        Ok(())
    }

    /// Reads more bytes; sets `ended` if there are none.
    pub(super) fn more(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.bytes.len() < self.end + CHUNK {
            self.bytes.resize(self.end + CHUNK, 0);
        }
        let free = self.bytes.get_mut(self.end..).unwrap_or_default();
        let read = loop {
            match self.input.read(free) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.end += read;
        self.ended = read == 0;
        Ok(())
    }

    /// Returns the input.
    pub(super) fn input(&mut self) -> &mut R {
        &mut self.input
    }
}
