//! The response of [`fetch`](crate::api::fetch): fields are encoded here, batches are read in place.

use std::io;

use bytes::{BufMut, BytesMut};
use kafka_protocol::error::ResponseError;
use tracing::warn;

use crate::cluster::TopicRef;
use crate::log::{Aborted, Slice};
use crate::partition::{Found, Offsets};
use crate::reply::Reply;
use crate::varint::put_unsigned_varint;

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
                put_unsigned_varint(name.len() as u64 + 1, output);
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
                self.partition_head(output, finding.partition, Ok(found));
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
        found: Result<&Found, ResponseError>,
    ) {
        let (error, offsets, aborted) = match found {
            Ok(found) => (0, found.offsets, found.aborted.as_deref()),
            Err(error) => {
                let unknown = Offsets {
                    start: -1,
                    next: -1,
                    stable: -1,
                };
                (error.code(), unknown, None)
            }
        };
        output.put_i32(partition);
        output.put_i16(error);
        output.put_i64(offsets.next);
        output.put_i64(offsets.stable);
        if self.version >= 5 {
            output.put_i64(offsets.start);
        }
        self.aborted(output, aborted);
        if self.version >= 11 {
            output.put_i32(NO_REPLICA);
        }
    }

    /// Writes the aborted transactions; null unless only committed records are read.
    fn aborted(self, output: &mut BytesMut, aborted: Option<&[Aborted]>) {
        let Some(aborted) = aborted else {
            return self.null(output);
        };
        self.length(output, aborted.len());
        for transaction in aborted {
            output.put_i64(transaction.producer_id);
            output.put_i64(transaction.first);
            self.no_tags(output);
        }
    }

    /// Writes the length of a byte field or an array that is null.
    fn null(self, output: &mut BytesMut) {
        if self.flexible {
            output.put_u8(0);
        } else {
            output.put_i32(-1);
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
            match error.kind() {
                io::ErrorKind::InvalidData => ResponseError::CorruptMessage,
                _ => ResponseError::KafkaStorageError,
            }
        })
    }

    /// Writes the length of a byte field or an array.
    fn length(self, output: &mut BytesMut, length: usize) {
        if self.flexible {
            put_unsigned_varint(length as u64 + 1, output);
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
