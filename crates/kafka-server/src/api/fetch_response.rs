//! The response of [`fetch`](crate::api::fetch): fields are encoded here, batches are read in place.

use bytes::{BufMut, BytesMut};
use kafka_protocol::error::ResponseError;
use tracing::warn;

use crate::cluster::TopicRef;
use crate::log::Slice;
use crate::partition::{Found, Offsets};
use crate::reply::Reply;

/// First version with compact lengths and tagged fields.
const FLEXIBLE_SINCE: i16 = 12;

/// Clients read from the leader.
const NO_REPLICA: i32 = -1;

/// Results of a fetch, in the order of its partitions.
#[derive(Debug)]
pub struct Findings<'a> {
    pub topics: Vec<(TopicRef<'a>, Vec<Finding>)>,
    /// Total bytes of batches.
    pub bytes: usize,
    /// A partition cannot be read: the client is told without waiting.
    pub failed: bool,
}

/// Result for one partition.
#[derive(Debug)]
pub struct Finding {
    pub partition: i32,
    pub found: Result<Found, ResponseError>,
}

/// Writes the response to a fetch.
pub fn write(reply: Reply<'_>, findings: &Findings<'_>) {
    let fields = Fields::new(&reply);
    reply.send_with(fields.flexible, |output| {
        fields.head(output, 0);
        fields.length(output, findings.topics.len());
        for (topic, partitions) in &findings.topics {
            fields.topic(output, *topic);
            fields.length(output, partitions.len());
            for finding in partitions {
                fields.partition(output, finding);
            }
            fields.no_tags(output);
        }
        fields.no_tags(output);
    });
}

/// Writes a response that consists of one error.
pub fn refuse(reply: Reply<'_>, error: ResponseError) {
    let fields = Fields::new(&reply);
    reply.send_with(fields.flexible, |output| {
        fields.head(output, error.code());
        fields.length(output, 0);
        fields.no_tags(output);
    });
}

#[derive(Clone, Copy)]
struct Fields {
    version: i16,
    flexible: bool,
}

impl Fields {
    fn new(reply: &Reply<'_>) -> Self {
        let version = reply.version();
        Self {
            version,
            flexible: version >= FLEXIBLE_SINCE,
        }
    }

    fn head(self, output: &mut BytesMut, error: i16) {
        let throttle_time_ms = 0;
        output.put_i32(throttle_time_ms);
        if self.version >= 7 {
            let session_id = 0;
            output.put_i16(error);
            output.put_i32(session_id);
        }
    }

    fn topic(self, output: &mut BytesMut, topic: TopicRef<'_>) {
        match topic {
            TopicRef::Id(id) => output.put_slice(id.as_bytes()),
            TopicRef::Name(name) if self.flexible => {
                put_unsigned_varint(output, name.len() + 1);
                output.put_slice(name.as_bytes());
            }
            TopicRef::Name(name) => {
                output.put_u16(u16::try_from(name.len()).unwrap_or(0));
                output.put_slice(name.as_bytes());
            }
        }
    }

    fn partition(self, output: &mut BytesMut, finding: &Finding) {
        let start = output.len();
        let written = match &finding.found {
            Err(error) => Err(*error),
            Ok(found) => {
                self.partition_head(output, finding.partition, Ok(found.offsets));
                self.records(output, found.slice.as_ref())
            }
        };
        if let Err(error) = written {
            output.truncate(start);
            self.partition_head(output, finding.partition, Err(error));
            self.length(output, 0);
        }
        self.no_tags(output);
    }

    fn partition_head(
        self,
        output: &mut BytesMut,
        partition: i32,
        offsets: Result<Offsets, ResponseError>,
    ) {
        let (error, offsets) = match offsets {
            Ok(offsets) => (0, offsets),
            Err(error) => (
                error.code(),
                Offsets {
                    start: -1,
                    next: -1,
                },
            ),
        };
        let last_stable_offset = offsets.next;
        output.put_i32(partition);
        output.put_i16(error);
        output.put_i64(offsets.next);
        output.put_i64(last_stable_offset);
        if self.version >= 5 {
            output.put_i64(offsets.start);
        }
        let aborted_transactions = 0;
        self.length(output, aborted_transactions);
        if self.version >= 11 {
            output.put_i32(NO_REPLICA);
        }
    }

    fn records(self, output: &mut BytesMut, slice: Option<&Slice>) -> Result<(), ResponseError> {
        let bytes = slice.map_or(0, |slice| slice.bytes);
        self.length(output, bytes);
        let Some(slice) = slice else {
            return Ok(());
        };
        let from = output.len();
        output.resize(from + bytes, 0);
        slice.read(&mut output[from..]).map_err(|error| {
            warn!(%error, "failed to read a log");
            ResponseError::KafkaStorageError
        })
    }

    /// Writes the length of a byte field or an array.
    fn length(self, output: &mut BytesMut, length: usize) {
        if self.flexible {
            put_unsigned_varint(output, length + 1);
        } else {
            output.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        }
    }

    fn no_tags(self, output: &mut BytesMut) {
        if self.flexible {
            output.put_u8(0);
        }
    }
}

fn put_unsigned_varint(output: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        output.put_u8(low_bits(value) | 0x80);
        value >>= 7;
    }
    output.put_u8(low_bits(value));
}

fn low_bits(value: usize) -> u8 {
    u8::try_from(value & 0x7f).unwrap_or(0)
}
