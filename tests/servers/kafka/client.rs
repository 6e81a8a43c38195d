//! Records, topics, offsets, restarts: each test is one promise to a well-behaved client.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{TimeZone, Utc};
use convoy_kafka_server::{Error, KafkaServer, Settings};
use rskafka::BackoffConfig;
use rskafka::client::error::{Error as ClientError, ProtocolError};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;

pub const DEADLINE: Duration = Duration::from_secs(20);

/// Starts a server with small segments in a temporary directory.
async fn start() -> KafkaServer {
    let mut settings = Settings::default();
    settings.segment_bytes = 64 * 1024;
    KafkaServer::start(settings).await.unwrap()
}

async fn connect(server: &KafkaServer) -> Client {
    ClientBuilder::new(vec![server.bootstrap_servers()])
        .backoff_config(BackoffConfig {
            deadline: Some(DEADLINE),
            ..BackoffConfig::default()
        })
        .build()
        .await
        .unwrap()
}

pub async fn partition(client: &Client, topic: &str) -> PartitionClient {
    client
        .partition_client(topic, 0, UnknownTopicHandling::Error)
        .await
        .unwrap()
}

pub async fn create(client: &Client, topic: &str, partitions: i32) {
    let controller = client.controller_client().unwrap();
    controller
        .create_topic(topic, partitions, 1, 5_000)
        .await
        .unwrap();
}

pub fn record(number: i64) -> Record {
    Record {
        key: Some(format!("key {number}").into_bytes()),
        value: Some(vec![b'x'; 100]),
        headers: BTreeMap::from([("number".to_owned(), number.to_be_bytes().to_vec())]),
        timestamp: Utc.timestamp_millis_opt(1_000 + number).unwrap(),
    }
}

pub async fn produce(partition: &PartitionClient, numbers: std::ops::Range<i64>) -> Vec<i64> {
    partition
        .produce(numbers.map(record).collect(), Compression::NoCompression)
        .await
        .unwrap()
}

/// Fetches from an offset until the log ends and returns the records' offsets.
pub async fn read_all(partition: &PartitionClient, mut offset: i64) -> Vec<i64> {
    let mut numbers = Vec::new();
    loop {
        let (records, high_watermark) = partition
            .fetch_records(offset, 1..50_000, 100)
            .await
            .unwrap();
        for record in records {
            let number =
                i64::from_be_bytes(record.record.headers["number"].clone().try_into().unwrap());
            assert_eq!(record.offset, offset);
            numbers.push(number);
            offset += 1;
        }
        if offset == high_watermark {
            return numbers;
        }
    }
}

