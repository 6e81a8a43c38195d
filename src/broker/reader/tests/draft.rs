//! Batches to encode, valid or not.

use std::io::Write;

use convoy_kafka_server::protocol::{GZIP, LZ4, NONE, SNAPPY, ZSTD, put_varint};

use crate::broker::RecordBuf;
use crate::record::write_nullable;

/// Attributes of a batch beside its codec.
pub const LOG_APPEND_TIME: i16 = 0b1000;
pub const TRANSACTIONAL: i16 = 0b1_0000;
pub const CONTROL: i16 = 0b10_0000;

/// A batch to encode.
#[derive(Debug, Clone)]
pub struct Draft {
    pub base_offset: i64,
    pub last_offset: i64,
    pub attributes: i16,
    pub leader_epoch: i32,
    pub producer_id: i64,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    /// Number of records that the header states.
    pub count: i32,
    /// Records before they are compressed.
    pub body: Vec<u8>,
}

impl Draft {
    /// Encodes records in order of their offsets.
    pub fn new(records: &[RecordBuf]) -> Self {
        let (first, last) = (records.first().unwrap(), records.last().unwrap());
        let base_timestamp = first.timestamp_ms;
        let mut body = Vec::new();
        for record in records {
            body.extend(encode(record, first.offset, base_timestamp));
        }
        Self {
            base_offset: first.offset,
            last_offset: last.offset,
            attributes: NONE,
            leader_epoch: 0,
            producer_id: -1,
            base_timestamp,
            max_timestamp: last.timestamp_ms,
            count: i32::try_from(records.len()).unwrap(),
            body,
        }
    }

    /// Creates a batch that ends a transaction.
    pub fn marker(offset: i64, producer_id: i64, commits: bool) -> Self {
        let record = RecordBuf {
            offset,
            key: Some(vec![0, 0, 0, u8::from(commits)]),
            value: Some(vec![0; 6]),
            ..RecordBuf::default()
        };
        Self {
            attributes: TRANSACTIONAL | CONTROL,
            producer_id,
            ..Self::new(&[record])
        }
    }

    pub fn of_transaction(mut self, producer_id: i64) -> Self {
        self.attributes |= TRANSACTIONAL;
        self.producer_id = producer_id;
        self
    }

    pub fn compressed(mut self, codec: i16) -> Self {
        self.attributes |= codec;
        self.body = compress(codec, &self.body);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut checked = Vec::new();
        checked.extend(self.attributes.to_be_bytes());
        let delta = i32::try_from(self.last_offset - self.base_offset).unwrap();
        checked.extend(delta.to_be_bytes());
        checked.extend(self.base_timestamp.to_be_bytes());
        checked.extend(self.max_timestamp.to_be_bytes());
        checked.extend(self.producer_id.to_be_bytes());
        checked.extend([0; 2]);
        checked.extend([0; 4]);
        checked.extend(self.count.to_be_bytes());
        checked.extend(&self.body);
        let mut bytes = self.base_offset.to_be_bytes().to_vec();
        bytes.extend(i32::try_from(checked.len() + 9).unwrap().to_be_bytes());
        bytes.extend(self.leader_epoch.to_be_bytes());
        bytes.push(2);
        bytes.extend(crc32c::crc32c(&checked).to_be_bytes());
        bytes.extend(checked);
        bytes
    }
}

pub fn encode(record: &RecordBuf, base_offset: i64, base_timestamp: i64) -> Vec<u8> {
    let mut fields = vec![0];
    put_varint(
        record.timestamp_ms.wrapping_sub(base_timestamp),
        &mut fields,
    );
    put_varint(record.offset - base_offset, &mut fields);
    write_nullable(&mut fields, record.key.as_deref());
    write_nullable(&mut fields, record.value.as_deref());
    let headers = record.headers.as_slice();
    put_varint(i64::try_from(headers.len()).unwrap(), &mut fields);
    for header in headers {
        write_nullable(&mut fields, Some(header.name.as_bytes()));
        write_nullable(&mut fields, header.value.as_deref());
    }
    let mut bytes = Vec::new();
    write_nullable(&mut bytes, Some(&fields));
    bytes
}

/// Compresses as librdkafka does.
pub fn compress(codec: i16, bytes: &[u8]) -> Vec<u8> {
    match codec {
        GZIP => {
            let fast = flate2::Compression::fast();
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), fast);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        SNAPPY => snap::raw::Encoder::new().compress_vec(bytes).unwrap(),
        LZ4 => {
            let mut encoder = lz4::EncoderBuilder::new().build(Vec::new()).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().0
        }
        ZSTD => zstd::encode_all(bytes, 1).unwrap(),
        _ => bytes.to_vec(),
    }
}

/// Writes the frames of Java clients around blocks of Snappy.
pub fn compress_xerial(bytes: &[u8]) -> Vec<u8> {
    let mut framed = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    for chunk in bytes.chunks(100) {
        let block = compress(SNAPPY, chunk);
        framed.extend(u32::try_from(block.len()).unwrap().to_be_bytes());
        framed.extend(block);
    }
    framed
}
