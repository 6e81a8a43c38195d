//! Reads a file whose frames may be damaged: what is whole on both sides is found.

use std::ops::Range;

use crate::disk::frame::{FRAME_HEADER_BYTES, FrameHeader, Tag, find_header};

/// Bytes that a file system writes at once.
const PAGE_BYTES: usize = 4096;

/// Bytes at the end of a file that, all zero, count as a page that was not written.
const LEAST_ZEROS: usize = 64;

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A frame whose payload is what was written.
    Whole {
        /// Position of the frame.
        at: usize,
        /// Its header; mended if `mended` is set.
        header: FrameHeader,
        /// Positions of the payload.
        payload: Range<usize>,
        /// Whether the header on disk is damaged, which the payload made up for.
        mended: bool,
    },
    /// Bytes that hold no whole frame.
    Lost(Lost),
}

/// Bytes that hold no whole frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Position of the first byte.
    pub at: usize,
    /// Position after the last byte.
    pub end: usize,
    /// What the frame was about; `None` if its header is damaged, or if there may be several.
    pub tag: Option<Tag>,
    /// Whether it looks as if the machine stopped while the end of the file was written: the file
    /// ends within a frame, or a page was not written.
    pub torn: bool,
}

/// Reads the frames of a file from a position on; `bytes` is the whole file.
#[derive(Debug)]
pub struct Pieces<'b> {
    bytes: &'b [u8],
    at: usize,
    salt: u32,
}

impl<'b> Pieces<'b> {
    /// Starts at the frame at `at`.
    pub fn new(bytes: &'b [u8], at: usize, salt: u32) -> Self {
        Self { bytes, at, salt }
    }

    fn read(&self) -> Piece {
        let (bytes, at) = (self.bytes, self.at);
        let header = bytes.get(at..).and_then(|rest| rest.first_chunk());
        let known = header.and_then(|header| FrameHeader::read(header, self.salt));
        let Some(known) = known else {
            let next = find_header(bytes, at + 1, self.salt).unwrap_or(bytes.len());
            return self.mended(next).unwrap_or_else(|| self.lost(next, None));
        };
        let end = at.saturating_add(known.frame_size());
        let start = at + FRAME_HEADER_BYTES;
        match bytes.get(start..end) {
            Some(payload) if known.fits(payload) => Piece::Whole {
                at,
                header: known,
                payload: start..end,
                mended: false,
            },
            // The next header is where this one says, or bytes are missing or too many.
            Some(_) if end == bytes.len() || find_header(bytes, end, self.salt) == Some(end) => {
                self.lost(end, Some(known.tag))
            }
            _ => {
                let next = find_header(bytes, start, self.salt);
                self.lost(next.unwrap_or(bytes.len()), Some(known.tag))
            }
        }
    }

    fn mended(&self, end: usize) -> Option<Piece> {
        let header = self.bytes.get(self.at..end)?.first_chunk()?;
        let payload = self.at + FRAME_HEADER_BYTES..end;
        let mended = FrameHeader::mend(header, self.bytes.get(payload.clone())?, self.salt)?;
        Some(Piece::Whole {
            at: self.at,
            header: mended,
            payload,
            mended: true,
        })
    }

    fn lost(&self, end: usize, tag: Option<Tag>) -> Piece {
        let torn = end == self.bytes.len() && self.looks_torn(tag.is_some());
        Piece::Lost(Lost {
            at: self.at,
            end,
            tag,
            torn,
        })
    }

    /// Whether the bytes up to the end look as a crash leaves them.
    fn looks_torn(&self, header_is_whole: bool) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(header) = rest.first_chunk() else {
            return true;
        };
        if header_is_whole {
            let whole = FrameHeader::read(header, self.salt);
            if whole.is_some_and(|header| header.frame_size() > rest.len()) {
                return true;
            }
        }
        has_unwritten_page(rest, self.at)
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let piece = self.read();
        self.at = match &piece {
            Piece::Whole { payload, .. } => payload.end,
            Piece::Lost(lost) => lost.end,
        };
        Some(piece)
    }
}

/// Returns whether the end of a file, from position `at` on, has a page that was never written.
pub fn has_unwritten_page(tail: &[u8], at: usize) -> bool {
    let mut rest = tail;
    let mut room = PAGE_BYTES - at % PAGE_BYTES;
    while !rest.is_empty() {
        let (page, after) = rest.split_at(room.min(rest.len()));
        let whole = page.len() == PAGE_BYTES || page.len() == tail.len();
        let enough = whole || page.len() >= LEAST_ZEROS;
        if enough && page.iter().all(|byte| *byte == 0) {
            return true;
        }
        rest = after;
        room = PAGE_BYTES;
    }
    false
}
