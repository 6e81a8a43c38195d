//! One batch of the log in every message format: checked once, then read record by record.
//!
//! ```text
//!  format 2      header of 61 bytes │ records, compressed together
//!  format 0, 1   one message each   │ or a message whose value is compressed messages
//! ```
//!
//! A batch either decodes as a whole or not at all, so that it becomes one dead letter.

use bytes::Bytes;
use convoy_kafka_server::protocol::{HEADER_BYTES, Header};

use crate::broker::reader::defect::{Defect, decompressed};
use crate::broker::reader::messages::{self, Messages};
use crate::broker::reader::record::Record;
use crate::record::{Fields, RecordHeaders};

/// A checked batch.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Decompressed records.
    bytes: Bytes,
    form: Form,
}

/// How the bytes of a batch are read.
#[derive(Debug, Clone, Copy)]
enum Form {
    Records(Base),
    Messages(Messages),
}

/// What the records of a batch count from.
#[derive(Debug, Clone, Copy)]
struct Base {
    offset: i64,
    timestamp: i64,
    /// Timestamp of every record, if the broker set it.
    append_time: Option<i64>,
}

impl Batch {
    /// Decodes the records that follow a header whose checksum is right.
    pub fn of_records(header: &Header, batch: &Bytes) -> Result<Self, Defect> {
        let body = batch.slice(HEADER_BYTES..header.total_bytes);
        let bytes = decompressed(header.codec(), body)?;
        let base = Base {
            offset: header.base_offset,
            timestamp: header.base_timestamp,
            append_time: header.log_append_time().then_some(header.max_timestamp),
        };
        base.check(header, &bytes)?;
        Ok(Self {
            bytes,
            form: Form::Records(base),
        })
    }

    /// Decodes a message of format 0 or 1, and the messages in it.
    pub fn of_messages(message: &Bytes) -> Result<Self, Defect> {
        let (form, bytes) = messages::decode(message)?;
        Ok(Self {
            bytes,
            form: Form::Messages(form),
        })
    }

    /// Returns the records in order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut fields = Fields::new(&self.bytes);
        std::iter::from_fn(move || {
            if fields.rest().is_empty() {
                return None;
            }
            match &self.form {
                Form::Records(base) => base.record(&mut fields).ok(),
                Form::Messages(messages) => messages.record(&mut fields).ok(),
            }
        })
    }

    /// Returns the bytes of the records when decompressed.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

impl Base {
    /// Checks that the bytes are the records that a header states.
    fn check(&self, header: &Header, bytes: &[u8]) -> Result<(), Defect> {
        let mut fields = Fields::new(bytes);
        let mut next = header.base_offset;
        for index in 0..header.records {
            let invalid = |field| Defect::Field { index, field };
            let record = self.record(&mut fields).map_err(invalid)?;
            if record.offset < next || record.offset >= header.next_offset() {
                return Err(invalid("offset"));
            }
            next = record.offset.saturating_add(1);
            if !record.headers.are_valid() {
                return Err(invalid("header"));
            }
        }
        if fields.rest().is_empty() {
            return Ok(());
        }
        let records = header.records;
        Err(Defect::Trailing { records })
    }

    /// Reads a record, or returns the field that is not valid. Does not check the headers.
    fn record<'a>(&self, fields: &mut Fields<'a>) -> Result<Record<'a>, &'static str> {
        let bytes = fields.length().and_then(|length| fields.take(length));
        let mut fields = Fields::new(bytes.ok_or("length")?);
        let _attributes = fields.byte().ok_or("attributes")?;
        let since = fields.varint().ok_or("timestamp")?;
        let delta = fields.varint().ok_or("offset")?;
        let key = fields.nullable().ok_or("key")?;
        let value = fields.nullable().ok_or("value")?;
        let headers = fields.length().ok_or("number of headers")?;
        // As producers compute the difference: two extreme timestamps may be further apart.
        let timestamp = self.timestamp.wrapping_add(since);
        Ok(Record {
            offset: self.offset.saturating_add(delta),
            timestamp_ms: self.append_time.unwrap_or(timestamp),
            key,
            value,
            headers: RecordHeaders::new(headers, fields.rest()),
        })
    }
}
