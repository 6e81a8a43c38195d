//! `ListOffsets`: the earliest offset, the latest, or the first at or after a timestamp.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_ListOffsets>
//! - KIP-734 (-3: the highest timestamp), KIP-405 and KIP-1005 (-4, -5: tiered storage, which is not supported)

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};

use crate::api::str_bytes::str_bytes;
use crate::cluster::{Cluster, TopicRef};
use crate::log::{self, LEADER_EPOCH, Timed, check_epoch};
use crate::partition::Isolation;
use crate::reply::{Error, Reply};
use crate::topic::log_error_code;
use crate::wire::{self, Reader};

const LEADER_EPOCH_SINCE: i16 = 4;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub isolation: Isolation,
    pub topics: Vec<(&'a str, Vec<Wanted>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub partition: i32,
    /// Current epoch as far as the client knows; -1 if unknown.
    pub current_epoch: i32,
    /// Milliseconds since 1970, or one of the negative numbers above.
    pub timestamp: i64,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        let _replica_id = reader.i32()?;
        let level = if version >= 2 { reader.i8()? } else { 0 };
        let topics = reader.array(|reader| {
            let name = reader.string()?;
            let partitions = reader.array(|reader| Wanted::decode(reader, version))?;
            reader.tags()?;
            Ok((name, partitions))
        })?;
        if version >= 10 {
            let _timeout_ms = reader.i32()?;
        }
        reader.tags()?;
        Ok(Self {
            isolation: Isolation::from_level(level),
            topics,
        })
    }
}

impl Wanted {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, wire::Error> {
        let partition = reader.i32()?;
        let current_epoch = if version >= 4 { reader.i32()? } else { -1 };
        let timestamp = reader.i64()?;
        reader.tags()?;
        Ok(Self {
            partition,
            current_epoch,
            timestamp,
        })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let version = reply.version();
    let topics = request.topics.iter().map(|(name, partitions)| {
        let partitions = partitions.iter().map(|wanted| {
            let found = find(cluster, name, *wanted, request.isolation);
            describe(wanted.partition, found, version)
        });
        ListOffsetsTopicResponse::default()
            .with_name(TopicName(str_bytes(name)))
            .with_partitions(partitions.collect())
    });
    let response = ListOffsetsResponse::default().with_topics(topics.collect());
    reply.send(&response)
}

fn find(
    cluster: &Cluster,
    topic: &str,
    wanted: Wanted,
    isolation: Isolation,
) -> Result<Option<Timed>, ResponseError> {
    let partition = cluster.partition(TopicRef::Name(topic), wanted.partition)?;
    check_epoch(wanted.current_epoch)?;
    let offsets = partition.offsets();
    let untimed = |offset| {
        Ok(Some(Timed {
            offset,
            timestamp: -1,
        }))
    };
    let readable = |found: Result<Option<Timed>, log::Error>| match found {
        Ok(found) => Ok(found.filter(|timed| timed.offset < isolation.end(offsets))),
        Err(error) => Err(log_error_code(&error)),
    };
    match wanted.timestamp {
        LATEST => untimed(isolation.end(offsets)),
        EARLIEST | EARLIEST_LOCAL => untimed(offsets.start),
        LATEST_TIERED => Ok(None),
        MAX_TIMESTAMP => readable(partition.log().find_max_timestamp()),
        timestamp if timestamp >= 0 => readable(partition.log().find_timestamp(timestamp)),
        _ => Err(ResponseError::InvalidRequest),
    }
}

fn describe(
    partition: i32,
    found: Result<Option<Timed>, ResponseError>,
    version: i16,
) -> ListOffsetsPartitionResponse {
    let response = ListOffsetsPartitionResponse::default()
        .with_partition_index(partition)
        .with_timestamp(-1)
        .with_offset(-1);
    match found {
        Ok(Some(timed)) => {
            let response = response
                .with_timestamp(timed.timestamp)
                .with_offset(timed.offset);
            if version >= LEADER_EPOCH_SINCE {
                response.with_leader_epoch(LEADER_EPOCH)
            } else {
                response
            }
        }
        Ok(None) => response,
        Err(error) => response.with_error_code(error.code()),
    }
}
