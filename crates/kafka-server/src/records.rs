//! The records in a batch, checked before it is appended: lengths, counts, offsets, keys, timestamps.
//!
//! ```text
//!  length      varint    bytes after this field
//!  attributes  i8
//!  timestamp   varint    from the batch's base timestamp
//!  offset      varint    from the batch's base offset
//!  key         varint length (-1: null), bytes
//!  value       varint length (-1: null), bytes
//!  headers     varint count, then each: key (length, bytes), value (length or -1, bytes)
//! ```
//!
//! # References
//!
//! - <https://kafka.apache.org/documentation/#record>

#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use std::io::{self, BufRead};
use std::ops::RangeInclusive;

use crate::batch::{Header, NO_TIMESTAMP};
use crate::codec;

/// Refused records that one response names.
const MAX_REFUSED: usize = 1_000;

/// What a topic demands of each record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demands {
    /// Whether each record needs a key.
    pub key: bool,
    /// Permitted timestamps in milliseconds since 1970; `None` if the broker sets them.
    pub timestamps: Option<RangeInclusive<i64>>,
}

/// Records that a topic does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Index in the batch.
    pub index: i32,
    pub reason: Reason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    MissingKey,
    /// Timestamp outside the permitted range.
    Timestamp(i64),
}

/// The records are not what the batch states.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to decompress the records")]
    Decompress {
        #[source]
        source: io::Error,
    },
    /// A field of a record is not valid, or the bytes end within it.
    #[error("record {index} has an invalid {field}")]
    Field { index: i32, field: &'static str },
    /// Bytes follow the last record.
    #[error("bytes follow the last of {records} records")]
    Trailing { records: i32 },
    #[error(
        "the records have more than {} bytes when decompressed",
        codec::MAX_BYTES
    )]
    TooLarge,
    /// Never empty.
    #[error("the topic does not accept {} of the records", refused.len())]
    Refused { refused: Vec<Refused> },
}

/// Checks the records of a batch, and returns their highest timestamp.
///
/// `body` is the batch without its header.
pub fn check(header: &Header, body: &[u8], demands: &Demands) -> Result<i64, Error> {
    let mut refused = Vec::new();
    let mut highest = NO_TIMESTAMP;
    let mut misplaced = None;
    each(header, body, |index, record| {
        if record.offset != i64::from(index) {
            misplaced = misplaced.or(Some(index));
        }
        let reason = demands.refuse(record);
        if let Some(reason) = reason.filter(|_| refused.len() < MAX_REFUSED) {
            refused.push(Refused { index, reason });
        }
        highest = highest.max(record.timestamp);
        true
    })?;
    if let Some(index) = misplaced {
        return Err(Error::Field {
            index,
            field: "offset",
        });
    }
    if refused.is_empty() {
        Ok(highest)
    } else {
        Err(Error::Refused { refused })
    }
}

/// Returns offset and timestamp of the first record at or after `timestamp`.
pub fn first_at_or_after(
    header: &Header,
    body: &[u8],
    timestamp: i64,
) -> Result<Option<(i64, i64)>, Error> {
    let mut found = None;
    each(header, body, |_index, record| {
        if record.timestamp >= timestamp {
            let offset = header.base_offset.saturating_add(record.offset);
            found = Some((offset, record.timestamp));
        }
        found.is_none()
    })?;
    Ok(found)
}

/// The fields of a record that matter to the broker.
#[derive(Debug, Clone, Copy)]
struct Record {
    timestamp: i64,
    /// From the base offset of the batch.
    offset: i64,
    has_key: bool,
}

impl Demands {
    fn refuse(&self, record: Record) -> Option<Reason> {
        if self.key && !record.has_key {
            return Some(Reason::MissingKey);
        }
        let permitted = self.timestamps.as_ref()?;
        let Record { timestamp, .. } = record;
        let sound = timestamp == NO_TIMESTAMP || permitted.contains(&timestamp);
        (!sound).then_some(Reason::Timestamp(timestamp))
    }
}

/// Visits the records in order until `visit` returns false.
fn each(header: &Header, body: &[u8], visit: impl FnMut(i32, Record) -> bool) -> Result<(), Error> {
    if header.compressed() {
        let reader = codec::reader(header.codec(), body);
        let mut reader = reader.map_err(|source| Error::Decompress { source })?;
        return walk(header, &mut reader, visit);
    }
    let mut body = body;
    walk(header, &mut body, visit)
}

