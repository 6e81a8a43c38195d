//! `Produce`: checks record batches and appends their bytes unchanged.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_Produce>
//! - KIP-467 (error messages since version 8), KIP-516 (topic ids since version 13)

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::produce_response::{
    PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};

use crate::api::client::Client;
use crate::api::next::Next;
use crate::api::refusal::{NO_TRANSACTIONS, Refusal};
use crate::api::str_bytes::str_bytes;
use crate::batch::{self, Header};
use crate::cluster::{Cluster, TopicRef};
use crate::faults::{FaultDecision, Moment, inject};
use crate::reply::{Error, Reply};
use crate::topic::{Topic, log_error_code};
use crate::wire::{self, Reader};

const TOPIC_IDS_SINCE: i16 = 13;

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Set by transactional producers.
    pub transactional_id: Option<&'a str>,
    /// 0: no response is expected; 1 and -1 are the same with one replica.
    pub acks: i16,
    pub topics: Vec<TopicData<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct TopicData<'a> {
    pub topic: TopicRef<'a>,
    /// Each partition with its batch.
    pub partitions: Vec<(i32, Option<&'a [u8]>)>,
}

impl<'a> Request<'a> {
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

struct Appended {
    base_offset: i64,
    start_offset: i64,
}

/// Why a batch was not acknowledged.
enum Failed {
    /// Respond with an error.
    Refused(Refusal),
    /// Close the connection.
    Cut,
}

impl<R: Into<Refusal>> From<R> for Failed {
    fn from(refusal: R) -> Self {
        Self::Refused(refusal.into())
    }
}

/// Appends batch by batch; a refused batch does not affect the others.
pub async fn answer(
    cluster: &Cluster,
    request: &Request<'_>,
    reply: Reply<'_>,
    client: Client<'_>,
) -> Result<Next, Error> {
    let mut responses = Vec::with_capacity(request.topics.len());
    for data in &request.topics {
        let topic = cluster.topic(data.topic);
        let mut partitions = Vec::with_capacity(data.partitions.len());
        for (index, records) in &data.partitions {
            let records = records.unwrap_or_default();
            let appended = match &topic {
                Ok(topic) => append(cluster, request, client, topic, *index, records).await,
                Err(error) => Err((*error).into()),
            };
            match appended {
                Ok(appended) => partitions.push(describe(*index, &appended)),
                Err(Failed::Refused(refusal)) => partitions.push(refuse(*index, &refusal)),
                Err(Failed::Cut) => return Ok(Next::Close),
            }
        }
        let response = match data.topic {
            TopicRef::Name(name) => {
                TopicProduceResponse::default().with_name(TopicName(str_bytes(name)))
            }
            TopicRef::Id(id) => TopicProduceResponse::default().with_topic_id(id),
        };
        responses.push(response.with_partition_responses(partitions));
    }
    if request.acks != 0 {
        reply.send(&ProduceResponse::default().with_responses(responses))?;
    }
    Ok(Next::KeepOpen)
}

async fn append(
    cluster: &Cluster,
    request: &Request<'_>,
    client: Client<'_>,
    topic: &Topic,
    index: i32,
    records: &[u8],
) -> Result<Appended, Failed> {
    let header = check(request, topic, records)?;
    let partition = topic.partition(index)?;
    let moment = Moment::BeforeAppend {
        topic: topic.name(),
        partition: index,
    };
    obey(inject(cluster.faults(), moment, client.interrupted).await)?;
    let base_offset = partition
        .append(&header, records)
        .map_err(|error| log_error_code(&error))?;
    let moment = Moment::AfterAppend {
        topic: topic.name(),
        partition: index,
    };
    obey(inject(cluster.faults(), moment, client.interrupted).await)?;
    Ok(Appended {
        base_offset,
        start_offset: partition.offsets().start,
    })
}

/// Checks everything that does not depend on the partition.
fn check(request: &Request<'_>, topic: &Topic, records: &[u8]) -> Result<Header, Refusal> {
    if !(-1..=1).contains(&request.acks) {
        return Err(ResponseError::InvalidRequiredAcks.into());
    }
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
    Ok(header)
}

fn obey(decision: FaultDecision) -> Result<(), Failed> {
    match decision {
        FaultDecision::None => Ok(()),
        FaultDecision::Cut => Err(Failed::Cut),
        FaultDecision::Refuse(code) => Err(ResponseError::try_from_code(code)
            .unwrap_or(ResponseError::UnknownServerError)
            .into()),
        FaultDecision::FailWrite => Err(ResponseError::KafkaStorageError.into()),
    }
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

fn describe(index: i32, appended: &Appended) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(index)
        .with_log_append_time_ms(-1)
        .with_base_offset(appended.base_offset)
        .with_log_start_offset(appended.start_offset)
}

fn refuse(index: i32, refusal: &Refusal) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(index)
        .with_log_append_time_ms(-1)
        .with_base_offset(-1)
        .with_log_start_offset(-1)
        .with_error_code(refusal.error.code())
        .with_error_message(refusal.message.as_deref().map(str_bytes))
}
