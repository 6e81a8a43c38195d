//! `Produce`: checks record batches and appends them as they are.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_Produce>
//! - KIP-467 (error messages since version 8), KIP-516 (topic ids since version 13)

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::produce_response::{
    PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};

use super::{NO_TRANSACTIONS, Refusal, str_bytes};
use crate::broker::embedded::batch;
use crate::broker::embedded::cluster::{Cluster, TopicRef};
use crate::broker::embedded::partition::Partition;
use crate::broker::embedded::reply::{Error, Reply};
use crate::broker::embedded::settings::Flush;
use crate::broker::embedded::topic::log_error_code;
use crate::broker::embedded::wire::{self, Reader};

const TOPIC_IDS_SINCE: i16 = 13;

/// Batches to be appended.
#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Set by transactional producers.
    pub transactional_id: Option<&'a str>,
    /// 0: no answer is expected; 1 and -1 are the same with one replica.
    pub acks: i16,
    /// By topic.
    pub topics: Vec<TopicData<'a>>,
}

/// Batches of one topic.
#[derive(Debug, PartialEq, Eq)]
pub struct TopicData<'a> {
    /// Which topic.
    pub topic: TopicRef<'a>,
    /// Partition and batch.
    pub partitions: Vec<(i32, Option<&'a [u8]>)>,
}

impl<'a> Request<'a> {
    /// Decodes the body.
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        let transactional_id = reader.nullable_string()?;
        let acks = reader.i16()?;
        let _timeout_ms = reader.i32()?;
        let topics = reader.array(|reader| {
            let topic = if version >= TOPIC_IDS_SINCE {
                TopicRef::Id(reader.uuid()?)
            } else {
                TopicRef::Name(reader.string()?)
            };
            let partitions = reader.array(|reader| {
                let partition = (reader.i32()?, reader.nullable_bytes()?);
                reader.tags()?;
                Ok(partition)
            })?;
            reader.tags()?;
            Ok(TopicData { topic, partitions })
        })?;
        reader.tags()?;
        Ok(Self {
            transactional_id,
            acks,
            topics,
        })
    }
}

/// A batch that was appended.
struct Appended {
    partition: Arc<Partition>,
    base_offset: i64,
    start_offset: i64,
}

/// Appends what can be appended and answers once that is as durable as the settings ask.
pub async fn answer(
    cluster: &Cluster,
    request: &Request<'_>,
    reply: Reply<'_>,
) -> Result<(), Error> {
    let mut responses = Vec::with_capacity(request.topics.len());
    for data in &request.topics {
        let mut partitions = Vec::with_capacity(data.partitions.len());
        for (index, records) in &data.partitions {
            let mut appended = append(cluster, request, data.topic, *index, *records);
            if cluster.settings().flush == Flush::EachProduce {
                appended = synced(appended).await;
            }
            partitions.push(describe(*index, appended));
        }
        let response = match data.topic {
            TopicRef::Name(name) => {
                TopicProduceResponse::default().with_name(TopicName(str_bytes(name)))
            }
            TopicRef::Id(id) => TopicProduceResponse::default().with_topic_id(id),
        };
        responses.push(response.with_partition_responses(partitions));
    }
    if request.acks == 0 {
        return Ok(());
    }
    reply.send(&ProduceResponse::default().with_responses(responses))
}

fn append(
    cluster: &Cluster,
    request: &Request<'_>,
    topic: TopicRef<'_>,
    index: i32,
    records: Option<&[u8]>,
) -> Result<Appended, Refusal> {
    if !(-1..=1).contains(&request.acks) {
        return Err(ResponseError::InvalidRequiredAcks.into());
    }
    let topic = cluster.topic(topic)?;
    let partition = topic.partition(index)?;
    let records = records.unwrap_or_default();
    if records.len() > topic.config().max_batch_bytes {
        return Err(ResponseError::MessageTooLarge.into());
    }
    let header = batch::check(records).map_err(refuse_batch)?;
    if header.control() {
        return Err(ResponseError::InvalidRecord.into());
    }
    if header.transactional() || request.transactional_id.is_some() {
        return Err(Refusal::new(
            ResponseError::InvalidTxnState,
            NO_TRANSACTIONS,
        ));
    }
    let base_offset = partition
        .append(&header, records)
        .map_err(|error| log_error_code(&error))?;
    let start_offset = partition.offsets().start;
    Ok(Appended {
        partition,
        base_offset,
        start_offset,
    })
}

async fn synced(appended: Result<Appended, Refusal>) -> Result<Appended, Refusal> {
    let appended = appended?;
    appended
        .partition
        .sync()
        .await
        .map_err(|error| log_error_code(&error))?;
    Ok(appended)
}

fn refuse_batch(error: batch::Error) -> Refusal {
    let code = match error {
        batch::Error::Checksum { .. } | batch::Error::Truncated { .. } => {
            ResponseError::CorruptMessage
        }
        batch::Error::Magic { .. } => ResponseError::UnsupportedForMessageFormat,
        batch::Error::Codec { .. } => ResponseError::UnsupportedCompressionType,
        batch::Error::Length { .. }
        | batch::Error::Trailing { .. }
        | batch::Error::Count { .. } => ResponseError::InvalidRecord,
    };
    Refusal::new(code, &error.to_string())
}

fn describe(index: i32, appended: Result<Appended, Refusal>) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default()
        .with_index(index)
        .with_log_append_time_ms(-1);
    match appended {
        Ok(appended) => response
            .with_base_offset(appended.base_offset)
            .with_log_start_offset(appended.start_offset),
        Err(refused) => response
            .with_base_offset(-1)
            .with_log_start_offset(-1)
            .with_error_code(refused.error.code())
            .with_error_message(refused.message.as_deref().map(str_bytes)),
    }
}
