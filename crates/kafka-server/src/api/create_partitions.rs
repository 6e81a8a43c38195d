//! `CreatePartitions`: adds partitions to a topic.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_CreatePartitions>

use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::create_partitions_response::{
    CreatePartitionsResponse, CreatePartitionsTopicResult,
};

use crate::api::str_bytes::str_bytes;
use crate::cluster::{Cluster, TopicRef};
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Each topic with its new number of partitions.
    pub topics: Vec<(&'a str, i32)>,
    /// Check the request without applying it.
    pub validate_only: bool,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        let topics = reader.array(|reader| {
            let topic = (reader.string()?, reader.i32()?);
            // There is only one broker to assign.
            let _assignments = reader.nullable_array(|reader| {
                let brokers = reader.array(Reader::i32)?;
                reader.tags()?;
                Ok(brokers)
            })?;
            reader.tags()?;
            Ok(topic)
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
    let results = request.topics.iter().map(|(name, count)| {
        let grown = cluster
            .topic(TopicRef::Name(name))
            .and_then(|topic| cluster.grow_topic(&topic, *count, request.validate_only));
        let result = CreatePartitionsTopicResult::default().with_name(TopicName(str_bytes(name)));
        match grown {
            Ok(()) => result,
            Err(error) => result
                .with_error_code(error.code())
                .with_error_message(Some(str_bytes(&error.to_string()))),
        }
    });
    reply.send(&CreatePartitionsResponse::default().with_results(results.collect()))
}
