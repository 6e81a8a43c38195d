//! `TxnOffsetCommit`: offsets of a group that a transaction commits.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_TxnOffsetCommit>
//! - KIP-447 (the member is named since version 3)

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};

use crate::api::offset_commit::{PartitionOffset, TopicOffsets, check_all};
use crate::api::str_bytes::str_bytes;
use crate::cluster::Cluster;
use crate::group::{Identity, Offsets};
use crate::reply::{Error, Reply};
use crate::transactions::Producer;
use crate::wire::{self, Reader};

const MEMBER_SINCE: i16 = 3;
const LEADER_EPOCH_SINCE: i16 = 2;

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub transactional_id: &'a str,
    pub group: &'a str,
    pub producer: Producer,
    /// Generation of the member; -1 if unknown.
    pub generation: i32,
    pub identity: Identity<'a>,
    pub topics: Vec<TopicOffsets<'a>>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        let transactional_id = reader.string()?;
        let group = reader.string()?;
        let producer = Producer::decode(reader)?;
        let (generation, member, instance) = if version >= MEMBER_SINCE {
            (reader.i32()?, reader.string()?, reader.nullable_string()?)
        } else {
            (-1, "", None)
        };
        let topics = PartitionOffset::decode_all(reader, version >= LEADER_EPOCH_SINCE)?;
        reader.tags()?;
        Ok(Self {
            transactional_id,
            group,
            producer,
            generation,
            identity: Identity { member, instance },
            topics,
        })
    }

    /// Adds the valid offsets to the transaction.
    fn add(&self, cluster: &Cluster, offsets: &Offsets) -> Result<(), ResponseError> {
        if self.group.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        let groups = cluster.groups();
        groups.check_transactional(self.group, self.identity, self.generation)?;
        let added = cluster.transactions().add_offsets(
            self.transactional_id,
            self.producer,
            self.group,
            offsets,
        );
        added.map_err(|error| match error {
            ResponseError::ProducerFenced => ResponseError::InvalidProducerEpoch,
            other => other,
        })
    }
}

/// Adds all valid offsets to the transaction, or none of them.
pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let mut valid = Offsets::default();
    let checks = check_all(cluster, &request.topics, |topic, partition, committed| {
        valid.commit(topic, partition, committed);
    });
    let failed = request.add(cluster, &valid).err();
    let topics = checks.into_iter().map(|(topic, outcomes)| {
        let partitions = outcomes.into_iter().map(|(partition, error)| {
            let code = failed.or(error).map_or(0, |error| error.code());
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition)
                .with_error_code(code)
        });
        TxnOffsetCommitResponseTopic::default()
            .with_name(TopicName(str_bytes(topic)))
            .with_partitions(partitions.collect())
    });
    reply.send(&TxnOffsetCommitResponse::default().with_topics(topics.collect()))
}
