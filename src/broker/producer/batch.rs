//! A record batch that grows in one buffer, in Kafka's format since 0.11.
//!
//! ```text
//!  base offset i64 │ length i32 │ leader epoch i32 │ magic i8 │ crc u32 │ attributes i16
//!  last offset delta i32 │ base timestamp i64 │ max timestamp i64 │ producer id i64
//!  producer epoch i16 │ base sequence i32 │ count i32 │ records, compressed as a whole
//!
//!  record: length │ attributes i8 │ timestamp delta │ offset delta │ key │ value │ headers
//! ```
//!
//! # References
//!
//! - <https://kafka.apache.org/documentation/#recordbatch>

use std::io;
use std::ops::Range;

use convoy_kafka_server::protocol::{self, compress, put_varint};

use crate::broker::spec::Compression;
use crate::record::{Header, write_nullable};

/// Bytes of the records in one produce request. The default limit of brokers is 1 MiB.
pub const BATCH_BYTES: usize = 900 * 1024;

/// Bytes of a batch before its records.
const HEADER_BYTES: usize = 61;

/// Bytes of base offset and length, which the length excludes.
const LENGTH_PREFIX_BYTES: usize = 12;

/// Bytes of the header before the checksum's end, which the checksum excludes.
const CHECKSUMMED_FROM: usize = 21;

/// Bytes before the records: the batch's header, and a request with the longest name of a topic.
const ROOM: usize = HEADER_BYTES + 512;

const MAGIC: i8 = 2;

/// Length of a key, value or header value that is null.
const NULL: i64 = -1;

/// Records for one partition in one produce request.
///
/// A cleared batch keeps its buffer.
#[derive(Debug, Default)]
pub struct Batch {
    /// [`ROOM`] bytes, the records, and what a request adds after them.
    buffer: Vec<u8>,
    /// Where the records end; zero without records.
    end: usize,
    count: usize,
    /// Timestamp of the first record.
    base_timestamp: i64,
    max_timestamp: i64,
}

/// A record to append.
#[derive(Debug, Clone, Copy)]
pub struct NewRecord<'a> {
    /// Key; `None` has none.
    pub key: Option<&'a [u8]>,
    /// Value; `None` is a tombstone.
    pub value: Option<Value<'a>>,
    /// Headers in order. Names may repeat.
    pub headers: &'a [HeaderRef<'a>],
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
}

/// A value in two parts that follow each other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Value<'a> {
    /// What a wire format writes before the payload; often empty.
    pub prefix: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
}

/// A header of a record.
#[derive(Debug, Clone, Copy)]
pub struct HeaderRef<'a> {
    /// Name.
    pub name: &'a str,
    /// Value; `None` is null.
    pub value: Option<&'a [u8]>,
}

/// A finished batch, with room before it.
#[derive(Debug)]
pub struct Finished<'a> {
    pub buffer: &'a mut Vec<u8>,
    /// Where the batch's header begins.
    pub start: usize,
}

impl<'a> From<&'a Header> for HeaderRef<'a> {
    fn from(header: &'a Header) -> Self {
        Self {
            name: &header.name,
            value: header.value.as_deref(),
        }
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(payload: &'a [u8]) -> Self {
        Self {
            prefix: &[],
            payload,
        }
    }
}

impl Value<'_> {
    fn len(&self) -> usize {
        self.prefix.len() + self.payload.len()
    }
}

impl Batch {
    /// Appends a record.
    pub fn push(&mut self, record: &NewRecord<'_>) {
        self.buffer.truncate(self.end);
        if self.count == 0 {
            self.buffer.resize(ROOM, 0);
            self.base_timestamp = record.timestamp_ms;
            self.max_timestamp = record.timestamp_ms;
        }
        self.max_timestamp = self.max_timestamp.max(record.timestamp_ms);
        let since = record.timestamp_ms.wrapping_sub(self.base_timestamp);
        let offset = signed(self.count);
        let length = 1
            + varint_length(since)
            + varint_length(offset)
            + bytes_length(record.key)
            + record
                .value
                .map_or(varint_length(NULL), |it| field_length(it.len()))
            + varint_length(signed(record.headers.len()))
            + record.headers.iter().map(HeaderRef::length).sum::<usize>();
        let out = &mut self.buffer;
        out.reserve(varint_length(signed(length)) + length);
        put_varint(signed(length), out);
        // Attributes: Kafka uses none yet.
        out.push(0);
        put_varint(since, out);
        put_varint(offset, out);
        write_nullable(out, record.key);
        match &record.value {
            None => put_varint(NULL, out),
            Some(value) => {
                put_varint(signed(value.len()), out);
                out.extend_from_slice(value.prefix);
                out.extend_from_slice(value.payload);
            }
        }
        put_varint(signed(record.headers.len()), out);
        for header in record.headers {
            write_nullable(out, Some(header.name.as_bytes()));
            write_nullable(out, header.value);
        }
        self.end = out.len();
        self.count += 1;
    }

