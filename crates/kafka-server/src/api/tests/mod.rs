//! Decoders and responses against the encoders and decoders of `kafka-protocol`, in every version:
//! what one side writes, the other reads to the last byte.

mod groups;
mod hostile;
mod one_node;
mod produced;
mod topics;
mod transactions;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use convoy_server_kit::FrameMemory;
use kafka_protocol::messages::*; // every request and response type of the protocol
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use proptest::prelude::*;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::api::supported::{SUPPORTED, find};
use crate::api::{Client, Next, answer};
use crate::auth::Session;
use crate::batch::tests::{Producer, batch, batch_of_producer};
use crate::cluster::{Cluster, TopicRef};
use crate::memory::ResponseMemory;
use crate::records;
use crate::settings::Settings;

const CORRELATION_ID: i32 = 4_711;

struct Fixture {
    cluster: Cluster,
    directory: TempDir,
}

impl Fixture {
    /// Opens a cluster with one topic, `known`, of two partitions.
    fn new() -> Self {
        Self::with(Settings::default())
    }

    /// The same with other settings.
    fn with(settings: Settings) -> Self {
        let fixture = Self::open_with(tempfile::tempdir().unwrap(), settings);
        let created = fixture.cluster.create_topic("known", 2, BTreeMap::new());
        created.unwrap();
        fixture
    }

    fn open(directory: TempDir) -> Self {
        Self::open_with(directory, Settings::default())
    }

    fn open_with(directory: TempDir, settings: Settings) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9092));
        let path = directory.path().to_owned();
        let settings = Settings {
            group_join_delay: Duration::ZERO,
            ..settings
        };
        Self {
            cluster: Cluster::open(settings, path, address).unwrap(),
            directory,
        }
    }

    /// Opens the cluster again, as after a kill: nothing is flushed or told before.
    fn reopen(self) -> Self {
        let Self { cluster, directory } = self;
        drop(cluster);
        Self::open(directory)
    }

    fn topic_id(&self) -> Uuid {
        self.cluster.topic(TopicRef::Name("known")).unwrap().id()
    }

    /// Sends a request in one version and decodes the response in the same, to its last byte.
    fn call<R: Request>(&self, request: &R, version: i16) -> R::Response {
        let frame = encode(request, version);
        let mut output = BytesMut::new();
        self.answer(&frame, &mut output).unwrap();
        let mut response = output.freeze();
        assert_eq!(response.get_u32() as usize, response.len());
        let header_version = R::Response::header_version(version);
        let header = ResponseHeader::decode(&mut response, header_version).unwrap();
        assert_eq!(header.correlation_id, CORRELATION_ID);
        let decoded = R::Response::decode(&mut response, version).unwrap();
        assert!(!response.has_remaining(), "{} bytes left", response.len());
        decoded
    }

    fn answer(&self, frame: &[u8], output: &mut BytesMut) -> Result<Next, crate::api::Error> {
        // No call here is meant to wait.
        let interrupted = CancellationToken::new();
        interrupted.cancel();
        let mut session = Session::new(self.cluster.credentials());
        let response_memory = ResponseMemory::new(FrameMemory::new(1 << 30));
        let client = Client {
            id: "",
            address: another_address(),
            response_memory: &response_memory,
            interrupted: &interrupted,
        };
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(answer(&self.cluster, &mut session, frame, output, client))
    }
}

/// Returns an address that has no failed logins, so that no answer is delayed.
fn another_address() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    Ipv4Addr::from(NEXT.fetch_add(1, Ordering::Relaxed)).into()
}

/// Returns a batch of records with keys.
fn filled(records: i32, timestamp: i64) -> Vec<u8> {
    batch(records, timestamp, &records::tests::body(records))
}

fn encode<R: Request>(request: &R, version: i16) -> Bytes {
    let mut frame = BytesMut::new();
    RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(CORRELATION_ID)
        .with_client_id(Some(text("tests")))
        .encode(&mut frame, R::header_version(version))
        .unwrap();
    request.encode(&mut frame, version).unwrap();
    frame.freeze()
}

/// Sends an empty request in every version; checks only that the response can be decoded.
fn call_with_defaults<R: Request + Default>(fixture: &Fixture) {
    for version in versions::<R>() {
        fixture.call(&R::default(), version);
    }
}

