//! `CreateTopics`: creates topics.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_CreateTopics>
//! - KIP-464 (-1 for the broker's default number of partitions and replicas)

use std::collections::BTreeMap;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult, CreateTopicsResponse,
};
use uuid::Uuid;

use crate::api::describe_configs::{SOURCE_TOPIC, default_of};
use crate::api::refusal::Refusal;
use crate::api::resource::check_assignment;
use crate::api::str_bytes::str_bytes;
use crate::cluster::Cluster;
use crate::config::{self, Overrides};
use crate::reply::{Error, Reply};
use crate::topic::is_internal;
use crate::wire::{self, Reader};

const CONFIGS_SINCE: i16 = 5;

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
        if self.replication_factor != -1 || self.partitions != -1 {
            return Err(Refusal::new(
                ResponseError::InvalidRequest,
                "with assignments, the number of partitions and the replication factor must be -1",
            ));
        }
        let mut indexes: Vec<i32> = self.assignments.iter().map(|(index, _)| *index).collect();
        indexes.sort_unstable();
        let consecutive = (0..)
            .zip(&indexes)
            .all(|(expected, index)| expected == *index);
        if !consecutive {
            return Err(Refusal::new(
                ResponseError::InvalidReplicaAssignment,
                "the assigned partitions must be 0, 1, 2 and so on, each once",
            ));
        }
        let mut assignments = self.assignments.iter();
        assignments.try_for_each(|(_, brokers)| check_assignment(brokers))?;
        Ok(i32::try_from(indexes.len()).unwrap_or(i32::MAX))
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let with_configs = reply.version() >= CONFIGS_SINCE;
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for topic in &request.topics {
        *times.entry(topic.name).or_default() += 1;
    }
    let create = |topic: &NewTopic<'_>| {
        let created = match times.remove(topic.name) {
            Some(1) => create(cluster, topic, request.validate_only),
            Some(_) => Err(Refusal::new(
                ResponseError::InvalidRequest,
                "Duplicate topic name.",
            )),
            None => return None,
        };
        let result = CreatableTopicResult::default().with_name(TopicName(str_bytes(topic.name)));
        Some(match created {
            Ok(created) => result
                .with_error_message(None)
                .with_topic_id(created.id)
                .with_num_partitions(created.partitions)
                .with_replication_factor(1)
                .with_configs(Some(if with_configs {
                    describe(cluster, &created.overrides)
                } else {
                    Vec::new()
                })),
            Err(refusal) => result
                .with_error_code(refusal.error.code())
                .with_error_message(Some(str_bytes(&refusal.text())))
                .with_num_partitions(-1)
                .with_replication_factor(-1),
        })
    };
    let results = request.topics.iter().filter_map(create).collect();
    reply.send(&CreateTopicsResponse::default().with_topics(results))
}

fn describe(cluster: &Cluster, overrides: &Overrides) -> Vec<CreatableTopicConfigs> {
    let broker = cluster.broker_config();
    let setting = |known: &config::Known| {
        let (value, source) = match overrides.get(known.name) {
            Some(value) => (value.clone(), SOURCE_TOPIC),
            None => default_of(&broker, known, cluster.settings()),
        };
        CreatableTopicConfigs::default()
            .with_name(str_bytes(known.name))
            .with_value(Some(str_bytes(&value)))
            .with_config_source(source)
    };
    config::all().iter().map(setting).collect()
}

/// A topic that was created, or could be.
struct Created {
    /// Nil if the topic was only checked.
    id: Uuid,
    partitions: i32,
    overrides: Overrides,
}

fn create(
    cluster: &Cluster,
    topic: &NewTopic<'_>,
    validate_only: bool,
) -> Result<Created, Refusal> {
    if is_internal(topic.name) {
        return Err(Refusal::new(
            ResponseError::InvalidRequest,
            "internal topics cannot be created: this broker keeps its groups elsewhere",
        ));
    }
    let partitions = topic.partitions()?;
    let mut overrides = Overrides::new();
    for (name, value) in &topic.configs {
        let value = value.ok_or_else(|| {
            let message = format!("`{name}` has no value");
            Refusal::new(ResponseError::InvalidConfig, &message)
        })?;
        overrides.insert((*name).to_owned(), value.to_owned());
    }
    config::check(&overrides)?;
    if validate_only {
        let partitions = cluster.check_new_topic(topic.name, partitions)?;
        return Ok(Created {
            id: Uuid::nil(),
            partitions,
            overrides,
        });
    }
    let created = cluster.create_topic(topic.name, partitions, overrides)?;
    Ok(Created {
        id: created.id(),
        partitions: created.partition_count(),
        overrides: created.overrides(),
    })
}
