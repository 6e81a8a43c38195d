//! `Produce`: checks record batches with their records and appends their bytes.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_Produce>
//! - KIP-467 (error messages since version 8), KIP-516 (topic ids since version 13)

use std::io;

use convoy_server_kit::unix_ms;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use tracing::warn;

use crate::api::client::Client;
use crate::api::next::Next;
use crate::api::refusal::Refusal;
use crate::api::str_bytes::str_bytes;
use crate::batch::{self, HEADER_BYTES, Header, NO_TIMESTAMP};
use crate::cluster::{Cluster, TopicRef};
use crate::config::{Timestamps, TopicConfig};
use crate::faults::{FaultDecision, Moment, inject};
use crate::records::{self, Demands, Reason, Refused};
use crate::reply::{Error, Reply};
use crate::topic::{Topic, log_error_code};
use crate::wire::{self, Reader};

const TOPIC_IDS_SINCE: i16 = 13;

/// `acks`: each replica in sync has the records.
const ALL: i16 = -1;

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
    /// -1 if the producer set the timestamps.
    log_append_time: i64,
    start_offset: i64,
}

/// Why a batch was not acknowledged.
enum Failed {
    /// Respond with an error.
    Refused(Refusal),
    /// Respond with an error, and with the errors of single records.
    Records(Refusal, Vec<BatchIndexAndErrorMessage>),
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
                Err(Failed::Records(refusal, records)) => {
                    partitions.push(refuse(*index, &refusal).with_record_errors(records));
                }
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
    let partition = topic.partition(index)?;
    let header = check(request, topic, records)?;
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
        log_append_time: if header.log_append_time() {
            header.max_timestamp
        } else {
            NO_TIMESTAMP
        },
        start_offset: partition.offsets().start,
    })
}

/// Checks a batch and its records, and returns the header to store.
fn check(request: &Request<'_>, topic: &Topic, bytes: &[u8]) -> Result<Header, Failed> {
    let config = topic.config();
    if !(-1..=1).contains(&request.acks) {
        return Err(ResponseError::InvalidRequiredAcks.into());
    }
    if request.acks == ALL && config.min_insync_replicas > 1 {
        return Err(Refusal::new(
            ResponseError::NotEnoughReplicas,
            "`min.insync.replicas` exceeds the one replica of the topic",
        )
        .into());
    }
    if bytes.len() > config.max_batch_bytes {
        return Err(ResponseError::MessageTooLarge.into());
    }
    let mut header = batch::check(bytes).map_err(refuse_batch)?;
    if header.control() {
        let message = "clients may not write control batches";
        return Err(Refusal::new(ResponseError::InvalidRecord, message).into());
    }
    if header.base_offset != 0 {
        let message = "the base offset of a new batch must be 0";
        return Err(Refusal::new(ResponseError::InvalidRecord, message).into());
    }
    if header.log_append_time() {
        let message = "a producer may not set the timestamp type to LogAppendTime";
        return Err(Refusal::new(ResponseError::InvalidTimestamp, message).into());
    }
    if header.transactional() && request.transactional_id.is_none() {
        let message = "a transactional batch needs a transactional id in its request";
        let code = ResponseError::TransactionalIdAuthorizationFailed;
        return Err(Refusal::new(code, message).into());
    }
    if header.producer_id >= 0 && header.base_sequence < 0 {
        let message = "a batch with a producer id needs a sequence number";
        return Err(Refusal::new(ResponseError::InvalidRecord, message).into());
    }
    let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
    let now = i64::try_from(unix_ms()).unwrap_or(i64::MAX);
    let highest = records::check(&header, body, &demands(&config, now));
    let highest = highest.map_err(|error| refuse_records(error, &config))?;
    if config.timestamps == Timestamps::LogAppend {
        header.set_log_append_time(now, body);
    } else if header.max_timestamp != highest {
        header.set_max_timestamp(highest, body);
    }
    Ok(header)
}

fn demands(config: &TopicConfig, now: i64) -> Demands {
    let timestamps = match config.timestamps {
        Timestamps::LogAppend => None,
        // Kafka also takes negative ones, which no client can read as a time.
        Timestamps::Create { before, after } => {
            let first = now.saturating_sub_unsigned(before).max(0);
            Some(first..=now.saturating_add_unsigned(after))
        }
    };
    Demands {
        key: config.compaction.is_some(),
        timestamps,
    }
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
        batch::Error::Checksum { .. } | batch::Error::Length { .. } => {
            ResponseError::CorruptMessage
        }
        batch::Error::Codec { .. } => ResponseError::UnsupportedCompressionType,
        batch::Error::Truncated { .. }
        | batch::Error::Magic { .. }
        | batch::Error::Trailing { .. }
        | batch::Error::Count { .. } => ResponseError::InvalidRecord,
    };
    Refusal::new(code, &error.to_string())
}

fn refuse_records(error: records::Error, config: &TopicConfig) -> Failed {
    let message = error.to_string();
    let (code, refused) = match error {
        records::Error::Decompress { source } if source.kind() == io::ErrorKind::Unsupported => {
            warn!("rejected a batch: {source}");
            let refusal = Refusal::new(
                ResponseError::UnsupportedCompressionType,
                &source.to_string(),
            );
            return Failed::Records(refusal, Vec::new());
        }
        records::Error::TooLarge => (ResponseError::MessageTooLarge, Vec::new()),
        records::Error::Decompress { .. }
        | records::Error::Field { .. }
        | records::Error::Trailing { .. } => (ResponseError::InvalidRecord, Vec::new()),
        records::Error::Refused { refused } => {
            let mistimed = |refused: &Refused| matches!(refused.reason, Reason::Timestamp(_));
            let code = if refused.iter().any(mistimed) {
                ResponseError::InvalidTimestamp
            } else {
                ResponseError::InvalidRecord
            };
            (code, refused)
        }
    };
    let records = refused
        .iter()
        .map(|refused| describe_refused(refused, config));
    Failed::Records(Refusal::new(code, &message), records.collect())
}

fn describe_refused(refused: &Refused, config: &TopicConfig) -> BatchIndexAndErrorMessage {
    let message = match (refused.reason, config.timestamps) {
        (Reason::MissingKey, _) => "a compacted topic does not accept records without a key".into(),
        (Reason::Timestamp(timestamp), Timestamps::Create { before, after }) => format!(
            "timestamp {timestamp} is more than {before} ms before or {after} ms after the broker's time"
        ),
        (Reason::Timestamp(timestamp), Timestamps::LogAppend) => format!("timestamp {timestamp}"),
    };
    BatchIndexAndErrorMessage::default()
        .with_batch_index(refused.index)
        .with_batch_index_error_message(Some(str_bytes(&message)))
}

fn describe(index: i32, appended: &Appended) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(index)
        .with_log_append_time_ms(appended.log_append_time)
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
