//! `WriteTxnMarkers`: refused. Only brokers send it, and this cluster has one.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_WriteTxnMarkers>

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
    WriteTxnMarkersResponse,
};
use kafka_protocol::messages::{ProducerId, TopicName};

use crate::api::str_bytes::str_bytes;
use crate::api::topic_partitions::{TopicPartitions, topic_partitions};
use crate::cluster::Cluster;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Producers with the partitions of their transactions.
    pub markers: Vec<(i64, Topics<'a>)>,
}

/// Partitions by topic.
type Topics<'a> = Vec<TopicPartitions<'a>>;

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        let markers = reader.array(|reader| {
            let producer_id = reader.i64()?;
            let _producer_epoch = reader.i16()?;
            let _commits = reader.bool()?;
            let topics = reader.array(topic_partitions)?;
            let _coordinator_epoch = reader.i32()?;
            reader.tags()?;
            Ok((producer_id, topics))
        })?;
        reader.tags()?;
        Ok(Self { markers })
    }
}

pub fn answer(_cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let partition = |index: &i32| {
        WritableTxnMarkerPartitionResult::default()
            .with_partition_index(*index)
            .with_error_code(ResponseError::ClusterAuthorizationFailed.code())
    };
    let topic = |(name, indexes): &(&str, Vec<i32>)| {
        WritableTxnMarkerTopicResult::default()
            .with_name(TopicName(str_bytes(name)))
            .with_partitions(indexes.iter().map(partition).collect())
    };
    let markers = request.markers.iter().map(|(producer_id, topics)| {
        WritableTxnMarkerResult::default()
            .with_producer_id(ProducerId(*producer_id))
            .with_topics(topics.iter().map(topic).collect())
    });
    reply.send(&WriteTxnMarkersResponse::default().with_markers(markers.collect()))
}
