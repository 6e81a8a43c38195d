//! The header of a record batch; [`records`](crate::records) reads what follows it.
//!
//! ```text
//!  0 base offset          i64  ◀ set by the broker on append, outside the checksum
//!  8 batch length         i32    bytes after this field
//! 12 partition leader epoch i32 ◀ set by the broker on append, outside the checksum
//! 16 magic                i8     2
//! 17 crc                  u32    CRC-32C of the bytes from 21 to the end
//! 21 attributes           i16    0–2 codec, 3 timestamp type, 4 transactional, 5 control,
//!                                   6 the base timestamp is a deadline (compaction)
//! 23 last offset delta    i32
//! 27 base timestamp       i64
//! 35 max timestamp        i64
//! 43 producer id          i64
//! 51 producer epoch       i16
//! 53 base sequence        i32
//! 57 record count         i32
//! 61 records              …      compressed as a whole by the codec
//! ```
//!
//! # References
//!
//! - <https://kafka.apache.org/documentation/#recordbatch>

#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

/// The timestamp of a record without one.
pub const NO_TIMESTAMP: i64 = -1;

/// Bytes of a batch before its records.
pub const HEADER_BYTES: usize = 61;

/// Bytes of base offset and batch length, which the batch length excludes.
pub const LENGTH_PREFIX_BYTES: usize = 12;

/// The leader epoch, in whose place the log keeps a checksum of what the batch's own leaves out.
const SEAL: std::ops::Range<usize> = 12..16;

/// First byte that the checksum covers.
const CHECKSUMMED_FROM: usize = 21;

/// Epoch of a batch that no leader has appended yet.
const NO_LEADER_EPOCH: i32 = -1;

const MAGIC: i8 = 2;
const CODECS: i16 = crate::codec::ZSTD;
const CODEC_MASK: i16 = 0b0000_0111;
const LOG_APPEND_TIME: i16 = 0b0000_1000;
const TRANSACTIONAL: i16 = 0b0001_0000;
const CONTROL: i16 = 0b0010_0000;
const DELETE_HORIZON: i16 = 0b0100_0000;

/// A batch is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the fields")]
pub enum Error {
    /// The batch is shorter than its header or its length field says.
    #[error("the batch is {missing} bytes too short")]
    Truncated { missing: usize },
    /// The length is negative, or too small for a header.
    #[error("invalid batch length {length}")]
    Length { length: i32 },
    /// Bytes follow the batch, where exactly one batch is allowed.
    #[error("{extra} bytes follow the batch")]
    Trailing { extra: usize },
    /// The message format is not version 2, which Kafka has used since 0.11.
    #[error("unsupported message format {magic} (expected {MAGIC})")]
    Magic { magic: i8 },
    /// The bytes changed after the producer sent them.
    #[error("checksum mismatch: the header states {stated:08x}, the bytes give {actual:08x}")]
    Checksum { stated: u32, actual: u32 },
    /// Record count and offsets contradict each other.
    #[error("the batch has {records} records but {offsets} offsets")]
    Count { records: i32, offsets: i64 },
    /// The compression codec is not one of the protocol.
    #[error("unknown compression codec {codec}")]
    Codec { codec: i16 },
}

/// The header of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Bytes of the whole batch, including base offset and length.
    pub total_bytes: usize,
    /// Epoch of the leader that appended the batch.
    pub leader_epoch: i32,
    /// Checksum that the header states.
    pub crc: u32,
    /// Codec, type of the timestamps, and kind of the batch.
    pub attributes: i16,
    /// Offset of the last record, from the base offset.
    pub last_offset_delta: i32,
    /// Milliseconds since 1970.
    pub base_timestamp: i64,
    /// Milliseconds since 1970.
    pub max_timestamp: i64,
    /// -1 without an idempotent producer.
    pub producer_id: i64,
    /// Epoch of the producer.
    pub producer_epoch: i16,
    /// Sequence number of the first record in the producer's epoch.
    pub base_sequence: i32,
    /// Number of records.
    pub records: i32,
    magic: i8,
}

