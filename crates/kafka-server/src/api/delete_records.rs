//! `DeleteRecords`: advances the start of a partition's log.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_DeleteRecords>

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsResponse, DeleteRecordsTopicResult,
};

use crate::api::str_bytes::str_bytes;
use crate::cluster::{Cluster, TopicRef};
use crate::reply::{Error, Reply};
use crate::topic::log_error_code;
use crate::wire::{self, Reader};

/// Offset that stands for the high watermark.
const HIGH_WATERMARK: i64 = -1;

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// By topic, each partition with its new start offset.
    pub topics: Vec<(&'a str, Vec<(i32, i64)>)>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        let topics = reader.array(|reader| {
            let name = reader.string()?;
            let partitions = reader.array(|reader| {
                let partition = (reader.i32()?, reader.i64()?);
                reader.tags()?;
                Ok(partition)
            })?;
            reader.tags()?;
            Ok((name, partitions))
        })?;
        let _timeout_ms = reader.i32()?;
        reader.tags()?;
        Ok(Self { topics })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let topics = request.topics.iter().map(|(name, partitions)| {
        let partitions = partitions.iter().map(|&(partition, offset)| {
            let result = DeleteRecordsPartitionResult::default().with_partition_index(partition);
            match delete(cluster, name, partition, offset) {
                Ok(start) => result.with_low_watermark(start),
                Err(error) => result.with_low_watermark(-1).with_error_code(error.code()),
            }
        });
        DeleteRecordsTopicResult::default()
            .with_name(TopicName(str_bytes(name)))
            .with_partitions(partitions.collect())
    });
    let response = DeleteRecordsResponse::default().with_topics(topics.collect());
    reply.send(&response)
}

fn delete(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<i64, ResponseError> {
    let partition = cluster.partition(TopicRef::Name(topic), partition)?;
    let mut log = partition.log();
    let offset = if offset == HIGH_WATERMARK {
        log.next_offset()
    } else {
        offset
    };
    if offset < 0 {
        return Err(ResponseError::OffsetOutOfRange);
    }
    log.advance_start(offset)
        .map_err(|error| log_error_code(&error))?;
    Ok(log.start_offset())
}
