//! `ElectLeaders`: never needed, because the only broker leads every partition.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_ElectLeaders>
//! - KIP-460

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::elect_leaders_response::{
    ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
};

use crate::api::str_bytes::str_bytes;
use crate::api::topic_partitions::{TopicPartitions, topic_partitions};
use crate::cluster::{Cluster, TopicRef};
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Partitions by topic; `None` for all that need an election.
    pub topics: Option<Vec<TopicPartitions<'a>>>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        if version >= 1 {
            let _election_type = reader.i8()?;
        }
        let topics = reader.nullable_array(topic_partitions)?;
        let _timeout_ms = reader.i32()?;
        reader.tags()?;
        Ok(Self { topics })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let topics = request.topics.iter().flatten();
    let results = topics.map(|(name, partitions)| {
        let results = partitions.iter().map(|index| {
            let error = match cluster.partition(TopicRef::Name(name), *index) {
                Ok(_) => ResponseError::ElectionNotNeeded,
                Err(error) => error,
            };
            PartitionResult::default()
                .with_partition_id(*index)
                .with_error_code(error.code())
                .with_error_message(Some(str_bytes(&error.to_string())))
        });
        ReplicaElectionResult::default()
            .with_topic(TopicName(str_bytes(name)))
            .with_partition_result(results.collect())
    });
    reply.send(&ElectLeadersResponse::default().with_replica_election_results(results.collect()))
}