impl Header {
    /// Returns the header of a control batch of one record, with its checksum.
    pub fn of_marker(producer_id: i64, producer_epoch: i16, timestamp: i64, record: &[u8]) -> Self {
        let mut header = Self {
            base_offset: 0,
            total_bytes: HEADER_BYTES.saturating_add(record.len()),
            leader_epoch: NO_LEADER_EPOCH,
            magic: MAGIC,
            crc: 0,
            attributes: TRANSACTIONAL | CONTROL,
            last_offset_delta: 0,
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            producer_id,
            producer_epoch,
            base_sequence: -1,
            records: 1,
        };
        header.set_max_timestamp(timestamp, record);
        header
    }

    /// Returns the header of a batch of one record without a producer id, with its checksum.
    pub fn of_record(timestamp: i64, record: &[u8]) -> Self {
        let mut header = Self {
            attributes: 0,
            ..Self::of_marker(-1, -1, timestamp, record)
        };
        header.set_max_timestamp(timestamp, record);
        header
    }

    /// Returns the header with another base offset.
    #[must_use]
    pub fn at(mut self, base_offset: i64) -> Self {
        self.base_offset = base_offset;
        self
    }

    /// Returns the header of the batch after compaction dropped all its records.
    #[must_use]
    pub fn emptied(&self) -> Self {
        let mut header = *self;
        header.attributes &= !(CODEC_MASK | TRANSACTIONAL | DELETE_HORIZON);
        header.records = 0;
        header.total_bytes = HEADER_BYTES;
        header.set_max_timestamp(NO_TIMESTAMP, &[]);
        header
    }

