//! The produce request around a batch, and the response to it.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_Produce>

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::BufMut;
use convoy_kafka_server::protocol::{FieldError, put_unsigned_varint};
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::protocol::StrBytes;

use crate::broker::producer::batch::Finished;
use crate::broker::wire::{CLIENT_ID, Response, put_request_header};

/// Versions of the request: from Kafka 1.0 on.
pub const VERSIONS: RangeInclusive<i16> = 3..=9;

/// First version with compact lengths and tagged fields.
const FLEXIBLE: i16 = 9;

/// Every replica in sync must have the batch.
const ACKS_ALL: i16 = -1;

/// Bytes of the length before a request.
const LENGTH_BYTES: usize = 4;

/// A partition to produce to.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    pub topic: &'a str,
    pub partition: i32,
    /// How long the broker waits for its replicas.
    pub timeout: Duration,
}

/// What a broker responds about one partition.
#[derive(Debug, PartialEq, Eq)]
pub struct Appended {
    pub code: i16,
    pub base_offset: i64,
    pub message: Option<String>,
    /// How long the client must wait before its next request.
    pub throttle: Duration,
}

/// Writes a request before a batch, and what follows it; returns the whole frame.
///
/// Returns `None` if the room before the batch is too small, or the frame too long for its length.
pub fn wrap<'a>(
    finished: Finished<'a>,
    target: Target<'_>,
    version: i16,
    head: &mut Vec<u8>,
) -> Option<&'a mut [u8]> {
    let Finished { buffer, start } = finished;
    let flexible = version >= FLEXIBLE;
    let batch_bytes = buffer.len() - start;
    head.clear();
    head.put_bytes(0, LENGTH_BYTES);
    let client_id = StrBytes::from_static_str(CLIENT_ID);
    put_request_header::<ProduceRequest>(version, &client_id, head).ok()?;
    let timeout_ms = i32::try_from(target.timeout.as_millis()).unwrap_or(i32::MAX);
    let name = target.topic.as_bytes();
    if flexible {
        // No transactional id.
        head.put_u8(0);
        head.put_i16(ACKS_ALL);
        head.put_i32(timeout_ms);
        head.put_u8(1 + 1);
        put_compact_length(head, name.len());
        head.put_slice(name);
        head.put_u8(1 + 1);
        head.put_i32(target.partition);
        put_compact_length(head, batch_bytes);
        // The partition, the topic and the request have no tagged fields.
        buffer.extend_from_slice(&[0; 3]);
    } else {
        head.put_i16(-1);
        head.put_i16(ACKS_ALL);
        head.put_i32(timeout_ms);
        head.put_i32(1);
        head.put_i16(i16::try_from(name.len()).ok()?);
        head.put_slice(name);
        head.put_i32(1);
        head.put_i32(target.partition);
        head.put_i32(i32::try_from(batch_bytes).ok()?);
    }
    let frame = buffer.get_mut(start.checked_sub(head.len())?..)?;
    let length = i32::try_from(frame.len() - LENGTH_BYTES).ok()?;
    head[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    frame[..head.len()].copy_from_slice(head);
    Some(frame)
}

/// Decodes a response; `None` if it lacks the partition.
pub fn decode(response: &Response, target: Target<'_>) -> Result<Option<Appended>, FieldError> {
    let version = response.version;
    let mut reader = response.reader();
    let mut appended = None;
    reader.array(|reader| {
        let topic = reader.string()?;
        reader.array(|reader| {
            let partition = reader.i32()?;
            let code = reader.i16()?;
            let base_offset = reader.i64()?;
            let _append_time = reader.i64()?;
            if version >= 5 {
                let _log_start = reader.i64()?;
            }
            let mut message = None;
            if version >= 8 {
                let refused = reader.array(|reader| {
                    let _index = reader.i32()?;
                    let reason = reader.nullable_string()?;
                    reader.tags()?;
                    Ok(reason)
                })?;
                let all = reader.nullable_string()?;
                // The first record that is refused says more than the message about the batch.
                message = refused.into_iter().flatten().next().or(all);
            }
            reader.tags()?;
            if topic == target.topic && partition == target.partition {
                appended = Some(Appended {
                    code,
                    base_offset,
                    message: message.map(str::to_owned),
                    throttle: Duration::ZERO,
                });
            }
            Ok(())
        })?;
        reader.tags()
    })?;
    let throttle = u64::try_from(reader.i32()?).unwrap_or_default();
    Ok(appended.map(|appended| Appended {
        throttle: Duration::from_millis(throttle),
        ..appended
    }))
}

fn put_compact_length(out: &mut Vec<u8>, length: usize) {
    put_unsigned_varint(length as u64 + 1, out);
}
