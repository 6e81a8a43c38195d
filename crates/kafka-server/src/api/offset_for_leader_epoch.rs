//! `OffsetForLeaderEpoch`: the end offset of an epoch, which is the end of the log: there is only one.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_OffsetForLeaderEpoch>
//! - KIP-320

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};

use crate::api::str_bytes::str_bytes;
use crate::cluster::{Cluster, TopicRef};
use crate::log::{LEADER_EPOCH, check_epoch};
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub topics: Vec<(&'a str, Vec<Wanted>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub partition: i32,
    /// Current epoch as far as the client knows; -1 if unknown.
    pub current_epoch: i32,
    /// Epoch whose end offset is requested.
    pub epoch: i32,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        if version >= 3 {
            let _replica_id = reader.i32()?;
        }
        let topics = reader.array(|reader| {
            let name = reader.string()?;
            let partitions = reader.array(|reader| {
                let wanted = Wanted {
                    partition: reader.i32()?,
                    current_epoch: reader.i32()?,
                    epoch: reader.i32()?,
                };
                reader.tags()?;
                Ok(wanted)
            })?;
            reader.tags()?;
            Ok((name, partitions))
        })?;
        reader.tags()?;
        Ok(Self { topics })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let topics = request.topics.iter().map(|(name, partitions)| {
        let partitions = partitions.iter().map(|wanted| {
            let response = EpochEndOffset::default().with_partition(wanted.partition);
            match find(cluster, name, *wanted) {
                Ok(Some(offset)) => response
                    .with_leader_epoch(LEADER_EPOCH)
                    .with_end_offset(offset),
                Ok(None) => response,
                Err(error) => response.with_error_code(error.code()),
            }
        });
        OffsetForLeaderTopicResult::default()
            .with_topic(TopicName(str_bytes(name)))
            .with_partitions(partitions.collect())
    });
    let response = OffsetForLeaderEpochResponse::default().with_topics(topics.collect());
    reply.send(&response)
}

fn find(cluster: &Cluster, topic: &str, wanted: Wanted) -> Result<Option<i64>, ResponseError> {
    let partition = cluster.partition(TopicRef::Name(topic), wanted.partition)?;
    check_epoch(wanted.current_epoch)?;
    Ok((wanted.epoch == LEADER_EPOCH).then(|| partition.offsets().next))
}