    /// Returns the time after which compaction drops the tombstones in the batch, or the marker.
    pub fn delete_horizon(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON != 0).then_some(self.base_timestamp)
    }

    /// Makes the base timestamp that time. The checksum is not updated.
    pub fn set_delete_horizon(&mut self) {
        self.attributes |= DELETE_HORIZON;
    }

    /// Reads a header from the first [`HEADER_BYTES`] of a batch; checks only length and format.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let field = Fields { bytes };
        let length = i32::from_be_bytes(field.at(8)?);
        let total_bytes = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(LENGTH_PREFIX_BYTES))
            .filter(|total| *total >= HEADER_BYTES)
            .ok_or(Error::Length { length })?;
        let header = Self {
            base_offset: i64::from_be_bytes(field.at(0)?),
            total_bytes,
            leader_epoch: i32::from_be_bytes(field.at(12)?),
            magic: i8::from_be_bytes(field.at(16)?),
            crc: u32::from_be_bytes(field.at(17)?),
            attributes: i16::from_be_bytes(field.at(21)?),
            last_offset_delta: i32::from_be_bytes(field.at(23)?),
            base_timestamp: i64::from_be_bytes(field.at(27)?),
            max_timestamp: i64::from_be_bytes(field.at(35)?),
            producer_id: i64::from_be_bytes(field.at(43)?),
            producer_epoch: i16::from_be_bytes(field.at(51)?),
            base_sequence: i32::from_be_bytes(field.at(53)?),
            records: i32::from_be_bytes(field.at(57)?),
        };
        if header.magic != MAGIC {
            return Err(Error::Magic {
                magic: header.magic,
            });
        }
        Ok(header)
    }

    /// Returns the offset after the last record.
    pub fn next_offset(&self) -> i64 {
        self.base_offset
            .saturating_add(i64::from(self.last_offset_delta))
            .saturating_add(1)
    }

    /// Whether a transactional producer wrote the batch.
    pub fn transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether the batch holds transaction markers instead of records.
    pub fn control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether the records are compressed.
    pub fn compressed(&self) -> bool {
        self.codec() != crate::codec::NONE
    }

    /// Returns the compression codec, of those in `codec`.
    pub fn codec(&self) -> i16 {
        self.attributes & CODEC_MASK
    }

    /// Whether the broker set the timestamps.
    pub fn log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// Gives all records the time of the append, in milliseconds since 1970.
    pub fn set_log_append_time(&mut self, now: i64, body: &[u8]) {
        self.attributes |= LOG_APPEND_TIME;
        self.set_max_timestamp(now, body);
    }

    /// Replaces the highest timestamp and updates the checksum; `body` follows the header.
    pub fn set_max_timestamp(&mut self, timestamp: i64, body: &[u8]) {
        self.max_timestamp = timestamp;
        let bytes = self.encode(self.base_offset, 0);
        let covered = bytes.get(CHECKSUMMED_FROM..).unwrap_or_default();
        self.crc = crc32c::crc32c_append(crc32c::crc32c(covered), body);
    }

    /// Returns the bytes of the header as the log stores them: sealed, so that damage to the offset
    /// and the length is noticed too.
    pub fn encode_sealed(&self, base_offset: i64) -> [u8; HEADER_BYTES] {
        let mut bytes = self.encode(base_offset, 0);
        let seal = seal(&bytes).to_be_bytes();
        if let Some(place) = bytes.get_mut(SEAL) {
            place.copy_from_slice(&seal);
        }
        bytes
    }

    /// Reads a header that the log stores.
    pub fn parse_sealed(bytes: &[u8]) -> Result<Self, Error> {
        let header = Self::parse(bytes)?;
        let stated = u32::from_be_bytes(Fields { bytes }.at(SEAL.start)?);
        let actual = seal(bytes);
        if stated == actual {
            Ok(header)
        } else {
            Err(Error::Checksum { stated, actual })
        }
    }

    /// Returns the bytes of the header.
    pub fn encode(&self, base_offset: i64, leader_epoch: i32) -> [u8; HEADER_BYTES] {
        let length = self.total_bytes.saturating_sub(LENGTH_PREFIX_BYTES);
        let length = i32::try_from(length).unwrap_or(i32::MAX);
        let mut bytes = [0; HEADER_BYTES];
        let fields = base_offset
            .to_be_bytes()
            .into_iter()
            .chain(length.to_be_bytes())
            .chain(leader_epoch.to_be_bytes())
            .chain(self.magic.to_be_bytes())
            .chain(self.crc.to_be_bytes())
            .chain(self.attributes.to_be_bytes())
            .chain(self.last_offset_delta.to_be_bytes())
            .chain(self.base_timestamp.to_be_bytes())
            .chain(self.max_timestamp.to_be_bytes())
            .chain(self.producer_id.to_be_bytes())
            .chain(self.producer_epoch.to_be_bytes())
            .chain(self.base_sequence.to_be_bytes())
            .chain(self.records.to_be_bytes());
        for (to, from) in bytes.iter_mut().zip(fields) {
            *to = from;
        }
        bytes
    }
}

/// Checks the seals of stored batches and gives them back their leader epoch; with `in_full`, checks
/// their records as well. Returns the position of a damaged batch as an error.
pub fn unseal(mut batches: &mut [u8], leader_epoch: i32, in_full: bool) -> Result<(), usize> {
    let mut position = 0_usize;
    while !batches.is_empty() {
        let header = Header::parse_sealed(batches).map_err(|_damaged| position)?;
        let split = batches.split_at_mut_checked(header.total_bytes);
        let (batch, rest) = split.ok_or(position)?;
        let records = batch.get(CHECKSUMMED_FROM..).unwrap_or_default();
        if in_full && crc32c::crc32c(records) != header.crc {
            return Err(position);
        }
        if let Some(place) = batch.get_mut(SEAL) {
            place.copy_from_slice(&leader_epoch.to_be_bytes());
        }
        position = position.saturating_add(header.total_bytes);
        batches = rest;
    }
    Ok(())
}

/// Returns the checksum of the fields that a batch's own checksum leaves out, and of that checksum.
fn seal(bytes: &[u8]) -> u32 {
    let before = bytes.get(..SEAL.start).unwrap_or_default();
    let after = bytes.get(SEAL.end..CHECKSUMMED_FROM).unwrap_or_default();
    crc32c::crc32c_append(crc32c::crc32c(before), after)
}

