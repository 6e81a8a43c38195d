//! `DescribeTopicPartitions`: the partitions of topics, page by page.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_DescribeTopicPartitions>
//! - KIP-966

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{BrokerId, TopicName};

use crate::api::operations;
use crate::api::str_bytes::str_bytes;
use crate::cluster::{Cluster, NODE_ID, TopicRef};
use crate::log::LEADER_EPOCH;
use crate::reply::{Error, Reply};
use crate::topic::{Topic, check_name, is_internal};
use crate::wire::{self, Reader};

/// Kafka's own limit on the partitions of one page.
const MAX_PAGE: i32 = 2_000;

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The requested topics; none for all.
    pub topics: Vec<&'a str>,
    /// Limit on the partitions of one page.
    pub limit: i32,
    /// Topic and partition that the page starts with.
    pub cursor: Option<(&'a str, i32)>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        let topics = reader.array(|reader| {
            let name = reader.string()?;
            reader.tags()?;
            Ok(name)
        })?;
        let limit = reader.i32()?;
        let cursor = if reader.i8()? < 0 {
            None
        } else {
            let cursor = (reader.string()?, reader.i32()?);
            reader.tags()?;
            Some(cursor)
        };
        reader.tags()?;
        Ok(Self {
            topics,
            limit,
            cursor,
        })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let known = cluster.topics();
    let mut names = request.topics.clone();
    if names.is_empty() {
        names = known.iter().map(|topic| topic.name()).collect();
    }
    names.sort_unstable();
    names.dedup();
    let (first_name, first_index) = request.cursor.unwrap_or_default();
    let mut left = request.limit.clamp(1, MAX_PAGE);
    let mut topics = Vec::new();
    let mut next = None;
    for name in names.into_iter().filter(|name| *name >= first_name) {
        let from = if name == first_name {
            first_index.max(0)
        } else {
            0
        };
        if left == 0 {
            next = Some(cursor(name, from));
            break;
        }
        let Ok(topic) = cluster.topic(TopicRef::Name(name)) else {
            topics.push(refuse(name));
            continue;
        };
        let count = topic.partition_count();
        let until = from.saturating_add(left).min(count);
        topics.push(describe(&topic, from..until));
        left = left.saturating_sub(until.saturating_sub(from).max(0));
        if until < count {
            next = Some(cursor(name, until));
            break;
        }
    }
    let response = DescribeTopicPartitionsResponse::default()
        .with_topics(topics)
        .with_next_cursor(next);
    reply.send(&response)
}

fn cursor(name: &str, partition: i32) -> Cursor {
    Cursor::default()
        .with_topic_name(TopicName(str_bytes(name)))
        .with_partition_index(partition)
}

fn refuse(name: &str) -> DescribeTopicPartitionsResponseTopic {
    let error = check_name(name).err();
    let error = error.unwrap_or(ResponseError::UnknownTopicOrPartition);
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(error.code())
        .with_name(Some(TopicName(str_bytes(name))))
}

fn describe(
    topic: &Topic,
    partitions: std::ops::Range<i32>,
) -> DescribeTopicPartitionsResponseTopic {
    let partition = |index| {
        DescribeTopicPartitionsResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(NODE_ID))
            .with_leader_epoch(LEADER_EPOCH)
            .with_replica_nodes(vec![BrokerId(NODE_ID)])
            .with_isr_nodes(vec![BrokerId(NODE_ID)])
            .with_eligible_leader_replicas(Some(Vec::new()))
            .with_last_known_elr(Some(Vec::new()))
    };
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(TopicName(str_bytes(topic.name()))))
        .with_topic_id(topic.id())
        .with_is_internal(is_internal(topic.name()))
        .with_partitions(partitions.map(partition).collect())
        .with_topic_authorized_operations(operations::TOPIC)
}
