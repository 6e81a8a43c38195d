//! `AddPartitionsToTxn`: permits a producer to write to partitions within its transaction.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_AddPartitionsToTxn>
//! - KIP-98; from version 4 on the request is for brokers

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResponse, AddPartitionsToTxnTopicResult,
};

use crate::api::fencing;
use crate::api::str_bytes::str_bytes;
use crate::api::topic_partitions::{TopicPartitions, topic_partitions};
use crate::cluster::{Cluster, TopicRef};
use crate::reply::{Error, Reply};
use crate::topic;
use crate::transactions::{Partitions, Producer};
use crate::wire::{self, Reader};

const FENCED_SINCE: i16 = 2;

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub transactional_id: &'a str,
    pub producer: Producer,
    pub topics: Vec<TopicPartitions<'a>>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        let transactional_id = reader.string()?;
        let producer = Producer::decode(reader)?;
        let topics = reader.array(topic_partitions)?;
        reader.tags()?;
        Ok(Self {
            transactional_id,
            producer,
            topics,
        })
    }
}

/// Adds all partitions, or none of them.
pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let version = reply.version();
    let mut partitions = Partitions::new();
    let mut unknown = false;
    for (topic, indexes) in &request.topics {
        for index in indexes {
            unknown |= find(cluster, topic, *index).is_err();
            let known = partitions.entry((*topic).to_owned()).or_default();
            known.insert(*index);
        }
    }
    let added = if unknown {
        Err(ResponseError::OperationNotAttempted)
    } else {
        cluster
            .transactions()
            .add_partitions(
                cluster,
                request.transactional_id,
                request.producer,
                &partitions,
            )
            .map_err(|error| fencing::known_since(error, FENCED_SINCE, version))
    };
    let topics = request.topics.iter().map(|(topic, indexes)| {
        let results = indexes.iter().map(|index| {
            let outcome = match added {
                Err(ResponseError::OperationNotAttempted) => {
                    let found = find(cluster, topic, *index);
                    found.and(Err(ResponseError::OperationNotAttempted))
                }
                outcome => outcome,
            };
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*index)
                .with_partition_error_code(outcome.err().map_or(0, |error| error.code()))
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(TopicName(str_bytes(topic)))
            .with_results_by_partition(results.collect())
    });
    let response =
        AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(topics.collect());
    reply.send(&response)
}

fn find(cluster: &Cluster, topic: &str, index: i32) -> Result<(), ResponseError> {
    if topic::is_internal(topic) {
        return Err(ResponseError::TopicAuthorizationFailed);
    }
    cluster.partition(TopicRef::Name(topic), index).map(|_| ())
}
