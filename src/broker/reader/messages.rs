//! Messages of formats 0 and 1, which brokers wrote before Kafka 0.11 and still send.
//!
//! ```text
//!  0 offset     i64   of a compressed message: that of the last message in it
//!  8 size       i32   bytes after this field
//! 12 crc        u32   CRC-32 of the bytes from 16 to the end
//! 16 magic      i8    0 or 1
//! 17 attributes i8    0–2 codec, 3 timestamp type
//! 18 timestamp  i64   format 1 only
//!  … key        i32 length (-1: null), bytes
//!  … value      i32 length (-1: null), bytes; compressed messages, if there is a codec
//! ```
//!
//! The messages in a compressed one have the offsets of the log in format 0, and offsets relative to
//! each other in format 1.
//!
//! # References
//!
//! - <https://kafka.apache.org/documentation/#messageset>
//! - KIP-31, KIP-32: relative offsets and timestamps
//! - KAFKA-3160: the wrong checksums of LZ4 frames in format 0

use bytes::Bytes;
use convoy_kafka_server::protocol;
use xxhash_rust::xxh32::xxh32;

use crate::broker::reader::defect::{Defect, decompressed};
use crate::broker::reader::record::Record;
use crate::record::{Fields, RecordHeaders};

/// First byte that the checksum covers.
const CHECKSUMMED_FROM: usize = 16;

const CODEC: i16 = 0b0111;
const LOG_APPEND_TIME: i16 = 0b1000;

/// Timestamp of a message that has none.
const NO_TIMESTAMP: i64 = -1;

/// How messages differ from what their bytes say.
#[derive(Debug, Clone, Copy)]
pub struct Messages {
    /// Added to each offset.
    shift: i64,
    /// Timestamp of every message, if the broker set it.
    append_time: Option<i64>,
}

/// One message.
struct Message<'a> {
    offset: i64,
    magic: i8,
    attributes: i16,
    timestamp: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

/// Decodes a whole message, and returns the bytes of the messages in it: itself, if it is not
/// compressed.
pub fn decode(message: &Bytes) -> Result<(Messages, Bytes), Defect> {
    let covered = message.get(CHECKSUMMED_FROM..).unwrap_or_default();
    let mut fields = Fields::new(message.get(12..).unwrap_or_default());
    let stated = u32::from_be_bytes(fields.array().ok_or(field(0, "checksum"))?);
    let actual = crc32fast::hash(covered);
    if stated != actual {
        return Err(Defect::Checksum { stated, actual });
    }
    let outer = Message::read(&mut Fields::new(message)).map_err(|name| field(0, name))?;
    let codec = outer.attributes & CODEC;
    let append_time = (outer.attributes & LOG_APPEND_TIME != 0).then_some(outer.timestamp);
    let unchanged = Messages {
        shift: 0,
        append_time,
    };
    if codec == protocol::NONE {
        return Ok((unchanged, message.clone()));
    }
    let value = message.slice_ref(outer.value.unwrap_or_default());
    let value = match (outer.magic, codec) {
        (0, protocol::LZ4) => with_right_checksum(value),
        _ => value,
    };
    let inner = decompressed(codec, value)?;
    let last = check(&inner, outer.magic)?;
    let shift = match outer.magic {
        0 => 0,
        _ => outer.offset.saturating_sub(last),
    };
    Ok((Messages { shift, append_time }, inner))
}

/// Checks the messages in a compressed one, and returns the last offset.
fn check(inner: &[u8], magic: i8) -> Result<i64, Defect> {
    let mut fields = Fields::new(inner);
    let mut last = None;
    let mut index: i32 = 0;
    while !fields.rest().is_empty() {
        let message = Message::read(&mut fields).map_err(|name| field(index, name))?;
        if message.magic != magic || message.attributes & CODEC != 0 {
            return Err(field(index, "format"));
        }
        if last.is_some_and(|last| message.offset <= last) {
            return Err(field(index, "offset"));
        }
        last = Some(message.offset);
        index = index.saturating_add(1);
    }
    last.ok_or(field(0, "length"))
}

fn field(index: i32, field: &'static str) -> Defect {
    Defect::Field { index, field }
}

/// Corrects the checksum of the first LZ4 frame's header, which format 0 computes wrongly: with the
/// magic number.
fn with_right_checksum(frame: Bytes) -> Bytes {
    const FLAGS: usize = 4;
    const CONTENT_SIZE: u8 = 0b1000;
    let Some(flags) = frame.get(FLAGS) else {
        return frame;
    };
    let end = FLAGS + 2 + if flags & CONTENT_SIZE == 0 { 0 } else { 8 };
    let Some(descriptor) = frame.get(FLAGS..end) else {
        return frame;
    };
    let [_, _, checksum, _] = xxh32(descriptor, 0).to_be_bytes();
    if frame.get(end).is_none_or(|stated| *stated == checksum) {
        return frame;
    }
    let mut corrected = frame.to_vec();
    corrected[end] = checksum;
    corrected.into()
}

impl<'a> Message<'a> {
    /// Reads a message, or returns the field that is not valid.
    fn read(fields: &mut Fields<'a>) -> Result<Self, &'static str> {
        let offset = i64::from_be_bytes(fields.array().ok_or("offset")?);
        let bytes = fields.array().and_then(|size| {
            let size = usize::try_from(i32::from_be_bytes(size)).ok()?;
            fields.take(size)
        });
        let mut fields = Fields::new(bytes.ok_or("length")?);
        let _crc: [u8; 4] = fields.array().ok_or("checksum")?;
        let magic = i8::from_be_bytes(fields.array().ok_or("format")?);
        let attributes = i16::from(fields.byte().ok_or("attributes")?);
        let timestamp = match magic {
            0 => NO_TIMESTAMP,
            1 => i64::from_be_bytes(fields.array().ok_or("timestamp")?),
            _ => return Err("format"),
        };
        let key = nullable(&mut fields).ok_or("key")?;
        let value = nullable(&mut fields).ok_or("value")?;
        if !fields.rest().is_empty() {
            return Err("length");
        }
        Ok(Self {
            offset,
            magic,
            attributes,
            timestamp,
            key,
            value,
        })
    }
}

#[expect(
    clippy::option_option,
    reason = "null differs from bytes that are not there"
)]
fn nullable<'a>(fields: &mut Fields<'a>) -> Option<Option<&'a [u8]>> {
    match i32::from_be_bytes(fields.array()?) {
        -1 => Some(None),
        length => fields.take(usize::try_from(length).ok()?).map(Some),
    }
}

impl Messages {
    /// Reads a message as a record, or returns the field that is not valid.
    pub fn record<'a>(&self, fields: &mut Fields<'a>) -> Result<Record<'a>, &'static str> {
        let message = Message::read(fields)?;
        Ok(Record {
            offset: message.offset.saturating_add(self.shift),
            timestamp_ms: self.append_time.unwrap_or(message.timestamp),
            key: message.key,
            value: message.value,
            headers: RecordHeaders::default(),
        })
    }
}
