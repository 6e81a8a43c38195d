//! Finds the whole batches of a damaged segment.

use convoy_server_kit::disk::has_unwritten_page;

use crate::batch::{self, HEADER_BYTES, Header};

/// Position of the message format in a batch.
const MAGIC_AT: usize = 16;

/// The message format.
const MAGIC: u8 = 2;

/// A part of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A batch whose records are what was written.
    Whole {
        at: usize,
        end: usize,
        /// As it was written; the one on disk may be damaged.
        head: Box<[u8; HEADER_BYTES]>,
        base_offset: i64,
        next_offset: i64,
        mended: bool,
    },
    /// Bytes that hold no whole batch.
    Lost {
        at: usize,
        end: usize,
        /// Whether it looks as if the machine stopped while the end of the file was written.
        torn: bool,
    },
}

/// Returns all parts of a segment from a position on; `next_offset` is the offset before it.
pub fn parts(bytes: &[u8], mut at: usize, mut next_offset: i64) -> Vec<Part> {
    let mut parts = Vec::new();
    while at < bytes.len() {
        let part = part_at(bytes, at, next_offset);
        at = match &part {
            Part::Whole {
                end,
                next_offset: after,
                ..
            } => {
                next_offset = *after;
                *end
            }
            Part::Lost { end, .. } => *end,
        };
        parts.push(part);
    }
    parts
}

fn part_at(bytes: &[u8], at: usize, next_offset: i64) -> Part {
    let rest = bytes.get(at..).unwrap_or_default();
    let known = Header::parse_sealed(rest).ok();
    let known = known.filter(|header| header.base_offset >= next_offset);
    let stated = known.map(|header| at.saturating_add(header.total_bytes));
    if let Some(end) = stated.filter(|end| *end <= bytes.len())
        && let Some(whole) = whole(bytes, at, end, next_offset)
    {
        return whole;
    }
    // The next batch is where the header says, or it has to be looked for.
    let found = |from| find(bytes, from, next_offset);
    let end = match stated {
        Some(end) if end == bytes.len() || found(end) == Some(end) => end,
        _ => found(at + 1).unwrap_or(bytes.len()),
    };
    if known.is_none()
        && let Some(whole) = whole(bytes, at, end, next_offset)
    {
        return whole;
    }
    let cut_short = rest.len() < HEADER_BYTES || stated.is_some_and(|end| end > bytes.len());
    Part::Lost {
        at,
        end,
        torn: end == bytes.len() && (cut_short || has_unwritten_page(rest, at)),
    }
}

/// Returns a part as a whole batch, with its header mended; `None` if it is none.
fn whole(bytes: &[u8], at: usize, end: usize, next_offset: i64) -> Option<Part> {
    let batch = bytes.get(at..end)?;
    let mut copy = batch.to_vec();
    let stored = batch.first_chunk::<HEADER_BYTES>()?;
    let (head, mended) = if batch::unseal(&mut copy, 0, true).is_ok() {
        (*stored, false)
    } else {
        (batch::mend_header(batch, next_offset)?, true)
    };
    let header = Header::parse_sealed(&head).ok()?;
    (header.total_bytes == batch.len()).then(|| Part::Whole {
        at,
        end,
        head: Box::new(head),
        base_offset: header.base_offset,
        next_offset: header.next_offset(),
        mended,
    })
}

/// Returns the position of the next valid header; one look at a header for each byte at most.
fn find(bytes: &[u8], from: usize, next_offset: i64) -> Option<usize> {
    let mut magic_at = from.checked_add(MAGIC_AT)?;
    loop {
        let ahead = bytes
            .get(magic_at..)?
            .iter()
            .position(|byte| *byte == MAGIC)?;
        let at = magic_at + ahead - MAGIC_AT;
        let header = bytes
            .get(at..)
            .and_then(|rest| Header::parse_sealed(rest).ok());
        if header.is_some_and(|header| header.base_offset >= next_offset) {
            return Some(at);
        }
        magic_at += ahead + 1;
    }
}

/// Says which records are lost with the damaged parts, and what is whole after them.
pub fn describe(parts: &[Part], next_offset: i64, end_offset: Option<i64>) -> String {
    let lost = lost_ranges(parts, next_offset, end_offset).join(", ");
    let whole = parts.iter().any(|part| matches!(part, Part::Whole { .. }));
    let lost = if lost.is_empty() { "nothing" } else { &lost };
    let after = if whole {
        "; the batches after it are undamaged"
    } else {
        ""
    };
    format!("{lost} would be lost{after}")
}

/// Returns the ranges of offsets that the damaged parts held.
pub fn lost_ranges(parts: &[Part], mut next_offset: i64, end_offset: Option<i64>) -> Vec<String> {
    let mut ranges = Vec::new();
    let mut pending = false;
    for part in parts {
        match part {
            Part::Lost { .. } => pending = true,
            Part::Whole {
                base_offset,
                next_offset: after,
                ..
            } => {
                if pending {
                    ranges.push(range(next_offset, Some(*base_offset)));
                }
                pending = false;
                next_offset = *after;
            }
        }
    }
    if pending || end_offset.is_some_and(|end| end > next_offset) {
        ranges.push(range(next_offset, end_offset));
    }
    ranges
}

/// Names records from an offset to the one before `end`, if known.
pub fn range(from: i64, end: Option<i64>) -> String {
    match end {
        Some(end) if end == from.saturating_add(1) => format!("the record at offset {from}"),
        Some(end) => {
            let last = end.saturating_sub(1);
            let count = end.saturating_sub(from);
            format!("the records at offsets {from} to {last} ({count})")
        }
        None => format!("an unknown number of records from offset {from} on"),
    }
}
