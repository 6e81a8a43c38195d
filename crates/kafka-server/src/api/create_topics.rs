//! `CreateTopics`: creates topics.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_CreateTopics>
//! - KIP-464 (-1 for the broker's default number of partitions and replicas)

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicResult, CreateTopicsResponse,
};
use uuid::Uuid;

use crate::api::refusal::Refusal;
use crate::api::str_bytes::str_bytes;
use crate::cluster::Cluster;
use crate::config::{self, Overrides};
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub topics: Vec<NewTopic<'a>>,
    /// Check the request without applying it.
    pub validate_only: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub struct NewTopic<'a> {
    pub name: &'a str,
    /// Number of partitions; -1 for the default, or if `assignments` has them.
    pub partitions: i32,
    /// Number of replicas of each partition; -1 for the default.
    pub replication_factor: i16,
    /// Brokers by partition, if the client assigns them.
    pub assignments: Vec<(i32, Vec<i32>)>,
    pub configs: Vec<(&'a str, Option<&'a str>)>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        let topics = reader.array(NewTopic::decode)?;
        let _timeout_ms = reader.i32()?;
        let validate_only = reader.bool()?;
        reader.tags()?;
        Ok(Self {
            topics,
            validate_only,
        })
    }
}

impl<'a> NewTopic<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, wire::Error> {
        let topic = Self {
            name: reader.string()?,
            partitions: reader.i32()?,
            replication_factor: reader.i16()?,
            assignments: reader.array(|reader| {
                let assignment = (reader.i32()?, reader.array(Reader::i32)?);
                reader.tags()?;
                Ok(assignment)
            })?,
            configs: reader.array(|reader| {
                let config = (reader.string()?, reader.nullable_string()?);
                reader.tags()?;
                Ok(config)
            })?,
        };
        reader.tags()?;
        Ok(topic)
    }

    fn partitions(&self) -> Result<i32, Refusal> {
        if self.assignments.is_empty() {
            return match self.replication_factor {
                -1 | 1 => Ok(self.partitions),
                _ => Err(Refusal::new(
                    ResponseError::InvalidReplicationFactor,
                    "the replication factor must be 1: there is one broker",
                )),
            };
        }
        let mut indexes: Vec<i32> = self.assignments.iter().map(|(index, _)| *index).collect();
        indexes.sort_unstable();
        let consecutive = (0..)
            .zip(&indexes)
            .all(|(expected, index)| expected == *index);
        let on_one_broker = self
            .assignments
            .iter()
            .all(|(_, brokers)| brokers.len() == 1);
        if consecutive && on_one_broker {
            Ok(i32::try_from(indexes.len()).unwrap_or(i32::MAX))
        } else {
            Err(ResponseError::InvalidReplicaAssignment.into())
        }
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let create = |topic: &NewTopic<'_>| {
        let created = create(cluster, topic, request.validate_only);
        let result = CreatableTopicResult::default().with_name(TopicName(str_bytes(topic.name)));
        match created {
            Ok((id, partitions)) => result
                .with_topic_id(id)
                .with_num_partitions(partitions)
                .with_replication_factor(1)
                .with_configs(Some(Vec::new())),
            Err(refusal) => result
                .with_error_code(refusal.error.code())
                .with_error_message(refusal.message.as_deref().map(str_bytes))
                .with_num_partitions(-1)
                .with_replication_factor(-1),
        }
    };
    let results = request.topics.iter().map(create).collect();
    reply.send(&CreateTopicsResponse::default().with_topics(results))
}

fn create(
    cluster: &Cluster,
    topic: &NewTopic<'_>,
    validate_only: bool,
) -> Result<(Uuid, i32), Refusal> {
    let partitions = topic.partitions()?;
    let overrides: Overrides = topic
        .configs
        .iter()
        .filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.to_owned())))
        .collect();
    config::check(&overrides)?;
    if validate_only {
        let partitions = cluster.check_new_topic(topic.name, partitions)?;
        return Ok((Uuid::nil(), partitions));
    }
    let created = cluster.create_topic(topic.name, partitions, overrides)?;
    Ok((created.id(), created.partition_count()))
}