#[test]
fn empty_requests_are_answered_in_every_version() {
    let fixture = Fixture::new();
    call_with_defaults::<AddOffsetsToTxnRequest>(&fixture);
    call_with_defaults::<AddPartitionsToTxnRequest>(&fixture);
    call_with_defaults::<AlterConfigsRequest>(&fixture);
    call_with_defaults::<CreateAclsRequest>(&fixture);
    call_with_defaults::<CreatePartitionsRequest>(&fixture);
    call_with_defaults::<CreateTopicsRequest>(&fixture);
    call_with_defaults::<DeleteAclsRequest>(&fixture);
    call_with_defaults::<DeleteGroupsRequest>(&fixture);
    call_with_defaults::<DeleteRecordsRequest>(&fixture);
    call_with_defaults::<DeleteTopicsRequest>(&fixture);
    call_with_defaults::<DescribeAclsRequest>(&fixture);
    call_with_defaults::<DescribeClientQuotasRequest>(&fixture);
    call_with_defaults::<DescribeClusterRequest>(&fixture);
    call_with_defaults::<DescribeConfigsRequest>(&fixture);
    call_with_defaults::<DescribeGroupsRequest>(&fixture);
    call_with_defaults::<DescribeLogDirsRequest>(&fixture);
    call_with_defaults::<DescribeProducersRequest>(&fixture);
    call_with_defaults::<DescribeQuorumRequest>(&fixture);
    call_with_defaults::<DescribeTopicPartitionsRequest>(&fixture);
    call_with_defaults::<DescribeTransactionsRequest>(&fixture);
    call_with_defaults::<DescribeUserScramCredentialsRequest>(&fixture);
    call_with_defaults::<ElectLeadersRequest>(&fixture);
    call_with_defaults::<ListPartitionReassignmentsRequest>(&fixture);
    call_with_defaults::<EndTxnRequest>(&fixture);
    call_with_defaults::<FetchRequest>(&fixture);
    call_with_defaults::<FindCoordinatorRequest>(&fixture);
    call_with_defaults::<HeartbeatRequest>(&fixture);
    call_with_defaults::<IncrementalAlterConfigsRequest>(&fixture);
    call_with_defaults::<InitProducerIdRequest>(&fixture);
    call_with_defaults::<JoinGroupRequest>(&fixture);
    call_with_defaults::<LeaveGroupRequest>(&fixture);
    call_with_defaults::<ListGroupsRequest>(&fixture);
    call_with_defaults::<ListOffsetsRequest>(&fixture);
    call_with_defaults::<ListTransactionsRequest>(&fixture);
    call_with_defaults::<MetadataRequest>(&fixture);
    call_with_defaults::<OffsetCommitRequest>(&fixture);
    call_with_defaults::<OffsetDeleteRequest>(&fixture);
    call_with_defaults::<OffsetFetchRequest>(&fixture);
    call_with_defaults::<OffsetForLeaderEpochRequest>(&fixture);
    call_with_defaults::<SyncGroupRequest>(&fixture);
    call_with_defaults::<TxnOffsetCommitRequest>(&fixture);
    call_with_defaults::<WriteTxnMarkersRequest>(&fixture);
}

fn versions<R: Request>() -> std::ops::RangeInclusive<i16> {
    let supported = find(R::KEY).unwrap();
    supported.min..=supported.max
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

#[test]
fn api_versions_are_the_same_in_every_version() {
    let fixture = Fixture::new();
    for version in versions::<ApiVersionsRequest>() {
        let mut request = ApiVersionsRequest::default();
        if version >= 3 {
            request = request.with_client_software_name(text("tests"));
        }
        let response = fixture.call(&request, version);
        assert_eq!(response.error_code, 0);
        assert_eq!(response.api_keys.len(), SUPPORTED.len());
    }
}

#[test]
fn metadata_lists_broker_and_partitions_in_every_version() {
    let fixture = Fixture::new();
    for version in versions::<MetadataRequest>() {
        let wanted =
            metadata_request::MetadataRequestTopic::default().with_name(Some(topic_name("known")));
        let request = MetadataRequest::default().with_topics(Some(vec![wanted]));
        let response = fixture.call(&request, version);
        assert_eq!(response.brokers[0].port, 9092);
        assert_eq!(response.topics[0].name, Some(topic_name("known")));
        assert_eq!(response.topics[0].partitions.len(), 2);
    }
}

#[test]
fn invalid_and_unknown_topic_names_are_different_errors() {
    let fixture = Fixture::new();
    let code = |name: &str, create: bool| {
        let wanted =
            metadata_request::MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![wanted]))
            .with_allow_auto_topic_creation(create);
        fixture.call(&request, 12).topics[0].error_code
    };
    assert_eq!(code("no such topic!", false), 17);
    assert_eq!(code("no such topic!", true), 17);
    assert_eq!(code("none", false), 3);
}

#[test]
fn metadata_without_topic_filter_lists_all_topics() {
    let fixture = Fixture::new();
    for version in versions::<MetadataRequest>() {
        let topics = if version == 0 { Some(Vec::new()) } else { None };
        let request = MetadataRequest::default().with_topics(topics);
        assert_eq!(fixture.call(&request, version).topics.len(), 1);
    }
}