    /// Returns the bytes of all records before compression.
    pub fn bytes(&self) -> usize {
        self.end.saturating_sub(ROOM)
    }

    /// Returns the number of records.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns whether the batch holds no record.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Removes all records and keeps the buffer.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.end = 0;
        self.count = 0;
    }

    /// Writes the header before the records. `scratch` holds the records if they are compressed.
    pub(super) fn finish<'a>(
        &'a mut self,
        compression: Compression,
        scratch: &'a mut Vec<u8>,
    ) -> io::Result<Finished<'a>> {
        let start = ROOM - HEADER_BYTES;
        self.buffer.truncate(self.end);
        let codec = codec(compression);
        let counts = Counts::of(self);
        let buffer = if codec == protocol::NONE {
            &mut self.buffer
        } else {
            scratch.clear();
            scratch.resize(ROOM, 0);
            compress(codec, self.buffer.get(ROOM..).unwrap_or_default(), scratch)?;
            scratch
        };
        counts.write(codec, start, buffer);
        Ok(Finished { buffer, start })
    }
}

impl HeaderRef<'_> {
    fn length(&self) -> usize {
        field_length(self.name.len()) + bytes_length(self.value)
    }
}

/// What the header of a batch states about its records.
#[derive(Debug, Clone, Copy)]
struct Counts {
    records: usize,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl Counts {
    fn of(batch: &Batch) -> Self {
        Self {
            records: batch.count,
            base_timestamp: batch.base_timestamp,
            max_timestamp: batch.max_timestamp,
        }
    }

    /// Writes the header at `start`; the records follow it to the end of the buffer.
    fn write(self, codec: i16, start: usize, buffer: &mut [u8]) {
        let length = buffer.len() - start - LENGTH_PREFIX_BYTES;
        let length = i32::try_from(length).unwrap_or(i32::MAX);
        let records = i32::try_from(self.records).unwrap_or(i32::MAX);
        let mut header = Cursor {
            buffer,
            position: start,
        };
        header.put(&0_i64.to_be_bytes());
        header.put(&length.to_be_bytes());
        header.put(&(-1_i32).to_be_bytes());
        header.put(&MAGIC.to_be_bytes());
        let checksum = header.put(&[0; 4]);
        header.put(&codec.to_be_bytes());
        header.put(&records.saturating_sub(1).to_be_bytes());
        header.put(&self.base_timestamp.to_be_bytes());
        header.put(&self.max_timestamp.to_be_bytes());
        // Not idempotent: no producer id, epoch and sequence.
        header.put(&(-1_i64).to_be_bytes());
        header.put(&(-1_i16).to_be_bytes());
        header.put(&(-1_i32).to_be_bytes());
        header.put(&records.to_be_bytes());
        let crc = crc32c::crc32c(&buffer[start + CHECKSUMMED_FROM..]);
        buffer[checksum].copy_from_slice(&crc.to_be_bytes());
    }
}

/// Writes fields one after another into a buffer that has room for them.
struct Cursor<'a> {
    buffer: &'a mut [u8],
    position: usize,
}

impl Cursor<'_> {
    fn put(&mut self, field: &[u8]) -> Range<usize> {
        let range = self.position..self.position + field.len();
        self.buffer[range.clone()].copy_from_slice(field);
        self.position = range.end;
        range
    }
}

fn bytes_length(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(varint_length(NULL), |bytes| field_length(bytes.len()))
}

/// Returns the bytes of a length with the field that it is for.
fn field_length(length: usize) -> usize {
    varint_length(signed(length)) + length
}

/// Returns the bytes of a signed integer in zigzag form.
pub(super) fn varint_length(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let bits = u64::BITS - (zigzag | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// Returns the number of a codec in Kafka's protocol.
fn codec(compression: Compression) -> i16 {
    match compression {
        Compression::None => protocol::NONE,
        Compression::Gzip => protocol::GZIP,
        Compression::Snappy => protocol::SNAPPY,
        Compression::Lz4 => protocol::LZ4,
        Compression::Zstd => protocol::ZSTD,
    }
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
