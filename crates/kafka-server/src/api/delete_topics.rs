//! `DeleteTopics`: deletes topics and their records.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_DeleteTopics>

use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::delete_topics_response::{
    DeletableTopicResult, DeleteTopicsResponse,
};

use crate::api::str_bytes::str_bytes;
use crate::cluster::{Cluster, TopicRef};
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub topics: Vec<TopicRef<'a>>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        let topics = if version >= 6 {
            reader.array(|reader| {
                let name = reader.nullable_string()?;
                let id = reader.uuid()?;
                reader.tags()?;
                Ok(name.map_or(TopicRef::Id(id), TopicRef::Name))
            })?
        } else {
            reader.array(|reader| reader.string().map(TopicRef::Name))?
        };
        let _timeout_ms = reader.i32()?;
        reader.tags()?;
        Ok(Self { topics })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let delete = |wanted: TopicRef<'_>| {
        let topic = cluster.topic(wanted);
        let response = match (&topic, wanted) {
            (Ok(topic), _) => DeletableTopicResult::default()
                .with_name(Some(TopicName(str_bytes(topic.name()))))
                .with_topic_id(topic.id()),
            (Err(_), TopicRef::Name(name)) => {
                DeletableTopicResult::default().with_name(Some(TopicName(str_bytes(name))))
            }
            (Err(_), TopicRef::Id(id)) => DeletableTopicResult::default()
                .with_name(None)
                .with_topic_id(id),
        };
        match topic.and_then(|topic| cluster.delete_topic(&topic)) {
            Ok(()) => response,
            Err(error) => response.with_error_code(error.code()),
        }
    };
    let responses = request.topics.iter().copied().map(delete).collect();
    reply.send(&DeleteTopicsResponse::default().with_responses(responses))
}
