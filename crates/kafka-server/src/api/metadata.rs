//! `Metadata`: the address of the broker and the partitions of topics.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_Metadata>
//! - KIP-4 (null for all topics since version 1), KIP-516 (topic ids since version 10)

use std::collections::BTreeMap;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, TopicName};
use uuid::Uuid;

use crate::api::operations;
use crate::api::str_bytes::str_bytes;
use crate::cluster::{Cluster, NODE_ID, TopicRef};
use crate::log::LEADER_EPOCH;
use crate::reply::{Error, Reply};
use crate::topic::{Topic, check_name, is_internal};
use crate::wire::{self, Reader};

/// First version that may name topics by id.
const TOPIC_IDS_SINCE: i16 = 10;

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The requested topics; `None` for all.
    pub topics: Option<Vec<TopicRef<'a>>>,
    /// Whether unknown topics may be created.
    pub allow_auto_create: bool,
    /// Whether to list what the client may do with the cluster.
    pub cluster_operations: bool,
    /// Whether to list what the client may do with the topics.
    pub topic_operations: bool,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        let mut topics = reader.nullable_array(|reader| {
            let id = if version >= TOPIC_IDS_SINCE {
                reader.uuid()?
            } else {
                Uuid::nil()
            };
            let name = reader.nullable_string()?;
            reader.tags()?;
            Ok(name.map_or(TopicRef::Id(id), TopicRef::Name))
        })?;
        if version == 0 && topics.as_ref().is_some_and(Vec::is_empty) {
            topics = None;
        }
        let allow_auto_create = version < 4 || reader.bool()?;
        let cluster_operations = (8..=10).contains(&version) && reader.bool()?;
        let topic_operations = version >= 8 && reader.bool()?;
        reader.tags()?;
        Ok(Self {
            topics,
            allow_auto_create,
            cluster_operations,
            topic_operations,
        })
    }
}

/// Describes the broker and the topics; creates unknown topics if allowed.
pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let mut topics: Vec<MetadataResponseTopic> = match &request.topics {
        None => cluster
            .topics()
            .iter()
            .map(|topic| describe(topic))
            .collect(),
        Some(topics) => {
            // A repeated name is described once: it must not multiply the response.
            let mut wanted = topics.clone();
            wanted.sort_unstable();
            wanted.dedup();
            wanted
                .into_iter()
                .map(|topic| find_or_create(cluster, topic, request.allow_auto_create))
                .collect()
        }
    };
    if request.topic_operations {
        for topic in topics.iter_mut().filter(|topic| topic.error_code == 0) {
            topic.topic_authorized_operations = operations::TOPIC;
        }
    }
    let (host, port) = cluster.advertised();
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(NODE_ID))
        .with_host(str_bytes(host))
        .with_port(port);
    let response = MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(str_bytes(cluster.id())))
        .with_controller_id(BrokerId(NODE_ID))
        .with_cluster_authorized_operations(if request.cluster_operations {
            operations::CLUSTER
        } else {
            operations::NOT_ASKED
        })
        .with_topics(topics);
    reply.send(&response)
}

fn find_or_create(
    cluster: &Cluster,
    wanted: TopicRef<'_>,
    allow_auto_create: bool,
) -> MetadataResponseTopic {
    let mut found = cluster.topic(wanted);
    let allowed = allow_auto_create && cluster.settings().auto_create_topics;
    if let (Err(ResponseError::UnknownTopicOrPartition), TopicRef::Name(name)) = (&found, wanted) {
        if allowed && !is_internal(name) {
            found = cluster.create_topic(name, -1, BTreeMap::new());
        } else if let Err(invalid) = check_name(name) {
            // Clients retry for an unknown topic, but not for an invalid name.
            found = Err(invalid);
        }
        if let Err(ResponseError::TopicAlreadyExists) = found {
            found = cluster.topic(wanted);
        }
    }
    match found {
        Ok(topic) => describe(&topic),
        Err(error) => refuse(wanted, error),
    }
}

fn refuse(wanted: TopicRef<'_>, error: ResponseError) -> MetadataResponseTopic {
    let response = MetadataResponseTopic::default().with_error_code(error.code());
    match wanted {
        TopicRef::Name(name) => response.with_name(Some(TopicName(str_bytes(name)))),
        TopicRef::Id(id) => response.with_name(None).with_topic_id(id),
    }
}

fn describe(topic: &Topic) -> MetadataResponseTopic {
    let partition = |index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(NODE_ID))
            .with_leader_epoch(LEADER_EPOCH)
            .with_replica_nodes(vec![BrokerId(NODE_ID)])
            .with_isr_nodes(vec![BrokerId(NODE_ID)])
    };
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(str_bytes(topic.name()))))
        .with_topic_id(topic.id())
        .with_is_internal(is_internal(topic.name()))
        .with_partitions((0..topic.partition_count()).map(partition).collect())
}