#[test]
fn metadata_finds_topics_by_id() {
    let fixture = Fixture::new();
    let by_id = |id| {
        let wanted = metadata_request::MetadataRequestTopic::default()
            .with_name(None)
            .with_topic_id(id);
        let request = MetadataRequest::default().with_topics(Some(vec![wanted]));
        fixture.call(&request, 12).topics.remove(0)
    };
    assert_eq!(by_id(fixture.topic_id()).name, Some(topic_name("known")));
    assert_eq!(by_id(Uuid::from_u128(1)).error_code, 100);
}

#[test]
fn unknown_topics_are_created_only_if_allowed() {
    let fixture = Fixture::new();
    let ask = |allow| {
        let wanted =
            metadata_request::MetadataRequestTopic::default().with_name(Some(topic_name("fresh")));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![wanted]))
            .with_allow_auto_topic_creation(allow);
        fixture.call(&request, 9).topics.remove(0).error_code
    };
    assert_eq!(ask(false), 3);
    assert_eq!(ask(true), 0);
}

#[test]
fn topics_are_created_and_deleted_in_every_version() {
    let fixture = Fixture::new();
    for version in versions::<CreateTopicsRequest>() {
        let topic = create_topics_request::CreatableTopic::default()
            .with_name(topic_name("made"))
            .with_num_partitions(3)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        let created = fixture.call(&request, version).topics.remove(0);
        assert_eq!(created.error_code, 0);
        assert_eq!(fixture.call(&request, version).topics[0].error_code, 36);
        delete(&fixture, "made");
    }
    for version in versions::<DeleteTopicsRequest>() {
        fixture
            .cluster
            .create_topic("made", 1, BTreeMap::new())
            .unwrap();
        let request = if version >= 6 {
            let topic = delete_topics_request::DeleteTopicState::default()
                .with_name(Some(topic_name("made")));
            DeleteTopicsRequest::default().with_topics(vec![topic])
        } else {
            DeleteTopicsRequest::default().with_topic_names(vec![topic_name("made")])
        };
        assert_eq!(fixture.call(&request, version).responses[0].error_code, 0);
        assert_eq!(fixture.call(&request, version).responses[0].error_code, 3);
    }
}

fn delete(fixture: &Fixture, name: &str) {
    let topic = fixture.cluster.topic(TopicRef::Name(name)).unwrap();
    fixture.cluster.delete_topic(&topic).unwrap();
}

fn produce(fixture: &Fixture, version: i16, records: Vec<u8>) -> (i16, i64) {
    let partition = produce_request::PartitionProduceData::default()
        .with_index(1)
        .with_records(Some(Bytes::from(records)));
    let mut topic =
        produce_request::TopicProduceData::default().with_partition_data(vec![partition]);
    if version >= 13 {
        topic = topic.with_topic_id(fixture.topic_id());
    } else {
        topic = topic.with_name(topic_name("known"));
    }
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_topic_data(vec![topic]);
    let response = fixture.call(&request, version);
    let partition = &response.responses[0].partition_responses[0];
    assert_eq!(partition.index, 1);
    (partition.error_code, partition.base_offset)
}

fn fetch_request(fixture: &Fixture, version: i16, offset: i64) -> FetchRequest {
    let partition = fetch_request::FetchPartition::default()
        .with_partition(1)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(10_000);
    let mut topic = fetch_request::FetchTopic::default().with_partitions(vec![partition]);
    if version >= 13 {
        topic = topic.with_topic_id(fixture.topic_id());
    } else {
        topic = topic.with_topic(topic_name("known"));
    }
    FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_max_bytes(10_000)
        .with_topics(vec![topic])
}

#[test]
fn batches_are_appended_and_fetched_byte_for_byte_in_every_version() {
    let fixture = Fixture::new();
    let mut next = 0;
    for version in versions::<ProduceRequest>() {
        let produced = produce(&fixture, version, filled(2, 5));
        assert_eq!(produced, (0, next));
        next += 2;
    }
    for version in versions::<FetchRequest>() {
        let request = fetch_request(&fixture, version, next - 1);
        let response = fixture.call(&request, version);
        let partition = &response.responses[0].partitions[0];
        assert_eq!((partition.error_code, partition.high_watermark), (0, next));
        let mut expected = filled(2, 5);
        expected[..8].copy_from_slice(&(next - 2).to_be_bytes());
        expected[12..16].copy_from_slice(&0_i32.to_be_bytes());
        assert_eq!(partition.records.as_deref(), Some(&expected[..]));
    }
}

#[test]
fn fetch_outside_the_log_is_refused_in_every_version() {
    let fixture = Fixture::new();
    for version in versions::<FetchRequest>() {
        let response = fixture.call(&fetch_request(&fixture, version, 1), version);
        assert_eq!(response.responses[0].partitions[0].error_code, 1);
    }
}

