//! `OffsetDelete`: deletes committed offsets of topics that a group no longer reads.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_OffsetDelete>
//! - KIP-496

use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

use crate::api::str_bytes::str_bytes;
use crate::cluster::{Cluster, TopicRef};
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub group: &'a str,
    pub topics: Vec<(&'a str, Vec<i32>)>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        Ok(Self {
            group: reader.string()?,
            topics: reader.array(|reader| Ok((reader.string()?, reader.array(Reader::i32)?)))?,
        })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let wanted = request.topics.iter();
    let partitions: Vec<(&str, i32)> = wanted
        .flat_map(|(topic, partitions)| partitions.iter().map(move |index| (*topic, *index)))
        .collect();
    let results = match cluster.groups().delete_offsets(request.group, &partitions) {
        Ok(results) => results,
        Err(error) => {
            let response = OffsetDeleteResponse::default().with_error_code(error.code());
            return reply.send(&response);
        }
    };
    let mut results = results.into_iter();
    let topics = request.topics.iter().map(|(topic, partitions)| {
        let partitions = partitions
            .iter()
            .zip(results.by_ref())
            .map(|(index, result)| {
                let known = cluster.partition(TopicRef::Name(topic), *index).map(drop);
                let result = known.and(result);
                OffsetDeleteResponsePartition::default()
                    .with_partition_index(*index)
                    .with_error_code(result.err().map_or(0, |error| error.code()))
            });
        OffsetDeleteResponseTopic::default()
            .with_name(TopicName(str_bytes(topic)))
            .with_partitions(partitions.collect())
    });
    reply.send(&OffsetDeleteResponse::default().with_topics(topics.collect()))
}