fn walk<R: BufRead>(
    header: &Header,
    reader: &mut R,
    mut visit: impl FnMut(i32, Record) -> bool,
) -> Result<(), Error> {
    let mut total: u64 = 0;
    for index in 0..header.records {
        let mut fields = Fields {
            reader,
            index,
            left: i64::from(i32::MAX),
        };
        let length = fields.length("length")?;
        total = total.saturating_add(length);
        if total > codec::MAX_BYTES {
            return Err(Error::TooLarge);
        }
        fields.left = i64::try_from(length).unwrap_or(i64::MAX);
        let record = fields.record(header)?;
        if !visit(index, record) {
            return Ok(());
        }
    }
    let rest = reader.fill_buf();
    if rest
        .map_err(|source| Error::Decompress { source })?
        .is_empty()
    {
        Ok(())
    } else {
        Err(Error::Trailing {
            records: header.records,
        })
    }
}

/// Reads the fields of one record.
struct Fields<'a, R> {
    reader: &'a mut R,
    /// Index of the record.
    index: i32,
    /// Bytes that remain of the record.
    left: i64,
}

impl<R: BufRead> Fields<'_, R> {
    fn record(&mut self, header: &Header) -> Result<Record, Error> {
        self.byte("attributes")?;
        let since = self.varint("timestamp", 64)?;
        let timestamp = header.base_timestamp.checked_add(since);
        let timestamp = timestamp.ok_or_else(|| self.invalid("timestamp"))?;
        let offset = self.varint("offset", 32)?;
        let has_key = self.nullable_bytes("key")?;
        self.nullable_bytes("value")?;
        let headers = self.length("number of headers")?;
        // Each header has at least two bytes.
        if i64::try_from(headers).map_or(true, |headers| headers > self.left) {
            return Err(self.invalid("number of headers"));
        }
        for _ in 0..headers {
            let length = self.length("header")?;
            self.skip(length, "header")?;
            self.nullable_bytes("header")?;
        }
        if self.left != 0 {
            return Err(self.invalid("length"));
        }
        Ok(Record {
            timestamp,
            offset,
            has_key,
        })
    }

    /// Skips bytes with a length, which is -1 for null; returns whether they are not null.
    fn nullable_bytes(&mut self, field: &'static str) -> Result<bool, Error> {
        let length = self.varint(field, 32)?;
        if length == -1 {
            return Ok(false);
        }
        let length = u64::try_from(length).map_err(|_| self.invalid(field))?;
        self.skip(length, field)?;
        Ok(true)
    }

    fn length(&mut self, field: &'static str) -> Result<u64, Error> {
        let length = self.varint(field, 32)?;
        u64::try_from(length).map_err(|_| self.invalid(field))
    }

    /// Reads a zigzag varint of at most `bits` bits.
    fn varint(&mut self, field: &'static str, bits: u32) -> Result<i64, Error> {
        let mut value: u64 = 0;
        for shift in (0..bits).step_by(7) {
            let byte = self.byte(field)?;
            let part = u64::from(byte & 0x7f);
            let room = bits.saturating_sub(shift);
            if room < 7 && part.checked_shr(room).unwrap_or(0) > 0 {
                break;
            }
            value |= part.checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                let magnitude = (value >> 1).cast_signed();
                let negative = value & 1 == 1;
                return Ok(if negative { !magnitude } else { magnitude });
            }
        }
        Err(self.invalid(field))
    }

    fn byte(&mut self, field: &'static str) -> Result<u8, Error> {
        self.claim(1, field)?;
        let byte = self.fill(field)?.first().copied();
        let byte = byte.ok_or_else(|| self.invalid(field))?;
        self.reader.consume(1);
        Ok(byte)
    }

    fn skip(&mut self, length: u64, field: &'static str) -> Result<(), Error> {
        self.claim(i64::try_from(length).unwrap_or(i64::MAX), field)?;
        let mut left = usize::try_from(length).unwrap_or(usize::MAX);
        while left > 0 {
            let present = self.fill(field)?.len().min(left);
            if present == 0 {
                return Err(self.invalid(field));
            }
            self.reader.consume(present);
            left = left.saturating_sub(present);
        }
        Ok(())
    }

    /// Takes bytes from those that remain of the record.
    fn claim(&mut self, bytes: i64, field: &'static str) -> Result<(), Error> {
        let left = self.left.checked_sub(bytes).filter(|left| *left >= 0);
        self.left = left.ok_or_else(|| self.invalid(field))?;
        Ok(())
    }

    fn fill(&mut self, field: &'static str) -> Result<&[u8], Error> {
        let index = self.index;
        self.reader.fill_buf().map_err(|source| {
            if source.kind() == io::ErrorKind::UnexpectedEof {
                Error::Field { index, field }
            } else {
                Error::Decompress { source }
            }
        })
    }

    fn invalid(&self, field: &'static str) -> Error {
        Error::Field {
            index: self.index,
            field,
        }
    }
}

#[cfg(test)]
pub mod tests;
