//! `DescribeProducers`: the producers that a partition remembers, with their open transactions.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_DescribeProducers>

use kafka_protocol::messages::describe_producers_response::{
    DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::{ProducerId, TopicName};

use crate::api::str_bytes::str_bytes;
use crate::api::topic_partitions::{TopicPartitions, topic_partitions};
use crate::cluster::{Cluster, TopicRef};
use crate::log::{Active, COORDINATOR_EPOCH};
use crate::partition::Partition;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub topics: Vec<TopicPartitions<'a>>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        let topics = reader.array(topic_partitions)?;
        reader.tags()?;
        Ok(Self { topics })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let topics = request.topics.iter().map(|(topic, indexes)| {
        let partitions = indexes.iter().map(|index| {
            let response = PartitionResponse::default().with_partition_index(*index);
            match cluster.partition(TopicRef::Name(topic), *index) {
                Ok(partition) => response
                    .with_error_message(None)
                    .with_active_producers(describe(&partition)),
                Err(error) => response
                    .with_error_code(error.code())
                    .with_error_message(None),
            }
        });
        TopicResponse::default()
            .with_name(TopicName(str_bytes(topic)))
            .with_partitions(partitions.collect())
    });
    reply.send(&DescribeProducersResponse::default().with_topics(topics.collect()))
}

fn describe(partition: &Partition) -> Vec<ProducerState> {
    let log = partition.log();
    let history = log.history();
    let state = |producer: Active| {
        let open_from = history.transactions.open_from(producer.id);
        ProducerState::default()
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(i32::from(producer.epoch))
            .with_last_sequence(producer.last_sequence)
            .with_last_timestamp(producer.last_timestamp)
            .with_coordinator_epoch(COORDINATOR_EPOCH)
            .with_current_txn_start_offset(open_from.unwrap_or(-1))
    };
    history.producers.list().into_iter().map(state).collect()
}