/// Returns the sealed header of a whole batch whose header on disk is damaged; `None` if the rest of
/// the batch does not prove it. `expected` is the offset after the batch before.
pub fn mend_header(batch: &[u8], expected: i64) -> Option<[u8; HEADER_BYTES]> {
    let length = batch.len().checked_sub(LENGTH_PREFIX_BYTES)?;
    let length = i32::try_from(length).ok()?.to_be_bytes();
    let crc = crc32c::crc32c(batch.get(CHECKSUMMED_FROM..)?).to_be_bytes();
    let stored = batch.first_chunk::<HEADER_BYTES>()?;
    for base_offset in [stored.first_chunk().copied()?, expected.to_be_bytes()] {
        let mut mended = *stored;
        let fields = base_offset
            .into_iter()
            .chain(length)
            .chain(stored.get(SEAL)?.iter().copied())
            .chain(MAGIC.to_be_bytes())
            .chain(crc);
        for (to, from) in mended.iter_mut().zip(fields) {
            *to = from;
        }
        let sealed = Header::parse(&mended).ok()?;
        let sealed = sealed.encode_sealed(i64::from_be_bytes(base_offset));
        // Everything but the seal is as it was, or the seal proves what was changed.
        let only_seal = base_offset == expected.to_be_bytes()
            && stored.get(..SEAL.start) == sealed.get(..SEAL.start)
            && stored.get(SEAL.end..) == sealed.get(SEAL.end..);
        if sealed == mended || only_seal {
            return Some(sealed);
        }
    }
    None
}

/// Checks length, format and checksum of one batch, and returns its header. Bytes may follow it.
///
/// Unlike a batch that a producer sends, a stored one may have fewer records than offsets: the
/// log's compaction removes records.
pub fn verify(bytes: &[u8]) -> Result<Header, Error> {
    let header = Header::parse(bytes)?;
    let covered = bytes.get(CHECKSUMMED_FROM..header.total_bytes);
    let covered = covered.ok_or_else(|| Error::Truncated {
        missing: header.total_bytes.saturating_sub(bytes.len()),
    })?;
    let actual = crc32c::crc32c(covered);
    if actual != header.crc {
        return Err(Error::Checksum {
            stated: header.crc,
            actual,
        });
    }
    Ok(header)
}

/// Checks that `bytes` are exactly one valid batch, as producers send it, and returns its header.
pub fn check(bytes: &[u8]) -> Result<Header, Error> {
    let header = check_stored(bytes)?;
    let offsets = i64::from(header.last_offset_delta).saturating_add(1);
    if header.records < 1 || i64::from(header.records) != offsets {
        return Err(Error::Count {
            records: header.records,
            offsets,
        });
    }
    Ok(header)
}

/// Checks that `bytes` are exactly one valid batch, from which compaction may have dropped records.
pub fn check_stored(bytes: &[u8]) -> Result<Header, Error> {
    let total = Header::parse(bytes)?.total_bytes;
    let extra = bytes.len().saturating_sub(total);
    if extra > 0 {
        return Err(Error::Trailing { extra });
    }
    let header = verify(bytes)?;
    let offsets = i64::from(header.last_offset_delta).saturating_add(1);
    if header.records < 0 || i64::from(header.records) > offsets {
        return Err(Error::Count {
            records: header.records,
            offsets,
        });
    }
    let codec = header.codec();
    if codec > CODECS {
        return Err(Error::Codec { codec });
    }
    Ok(header)
}

struct Fields<'a> {
    bytes: &'a [u8],
}

impl Fields<'_> {
    fn at<const N: usize>(&self, position: usize) -> Result<[u8; N], Error> {
        self.bytes
            .get(position..)
            .and_then(|rest| rest.first_chunk())
            .copied()
            .ok_or_else(|| Error::Truncated {
                missing: HEADER_BYTES.saturating_sub(self.bytes.len()),
            })
    }
}

#[cfg(test)]
pub(super) mod tests;
