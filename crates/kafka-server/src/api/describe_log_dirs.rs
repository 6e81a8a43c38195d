//! `DescribeLogDirs`: the size of each partition on disk.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_DescribeLogDirs>

use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};

use crate::api::str_bytes::str_bytes;
use crate::api::topic_partitions::{TopicPartitions, topic_partitions};
use crate::cluster::Cluster;
use crate::reply::{Error, Reply};
use crate::topic::Topic;
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Partitions by topic; `None` for all.
    pub topics: Option<Vec<TopicPartitions<'a>>>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        let topics = reader.nullable_array(topic_partitions)?;
        reader.tags()?;
        Ok(Self { topics })
    }

    fn wants(&self, topic: &str, partition: i32) -> bool {
        let Some(topics) = &self.topics else {
            return true;
        };
        let mut topics = topics.iter();
        topics.any(|(name, partitions)| *name == topic && partitions.contains(&partition))
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let describe = |topic: &Topic| {
        let partitions = (0..).zip(topic.partitions());
        let wanted = partitions.filter(|(index, _)| request.wants(topic.name(), *index));
        let described = wanted.map(|(index, partition)| {
            let bytes = partition.log().bytes();
            DescribeLogDirsPartition::default()
                .with_partition_index(index)
                .with_partition_size(i64::try_from(bytes).unwrap_or(i64::MAX))
        });
        DescribeLogDirsTopic::default()
            .with_name(TopicName(str_bytes(topic.name())))
            .with_partitions(described.collect())
    };
    let topics = cluster.topics().into_iter().map(|topic| describe(&topic));
    let result = DescribeLogDirsResult::default()
        .with_log_dir(str_bytes(&cluster.directory().to_string_lossy()))
        .with_topics(
            topics
                .filter(|topic| !topic.partitions.is_empty())
                .collect(),
        );
    reply.send(&DescribeLogDirsResponse::default().with_results(vec![result]))
}
