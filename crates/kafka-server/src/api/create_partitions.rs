//! `CreatePartitions`: adds partitions to a topic.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_CreatePartitions>

use std::collections::BTreeMap;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::create_partitions_response::{
    CreatePartitionsResponse, CreatePartitionsTopicResult,
};

use crate::api::refusal::Refusal;
use crate::api::resource::check_assignment;
use crate::api::str_bytes::str_bytes;
use crate::cluster::{Cluster, TopicRef};
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub topics: Vec<Growth<'a>>,
    /// Check the request without applying it.
    pub validate_only: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Growth<'a> {
    pub name: &'a str,
    /// The new number of partitions.
    pub count: i32,
    /// Brokers of each new partition, if the client assigns them.
    pub assignments: Option<Vec<Vec<i32>>>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        let topics = reader.array(|reader| {
            let (name, count) = (reader.string()?, reader.i32()?);
            let assignments = reader.nullable_array(|reader| {
                let brokers = reader.array(Reader::i32)?;
                reader.tags()?;
                Ok(brokers)
            })?;
            reader.tags()?;
            Ok(Growth {
                name,
                count,
                assignments,
            })
        })?;
        let _timeout_ms = reader.i32()?;
        let validate_only = reader.bool()?;
        reader.tags()?;
        Ok(Self {
            topics,
            validate_only,
        })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for growth in &request.topics {
        *times.entry(growth.name).or_default() += 1;
    }
    let results = request.topics.iter().filter_map(|growth| {
        let grown = match times.remove(growth.name)? {
            1 => grow(cluster, growth, request.validate_only),
            _ => Err(Refusal::new(
                ResponseError::InvalidRequest,
                "Duplicate topic name.",
            )),
        };
        let name = TopicName(str_bytes(growth.name));
        let result = CreatePartitionsTopicResult::default().with_name(name);
        Some(match grown {
            Ok(()) => result.with_error_message(None),
            Err(refusal) => result
                .with_error_code(refusal.error.code())
                .with_error_message(Some(str_bytes(&refusal.text()))),
        })
    });
    reply.send(&CreatePartitionsResponse::default().with_results(results.collect()))
}

fn grow(cluster: &Cluster, growth: &Growth<'_>, validate_only: bool) -> Result<(), Refusal> {
    let topic = cluster.topic(TopicRef::Name(growth.name))?;
    let present = topic.partition_count();
    if growth.count <= present {
        let message = format!("the topic has {present} partitions already");
        return Err(Refusal::new(ResponseError::InvalidPartitions, &message));
    }
    if let Some(assignments) = &growth.assignments {
        let added = usize::try_from(growth.count.saturating_sub(present));
        if added != Ok(assignments.len()) {
            return Err(Refusal::new(
                ResponseError::InvalidReplicaAssignment,
                "the number of assignments is not the number of new partitions",
            ));
        }
        let mut assignments = assignments.iter();
        assignments.try_for_each(|brokers| check_assignment(brokers))?;
    }
    Ok(cluster.grow_topic(&topic, growth.count, validate_only)?)
}
