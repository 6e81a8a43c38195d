//! `OffsetForLeaderEpoch`: where an epoch ended; there is only one, and it has not.
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
use crate::log::LEADER_EPOCH;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

/// Epochs asked about.
#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// By topic.
    pub topics: Vec<(&'a str, Vec<Wanted>)>,
}

/// An epoch of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Which partition.
    pub partition: i32,
    /// The epoch that the client takes to be current, -1 for unknown.
    pub current_epoch: i32,
    /// The epoch asked about.
    pub epoch: i32,
}

impl<'a> Request<'a> {
    /// Decodes the body.
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

/// Tells the end of the log for the only epoch.
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
    if wanted.current_epoch > LEADER_EPOCH {
        return Err(ResponseError::UnknownLeaderEpoch);
    }
    Ok((wanted.epoch == LEADER_EPOCH).then(|| partition.offsets().next))
}