#[tokio::test]
async fn records_are_fetched_in_order_across_segments() {
    let server = start().await;
    let client = connect(&server).await;
    create(&client, "sensor", 1).await;
    let partition = partition(&client, "sensor").await;
    for batch in 0..50 {
        let from = batch * 40;
        let offsets = produce(&partition, from..from + 40).await;
        assert_eq!(offsets, (from..from + 40).collect::<Vec<_>>());
    }
    let numbers = read_all(&partition, 0).await;
    assert_eq!(numbers, (0..2_000).collect::<Vec<_>>());
    assert_eq!(read_all(&partition, 1_234).await.len(), 766);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn topics_are_listed_with_their_partitions_until_deleted() {
    let server = start().await;
    let client = connect(&server).await;
    create(&client, "b", 3).await;
    create(&client, "a", 1).await;
    let topics = client.list_topics().await.unwrap();
    let listed: Vec<_> = topics
        .iter()
        .map(|topic| (topic.name.as_str(), topic.partitions.len()))
        .collect();
    assert_eq!(listed, [("a", 1), ("b", 3)]);
    let controller = client.controller_client().unwrap();
    controller.delete_topic("a", 5_000).await.unwrap();
    assert_eq!(client.list_topics().await.unwrap().len(), 1);
}

#[tokio::test]
async fn existing_topic_cannot_be_created_again() {
    let server = start().await;
    let client = connect(&server).await;
    create(&client, "twice", 1).await;
    let again = client.controller_client().unwrap();
    let error = again.create_topic("twice", 1, 1, 5_000).await.unwrap_err();
    assert!(matches!(
        error,
        ClientError::ServerError {
            protocol_error: ProtocolError::TopicAlreadyExists,
            ..
        }
    ));
}

#[tokio::test]
async fn waiting_fetch_returns_when_a_record_is_appended() {
    let server = start().await;
    let client = connect(&server).await;
    create(&client, "poll", 1).await;
    let reader = partition(&client, "poll").await;
    let waiting = tokio::spawn(async move {
        // Longer than the deadline of the test: only an append can end the wait.
        reader.fetch_records(0, 1..50_000, 60_000).await.unwrap()
    });
    let writer_client = connect(&server).await;
    produce(&partition(&writer_client, "poll").await, 0..1).await;
    let (records, high_watermark) = tokio::time::timeout(DEADLINE, waiting)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((records.len(), high_watermark), (1, 1));
}

#[tokio::test]
async fn waiting_fetch_returns_empty_after_its_timeout() {
    let server = start().await;
    let client = connect(&server).await;
    create(&client, "quiet", 1).await;
    let reader = partition(&client, "quiet").await;
    let fetched = tokio::time::timeout(DEADLINE, reader.fetch_records(0, 1..50_000, 50)).await;
    assert_eq!(fetched.unwrap().unwrap().0.len(), 0);
}

#[tokio::test]
async fn offsets_are_listed_by_position_and_by_time() {
    let server = start().await;
    let client = connect(&server).await;
    create(&client, "time", 1).await;
    let partition = partition(&client, "time").await;
    for batch in 0..10 {
        produce(&partition, batch * 10..batch * 10 + 10).await;
    }
    let offset = |at| partition.get_offset(at);
    assert_eq!(offset(OffsetAt::Earliest).await.unwrap(), 0);
    assert_eq!(offset(OffsetAt::Latest).await.unwrap(), 100);
    let time = Utc.timestamp_millis_opt(1_000 + 57).unwrap();
    assert_eq!(offset(OffsetAt::Timestamp(time)).await.unwrap(), 57);
}

#[tokio::test]
async fn deleted_records_are_out_of_range() {
    let server = start().await;
    let client = connect(&server).await;
    create(&client, "trim", 1).await;
    let partition = partition(&client, "trim").await;
    for batch in 0..20 {
        produce(&partition, batch * 100..batch * 100 + 100).await;
    }
    partition.delete_records(1_500, 5_000).await.unwrap();
    assert_eq!(
        partition.get_offset(OffsetAt::Earliest).await.unwrap(),
        1_500
    );
    let error = partition.fetch_records(0, 1..50_000, 50).await.unwrap_err();
    assert!(matches!(
        error,
        ClientError::ServerError {
            protocol_error: ProtocolError::OffsetOutOfRange,
            ..
        }
    ));
    assert_eq!(
        read_all(&partition, 1_500).await,
        (1_500..2_000).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn data_directory_keeps_topics_and_records() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = Settings::default().with_data_dir(directory.path());
    settings.segment_bytes = 10_000;
    let server = KafkaServer::start(settings.clone()).await.unwrap();
    let client = connect(&server).await;
    create(&client, "kept", 2).await;
    let writer = partition(&client, "kept").await;
    for batch in 0..10 {
        produce(&writer, batch * 20..batch * 20 + 20).await;
    }
    drop((client, writer));
    server.stop().await.unwrap();

    let server = KafkaServer::start(settings).await.unwrap();
    let client = connect(&server).await;
    let reader = partition(&client, "kept").await;
    assert_eq!(read_all(&reader, 0).await, (0..200).collect::<Vec<_>>());
    assert_eq!(produce(&reader, 200..201).await, [200]);
}

#[tokio::test]
async fn restart_keeps_address_and_records() {
    let mut server = start().await;
    let address = server.address();
    let client = connect(&server).await;
    create(&client, "again", 1).await;
    produce(&partition(&client, "again").await, 0..10).await;
    server.restart().await.unwrap();
    assert_eq!(server.address(), address);
    let client = connect(&server).await;
    let reader = partition(&client, "again").await;
    assert_eq!(read_all(&reader, 0).await, (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn crash_loses_exactly_the_unsynced_records() {
    let mut server = start().await;
    let client = connect(&server).await;
    create(&client, "lossy", 1).await;
    let writer = partition(&client, "lossy").await;
    produce(&writer, 0..10).await;
    server.sync().await.unwrap();
    produce(&writer, 10..15).await;
    assert_eq!(server.crash().await.unwrap(), 5);
    let client = connect(&server).await;
    let reader = partition(&client, "lossy").await;
    assert_eq!(read_all(&reader, 0).await, (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn data_directory_is_locked_by_one_server() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings::default().with_data_dir(directory.path());
    let _first = KafkaServer::start(settings.clone()).await.unwrap();
    let second = KafkaServer::start(settings).await.unwrap_err();
    assert!(matches!(second, Error::Locked { .. }));
}

#[tokio::test]
async fn temporary_directory_is_removed_on_stop() {
    let server = start().await;
    let directory = server.directory().to_owned();
    assert!(directory.join("topics").is_dir());
    server.stop().await.unwrap();
    assert!(!directory.exists());
}
