//! `DescribeQuorum`: the only broker is the only voter.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_DescribeQuorum>
//! - KIP-595

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_quorum_response::{
    DescribeQuorumResponse, Listener, Node, PartitionData, ReplicaState, TopicData,
};
use kafka_protocol::messages::{BrokerId, TopicName};

use crate::api::str_bytes::str_bytes;
use crate::cluster::{Cluster, NODE_ID};
use crate::log::LEADER_EPOCH;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

/// The only topic with a quorum.
const CLUSTER_METADATA: &str = "__cluster_metadata";

const NODES_SINCE: i16 = 2;

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub topics: Vec<(&'a str, Vec<i32>)>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        let topics = reader.array(|reader| {
            let name = reader.string()?;
            let partitions = reader.array(|reader| {
                let index = reader.i32()?;
                reader.tags()?;
                Ok(index)
            })?;
            reader.tags()?;
            Ok((name, partitions))
        })?;
        reader.tags()?;
        Ok(Self { topics })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let topics = request.topics.iter().map(|(name, partitions)| {
        let partitions = partitions.iter().map(|index| {
            let partition = PartitionData::default()
                .with_partition_index(*index)
                .with_error_message(None);
            if *name != CLUSTER_METADATA || *index != 0 {
                return partition.with_error_code(ResponseError::UnknownTopicOrPartition.code());
            }
            // There is no log of metadata: its end is not known.
            let voter = ReplicaState::default()
                .with_replica_id(BrokerId(NODE_ID))
                .with_log_end_offset(-1);
            partition
                .with_leader_id(BrokerId(NODE_ID))
                .with_leader_epoch(LEADER_EPOCH)
                .with_high_watermark(-1)
                .with_current_voters(vec![voter])
        });
        TopicData::default()
            .with_topic_name(TopicName(str_bytes(name)))
            .with_partitions(partitions.collect())
    });
    let mut response = DescribeQuorumResponse::default()
        .with_error_message(None)
        .with_topics(topics.collect());
    if reply.version() >= NODES_SINCE {
        let (host, port) = cluster.advertised();
        let listener = Listener::default()
            .with_name(str_bytes("CONTROLLER"))
            .with_host(str_bytes(host))
            .with_port(u16::try_from(port).unwrap_or(0));
        let node = Node::default()
            .with_node_id(BrokerId(NODE_ID))
            .with_listeners(vec![listener]);
        response = response.with_nodes(vec![node]);
    }
    reply.send(&response)
}
