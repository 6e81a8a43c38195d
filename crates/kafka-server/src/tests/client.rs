//! Drives the broker with `rskafka`: each test is one promise to a well-behaved client.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{TimeZone, Utc};
use rskafka::BackoffConfig;
use rskafka::client::error::{Error as ClientError, ProtocolError};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;

use crate::tests::start;
use crate::{Broker, Settings};

pub(super) const DEADLINE: Duration = Duration::from_secs(20);

async fn connect(broker: &Broker) -> Client {
    ClientBuilder::new(vec![broker.address().to_string()])
        .backoff_config(BackoffConfig {
            deadline: Some(DEADLINE),
            ..BackoffConfig::default()
        })
        .build()
        .await
        .unwrap()
}

pub(super) async fn partition(client: &Client, topic: &str) -> PartitionClient {
    client
        .partition_client(topic, 0, UnknownTopicHandling::Error)
        .await
        .unwrap()
}

pub(super) async fn create(client: &Client, topic: &str, partitions: i32) {
    let controller = client.controller_client().unwrap();
    controller
        .create_topic(topic, partitions, 1, 5_000)
        .await
        .unwrap();
}

pub(super) fn record(number: i64) -> Record {
    Record {
        key: Some(format!("key {number}").into_bytes()),
        value: Some(vec![b'x'; 100]),
        headers: BTreeMap::from([("number".to_owned(), number.to_be_bytes().to_vec())]),
        timestamp: Utc.timestamp_millis_opt(1_000 + number).unwrap(),
    }
}

pub(super) async fn produce(
    partition: &PartitionClient,
    numbers: std::ops::Range<i64>,
) -> Vec<i64> {
    partition
        .produce(numbers.map(record).collect(), Compression::NoCompression)
        .await
        .unwrap()
}

/// Fetches from an offset until the log ends and returns the records' offsets.
pub(super) async fn read_all(partition: &PartitionClient, mut offset: i64) -> Vec<i64> {
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
async fn what_was_produced_is_fetched_in_order_across_segments() {
    let broker = start().await;
    let client = connect(&broker).await;
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
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn topics_are_listed_with_their_partitions_until_deleted() {
    let broker = start().await;
    let client = connect(&broker).await;
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
async fn creating_a_topic_twice_is_refused() {
    let broker = start().await;
    let client = connect(&broker).await;
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
async fn a_waiting_fetch_wakes_when_a_record_is_appended() {
    let broker = start().await;
    let client = connect(&broker).await;
    create(&client, "poll", 1).await;
    let reader = partition(&client, "poll").await;
    let waiting = tokio::spawn(async move {
        // Longer than the deadline of the test: only an append can end the wait.
        reader.fetch_records(0, 1..50_000, 60_000).await.unwrap()
    });
    let writer_client = connect(&broker).await;
    produce(&partition(&writer_client, "poll").await, 0..1).await;
    let (records, high_watermark) = tokio::time::timeout(DEADLINE, waiting)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((records.len(), high_watermark), (1, 1));
}

#[tokio::test]
async fn a_waiting_fetch_gives_up_after_its_time_with_nothing() {
    let broker = start().await;
    let client = connect(&broker).await;
    create(&client, "quiet", 1).await;
    let reader = partition(&client, "quiet").await;
    let fetched = tokio::time::timeout(DEADLINE, reader.fetch_records(0, 1..50_000, 50)).await;
    assert_eq!(fetched.unwrap().unwrap().0.len(), 0);
}

#[tokio::test]
async fn stopping_ends_a_waiting_fetch() {
    let broker = start().await;
    let client = connect(&broker).await;
    create(&client, "stop", 1).await;
    let reader = partition(&client, "stop").await;
    let waiting = tokio::spawn(async move { reader.fetch_records(0, 1..50_000, 60_000).await });
    while !waiting.is_finished() && broker.watched("stop") == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(DEADLINE, broker.stop())
        .await
        .unwrap()
        .unwrap();
    waiting.abort();
}

#[tokio::test]
async fn offsets_are_found_by_position_and_by_time() {
    let broker = start().await;
    let client = connect(&broker).await;
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
    let broker = start().await;
    let client = connect(&broker).await;
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
async fn a_data_directory_keeps_topics_and_records_across_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings {
        data_dir: Some(directory.path().to_owned()),
        segment_bytes: 10_000,
        ..Settings::default()
    };
    let broker = Broker::start(settings.clone()).await.unwrap();
    let client = connect(&broker).await;
    create(&client, "kept", 2).await;
    let writer = partition(&client, "kept").await;
    for batch in 0..10 {
        produce(&writer, batch * 20..batch * 20 + 20).await;
    }
    drop((client, writer));
    broker.stop().await.unwrap();

    let broker = Broker::start(settings).await.unwrap();
    let client = connect(&broker).await;
    let reader = partition(&client, "kept").await;
    assert_eq!(read_all(&reader, 0).await, (0..200).collect::<Vec<_>>());
    assert_eq!(produce(&reader, 200..201).await, [200]);
}

#[tokio::test]
async fn a_restart_in_place_keeps_address_and_records() {
    let mut broker = start().await;
    let address = broker.address();
    let client = connect(&broker).await;
    create(&client, "again", 1).await;
    produce(&partition(&client, "again").await, 0..10).await;
    broker.restart().await.unwrap();
    assert_eq!(broker.address(), address);
    let client = connect(&broker).await;
    let reader = partition(&client, "again").await;
    assert_eq!(read_all(&reader, 0).await, (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_crash_loses_exactly_what_was_not_synced() {
    let mut broker = start().await;
    let client = connect(&broker).await;
    create(&client, "lossy", 1).await;
    let writer = partition(&client, "lossy").await;
    produce(&writer, 0..10).await;
    broker.sync().await.unwrap();
    produce(&writer, 10..15).await;
    assert_eq!(broker.crash().await.unwrap(), 5);
    let client = connect(&broker).await;
    let reader = partition(&client, "lossy").await;
    assert_eq!(read_all(&reader, 0).await, (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_data_directory_serves_one_broker_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings {
        data_dir: Some(directory.path().to_owned()),
        ..Settings::default()
    };
    let _first = Broker::start(settings.clone()).await.unwrap();
    let second = Broker::start(settings).await.unwrap_err();
    assert!(matches!(second, crate::Error::Locked { .. }));
}

#[tokio::test]
async fn a_temporary_directory_goes_with_the_broker() {
    let broker = start().await;
    let directory = broker.directory().to_owned();
    assert!(directory.join("topics").is_dir());
    broker.stop().await.unwrap();
    assert!(!directory.exists());
}