#[test]
fn epochs_from_the_future_are_refused() {
    let fixture = Fixture::new();
    let code = |epoch| {
        let mut request = fetch_request(&fixture, 12, 0);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        let fetched = fixture.call(&request, 12).responses[0].partitions[0].error_code;
        let partition = list_offsets_request::ListOffsetsPartition::default()
            .with_partition_index(1)
            .with_current_leader_epoch(epoch)
            .with_timestamp(-1);
        let topic = list_offsets_request::ListOffsetsTopic::default()
            .with_name(topic_name("known"))
            .with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_topics(vec![topic]);
        let listed = fixture.call(&request, 6).topics[0].partitions[0].error_code;
        (fetched, listed)
    };
    assert_eq!(code(-1), (0, 0));
    assert_eq!(code(0), (0, 0));
    assert_eq!(code(1), (75, 75));
}

#[test]
fn fetch_sessions_are_declined() {
    let fixture = Fixture::new();
    let open = fetch_request(&fixture, 12, 0).with_session_epoch(0);
    assert_eq!(fixture.call(&open, 12).session_id, 0);
    let go_on = FetchRequest::default()
        .with_session_id(5)
        .with_session_epoch(1);
    assert_eq!(fixture.call(&go_on, 12).error_code, 70);
}

#[test]
fn corrupt_and_oversized_batches_are_refused_and_not_appended() {
    let fixture = Fixture::new();
    let mut damaged = filled(1, 0);
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(produce(&fixture, 7, damaged), (2, -1));
    assert_eq!(produce(&fixture, 7, Vec::new()), (87, -1));
    let two = [filled(1, 0), filled(1, 0)].concat();
    assert_eq!(produce(&fixture, 7, two), (87, -1));
    let limit = fixture.cluster.settings().max_batch_bytes;
    assert_eq!(produce(&fixture, 7, vec![0; limit + 1]), (10, -1));
    assert_eq!(produce(&fixture, 7, filled(1, 0)), (0, 0));
}

#[test]
fn produce_without_acknowledgement_is_not_answered() {
    let fixture = Fixture::new();
    let frame = encode(&ProduceRequest::default().with_acks(0), 7);
    let mut output = BytesMut::new();
    fixture.answer(&frame, &mut output).unwrap();
    assert!(output.is_empty());
}

#[test]
fn offsets_are_listed_and_records_deleted_in_every_version() {
    let fixture = Fixture::new();
    produce(&fixture, 7, filled(10, 5));
    for version in versions::<ListOffsetsRequest>() {
        let partition = list_offsets_request::ListOffsetsPartition::default()
            .with_partition_index(1)
            .with_timestamp(-1);
        let topic = list_offsets_request::ListOffsetsTopic::default()
            .with_name(topic_name("known"))
            .with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_topics(vec![topic]);
        let response = fixture.call(&request, version);
        assert_eq!(response.topics[0].partitions[0].offset, 10);
    }
    for version in versions::<DeleteRecordsRequest>() {
        let offset = i64::from(version) + 1;
        let partition = delete_records_request::DeleteRecordsPartition::default()
            .with_partition_index(1)
            .with_offset(offset);
        let topic = delete_records_request::DeleteRecordsTopic::default()
            .with_name(topic_name("known"))
            .with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
        let response = fixture.call(&request, version);
        assert_eq!(response.topics[0].partitions[0].low_watermark, offset);
    }
}

/// Shared by all cases of the properties below, because opening a cluster is slow.
static SHARED: LazyLock<Fixture> = LazyLock::new(Fixture::new);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bodies_of_every_api_do_not_panic(
        which: prop::sample::Index,
        version_index: prop::sample::Index,
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let supported = SUPPORTED[which.index(SUPPORTED.len())];
        let span = usize::try_from(supported.max - supported.min).unwrap() + 1;
        let version = supported.min + i16::try_from(version_index.index(span)).unwrap();
        let mut frame = (supported.api as i16).to_be_bytes().to_vec();
        frame.extend(version.to_be_bytes());
        frame.extend([0, 0, 0, 0, 0xff, 0xff, 0]);
        frame.extend(body);
        let fixture = &*SHARED;
        let _outcome = fixture.answer(&frame, &mut BytesMut::new());
    }

    #[test]
    fn truncated_requests_are_rejected(cut: prop::sample::Index, version in 4_i16..=18) {
        let fixture = &*SHARED;
        let frame = encode(&fetch_request(fixture, version, 0), version);
        let cut = cut.index(frame.len());
        prop_assert!(fixture.answer(&frame[..cut], &mut BytesMut::new()).is_err());
    }
}
