//! A broker for one topic whose log holds any bytes, also those that a real broker refuses.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::api_versions_response::{ApiVersion, ApiVersionsResponse};
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicResult, CreateTopicsResponse,
};
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction as WireAborted, FetchResponse, FetchableTopicResponse, PartitionData,
};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::produce_response::{
    PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{
    ApiKey, CreateTopicsRequest, FetchRequest, ListOffsetsRequest, MetadataRequest,
    OffsetForLeaderEpochRequest, ProduceRequest, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::broker::reader::tests::group::{self, Group, decoded, encoded};

/// Bytes that a response with a record exceeds.
const EMPTY_FETCH_BYTES: usize = 120;

/// How long a fetch without records waits.
const EMPTY_FETCH_WAIT: Duration = Duration::from_millis(20);

/// Topic of the dead letters.
const DEAD_LETTERS: &str = "readings.dead-letters";

/// Name of the topic.
pub const TOPIC: &str = "readings";

/// The log of the topic's one partition.
#[derive(Debug, Clone, Default)]
pub struct Log {
    pub topic_id: Option<Uuid>,
    pub leader_epoch: i32,
    /// First offset, last offset and bytes of each batch.
    pub batches: Vec<(i64, i64, Vec<u8>)>,
    pub start: i64,
    pub end: i64,
    /// End of what is committed; the log's end if it is `None`.
    pub last_stable: Option<i64>,
    /// Producers and first offsets.
    pub aborted: Vec<(i64, i64)>,
    /// Ends of earlier epochs.
    pub epoch_ends: BTreeMap<i32, i64>,
    /// Fetches that find nothing although there are records.
    pub empty_fetches: u32,
    /// Records of other topics, as they were sent.
    pub produced: Vec<Bytes>,
    /// Whether only the oldest fetch is answered, which names topics instead of their ids.
    pub oldest: bool,
    /// Error code of the next fetch.
    pub refuse: Option<ResponseError>,
    /// Groups that read the topic: all are one.
    pub group: Group,
}

/// A running broker. Connections are closed when it is dropped.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
    accepting: JoinHandle<()>,
}

impl Log {
    /// Appends a batch.
    pub fn append(&mut self, first: i64, last: i64, bytes: Vec<u8>) {
        self.batches.push((first, last, bytes));
        self.end = last + 1;
    }

    fn stable(&self, isolation_level: i8) -> i64 {
        match isolation_level {
            1 => self.last_stable.unwrap_or(self.end),
            _ => self.end,
        }
    }
}

impl StandIn {
    pub async fn start(log: Log) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(log));
        let shared = Arc::clone(&log);
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, address, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            log,
            accepting,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Answers requests until the client closes the connection.
async fn serve(mut stream: TcpStream, address: SocketAddr, log: Arc<Mutex<Log>>) {
    while let Ok(length) = stream.read_u32().await {
        let mut frame = vec![0; length as usize];
        if stream.read_exact(&mut frame).await.is_err() {
            return;
        }
        let mut frame = Bytes::from(frame);
        let key = i16::from_be_bytes([frame[0], frame[1]]);
        let version = i16::from_be_bytes([frame[2], frame[3]]);
        let key = ApiKey::try_from(key).unwrap();
        let header_version = key.request_header_version(version);
        let header = RequestHeader::decode(&mut frame, header_version).unwrap();
        let body = {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            answer(key, version, &mut frame, address, &mut log)
        };
        let nothing = key == ApiKey::Fetch && body.len() < EMPTY_FETCH_BYTES;
        if nothing {
            // As a broker does that has no record, but shorter.
            let _over = tokio::time::timeout(EMPTY_FETCH_WAIT, std::future::pending::<()>()).await;
        }
        let mut response = BytesMut::new();
        response.put_u32(0);
        ResponseHeader::default()
            .with_correlation_id(header.correlation_id)
            .encode(&mut response, key.response_header_version(version))
            .unwrap();
        response.extend_from_slice(&body);
        let length = u32::try_from(response.len() - 4).unwrap();
        response[..4].copy_from_slice(&length.to_be_bytes());
        if stream.write_all(&response).await.is_err() {
            return;
        }
    }
}

fn answer(
    key: ApiKey,
    version: i16,
    request: &mut Bytes,
    address: SocketAddr,
    log: &mut Log,
) -> Vec<u8> {
    if let Some(answer) = log.group.answer(key, version, request, address) {
        return answer;
    }
    match key {
        ApiKey::ApiVersions => encoded(&api_versions(log), version),
        ApiKey::Metadata => {
            let topics = decoded::<MetadataRequest>(request, version).topics;
            encoded(&metadata(topics, address, log, version), version)
        }
        ApiKey::ListOffsets => encoded(&list_offsets(&decoded(request, version), log), version),
        ApiKey::Fetch => encoded(&fetch(&decoded(request, version), log), version),
        ApiKey::OffsetForLeaderEpoch => {
            encoded(&epoch_end(&decoded(request, version), log), version)
        }
        ApiKey::CreateTopics => encoded(&create(decoded(request, version)), version),
        ApiKey::Produce => encoded(&produce(decoded(request, version), log), version),
        other => panic!("{other:?} is not answered"),
    }
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

fn api_versions(log: &Log) -> ApiVersionsResponse {
    let fetch = if log.oldest { 4 } else { 16 };
    let versions = [
        (ApiKey::Produce, 3, 8),
        (ApiKey::Fetch, 4, fetch),
        (ApiKey::ListOffsets, 1, 7),
        (ApiKey::Metadata, 0, 12),
        (ApiKey::ApiVersions, 0, 3),
        (ApiKey::CreateTopics, 2, 4),
        (ApiKey::OffsetForLeaderEpoch, 2, 4),
    ];
    let versions = versions.into_iter().chain(group::VERSIONS);
    let versions = versions.map(|(key, min, max)| {
        ApiVersion::default()
            .with_api_key(key as i16)
            .with_min_version(min)
            .with_max_version(max)
    });
    ApiVersionsResponse::default().with_api_keys(versions.collect())
}

fn metadata(
    requested: Option<Vec<MetadataRequestTopic>>,
    address: SocketAddr,
    log: &Log,
    version: i16,
) -> MetadataResponse {
    let requested: Vec<TopicName> = requested
        .into_iter()
        .flatten()
        .filter_map(|it| it.name)
        .collect();
    let broker = MetadataResponseBroker::default()
        .with_node_id(1.into())
        .with_host(StrBytes::from_string(address.ip().to_string()))
        .with_port(address.port().into());
    let topics = [TOPIC, DEAD_LETTERS].map(|topic| {
        let mut partition = MetadataResponsePartition::default()
            .with_leader_id(1.into())
            .with_replica_nodes(vec![1.into()])
            .with_isr_nodes(vec![1.into()]);
        if version >= 7 {
            partition = partition.with_leader_epoch(log.leader_epoch);
        }
        let mut found = MetadataResponseTopic::default()
            .with_name(Some(name(topic)))
            .with_partitions(vec![partition]);
        if version >= 10 {
            found = found.with_topic_id(log.topic_id.unwrap_or_default());
        }
        found
    });
    let wanted = |it: &MetadataResponseTopic| {
        requested.is_empty() || it.name.as_ref().is_some_and(|it| requested.contains(it))
    };
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_controller_id(1.into())
        .with_topics(topics.into_iter().filter(wanted).collect())
}

fn list_offsets(request: &ListOffsetsRequest, log: &Log) -> ListOffsetsResponse {
    let topic = &request.topics[0];
    let end = log.stable(request.isolation_level);
    let offset = match topic.partitions[0].timestamp {
        -2 => log.start,
        _ => end,
    };
    let partition = ListOffsetsPartitionResponse::default().with_offset(offset);
    let topic = ListOffsetsTopicResponse::default()
        .with_name(topic.name.clone())
        .with_partitions(vec![partition]);
    ListOffsetsResponse::default().with_topics(vec![topic])
}

fn fetch(request: &FetchRequest, log: &mut Log) -> FetchResponse {
    let topic = &request.topics[0];
    let offset = topic.partitions[0].fetch_offset;
    let end = log.stable(request.isolation_level);
    let mut records = Vec::new();
    if log.empty_fetches > 0 {
        log.empty_fetches -= 1;
    } else {
        let present = log.batches.iter();
        for (_, _, bytes) in present.filter(|(first, last, _)| *last >= offset && *first < end) {
            records.extend_from_slice(bytes);
        }
    }
    let mut code = log.refuse.take().map_or(0, |error| error.code());
    if !topic.topic_id.is_nil() && Some(topic.topic_id) != log.topic_id {
        code = ResponseError::UnknownTopicId.code();
    } else if offset < log.start || offset > log.end {
        code = ResponseError::OffsetOutOfRange.code();
    }
    if code != 0 {
        records.clear();
    }
    let aborted = log.aborted.iter().map(|(producer, first)| {
        WireAborted::default()
            .with_producer_id((*producer).into())
            .with_first_offset(*first)
    });
    let partition = PartitionData::default()
        .with_error_code(code)
        .with_high_watermark(log.end)
        .with_last_stable_offset(end)
        .with_log_start_offset(log.start)
        .with_aborted_transactions(Some(aborted.collect()))
        .with_records(Some(records.into()));
    let topic = FetchableTopicResponse::default()
        .with_topic(topic.topic.clone())
        .with_topic_id(topic.topic_id)
        .with_partitions(vec![partition]);
    FetchResponse::default().with_responses(vec![topic])
}

fn epoch_end(request: &OffsetForLeaderEpochRequest, log: &Log) -> OffsetForLeaderEpochResponse {
    let topic = &request.topics[0];
    let epoch = topic.partitions[0].leader_epoch;
    let end = match epoch {
        epoch if epoch == log.leader_epoch => log.end,
        epoch => log.epoch_ends.get(&epoch).copied().unwrap_or(-1),
    };
    let partition = EpochEndOffset::default()
        .with_leader_epoch(epoch)
        .with_end_offset(end);
    let topic = OffsetForLeaderTopicResult::default()
        .with_topic(topic.topic.clone())
        .with_partitions(vec![partition]);
    OffsetForLeaderEpochResponse::default().with_topics(vec![topic])
}

fn create(request: CreateTopicsRequest) -> CreateTopicsResponse {
    let topics = request.topics.into_iter();
    let topics = topics.map(|topic| CreatableTopicResult::default().with_name(topic.name));
    CreateTopicsResponse::default().with_topics(topics.collect())
}

fn produce(request: ProduceRequest, log: &mut Log) -> ProduceResponse {
    let topics = request.topic_data.into_iter().map(|topic| {
        let partitions = topic.partition_data.into_iter().map(|partition| {
            log.produced.extend(partition.records);
            PartitionProduceResponse::default().with_index(partition.index)
        });
        TopicProduceResponse::default()
            .with_name(topic.name)
            .with_partition_responses(partitions.collect())
    });
    ProduceResponse::default().with_responses(topics.collect())
}
