//! Batches as other decoders read them, and requests to the embedded broker and to scripted ones.

use std::io::{self, Read};
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use convoy_kafka_server as embedded_broker;
use convoy_kafka_server::protocol::put_varint;
use kafka_protocol::records::{Compression as ReadCompression, Record, RecordBatchDecoder};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::broker::producer::batch::varint_length;
use crate::broker::producer::{Batch, HeaderRef, NewRecord, ProduceOutcome, Value};
use crate::broker::{Compression, Connector, Endpoint};

/// Timestamps whose differences are within Kafka's format.
const ANY_TIME: Range<i64> = -1..i64::MAX;

/// Timestamps that brokers take by default.
const PAST: Range<i64> = -1..1_700_000_000_000;

/// A record that owns its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owned {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    timestamp_ms: i64,
}

impl Owned {
    fn new(value: &[u8]) -> Self {
        Self {
            key: None,
            value: Some(value.to_vec()),
            headers: Vec::new(),
            timestamp_ms: 1_000,
        }
    }

    /// Appends it, with a value in two parts.
    fn push_to(&self, batch: &mut Batch) {
        let headers: Vec<HeaderRef<'_>> = self
            .headers
            .iter()
            .map(|(name, value)| HeaderRef {
                name,
                value: value.as_deref(),
            })
            .collect();
        batch.push(&NewRecord {
            key: self.key.as_deref(),
            value: self.value.as_deref().map(|value| {
                let (prefix, payload) = value.split_at(value.len().min(5));
                Value { prefix, payload }
            }),
            headers: &headers,
            timestamp_ms: self.timestamp_ms,
        });
    }
}

fn batch_of(records: &[Owned]) -> Batch {
    let mut batch = Batch::default();
    for record in records {
        record.push_to(&mut batch);
    }
    batch
}

fn finished(batch: &mut Batch, compression: Compression) -> Vec<u8> {
    let mut scratch = Vec::new();
    let finished = batch.finish(compression, &mut scratch).unwrap();
    finished.buffer[finished.start..].to_vec()
}

/// Restores compressed records, each codec by its own library.
fn decompress(compressed: &[u8], compression: ReadCompression) -> io::Result<Bytes> {
    let mut records = Vec::new();
    match compression {
        ReadCompression::None => records.extend_from_slice(compressed),
        ReadCompression::Gzip => {
            flate2::read::GzDecoder::new(compressed).read_to_end(&mut records)?;
        }
        ReadCompression::Snappy => {
            records = snap::raw::Decoder::new().decompress_vec(compressed)?;
        }
        ReadCompression::Lz4 => {
            lz4::Decoder::new(compressed)?.read_to_end(&mut records)?;
        }
        ReadCompression::Zstd => records = zstd::decode_all(compressed)?,
    }
    Ok(records.into())
}

fn owned(record: Record) -> Owned {
    let bytes = |bytes: Bytes| bytes.to_vec();
    let headers = record.headers.into_iter();
    Owned {
        key: record.key.map(bytes),
        value: record.value.map(bytes),
        headers: headers
            .map(|(name, value)| (name.to_string(), value.map(bytes)))
            .collect(),
        timestamp_ms: record.timestamp,
    }
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        9 => proptest::collection::vec(any::<u8>(), 0..80),
        1 => proptest::collection::vec(any::<u8>(), 8_000..9_000),
    ]
}

/// Records whose headers have different names: the other decoder keeps one of each name.
fn records(timestamps: Range<i64>) -> impl Strategy<Value = Vec<Owned>> {
    let headers = proptest::collection::btree_map(".{0,10}", proptest::option::of(bytes()), 0..4);
    let record = (
        proptest::option::of(bytes()),
        proptest::option::of(bytes()),
        headers,
        timestamps,
    );
    let record = record.prop_map(|(key, value, headers, timestamp_ms)| Owned {
        key,
        value,
        headers: headers.into_iter().collect(),
        timestamp_ms,
    });
    proptest::collection::vec(record, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn batch_decodes_to_the_records_that_were_pushed(records in records(ANY_TIME)) {
        let mut batch = batch_of(&records);
        for compression in Compression::ALL {
            let mut encoded = Bytes::from(finished(&mut batch, compression));
            let custom = |bytes: &mut Bytes, codec| Ok(decompress(&std::mem::take(bytes), codec)?);
            let set = RecordBatchDecoder::decode_with_custom_compression(&mut encoded, Some(custom));
            let set = set.unwrap();
            prop_assert!(encoded.is_empty());
            let offsets: Vec<i64> = set.records.iter().map(|record| record.offset).collect();
            let expected: Vec<i64> = (0..).take(records.len()).collect();
            prop_assert_eq!(offsets, expected);
            let decoded: Vec<Owned> = set.records.into_iter().map(owned).collect();
            prop_assert_eq!(&decoded, &records);
        }
    }

    #[test]
    fn bytes_are_those_of_the_records(records in records(ANY_TIME)) {
        let mut batch = batch_of(&records);
        let bytes = batch.bytes();
        prop_assert_eq!(finished(&mut batch, Compression::None).len(), 61 + bytes);
        batch.clear();
        prop_assert_eq!((batch.bytes(), batch.len(), batch.is_empty()), (0, 0, true));
        records[0].push_to(&mut batch);
        prop_assert_eq!(batch.bytes(), batch_of(&records[..1]).bytes());
    }
}

async fn broker() -> (embedded_broker::KafkaServer, Connector) {
    let settings = embedded_broker::Settings::default();
    let broker = embedded_broker::KafkaServer::start(settings).await.unwrap();
    let connector = Connector::new(Endpoint::plain(broker.bootstrap_servers()));
    connector.create_topic("sensor", 2, 1).await.unwrap();
    (broker, connector)
}

fn acked(outcome: &ProduceOutcome) -> i64 {
    match outcome {
        ProduceOutcome::Acked { base_offset } => *base_offset,
        other => panic!("not acknowledged: {other:?}"),
    }
}

#[test]
fn broker_takes_every_batch_in_every_codec() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (broker, connector) = runtime.block_on(broker());
    let mut producer = connector.producer("sensor", 1);
    let mut next = 0;
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(32));
    let state = std::cell::RefCell::new((&mut producer, &mut next));
    let outcome = runner.run(&records(PAST), |records| {
        let (producer, next) = &mut *state.borrow_mut();
        let mut batch = batch_of(&records);
        for compression in Compression::ALL {
            let outcome = runtime.block_on(producer.produce(&mut batch, compression));
            prop_assert_eq!(acked(&outcome), **next);
            **next += i64::try_from(records.len()).unwrap();
        }
        Ok(())
    });
    outcome.unwrap();
    runtime.block_on(broker.stop()).unwrap();
}

#[tokio::test]
async fn headers_keep_their_order_repeats_and_nulls() {
    let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    let record = Owned {
        headers: vec![
            header("b", Some(b"1")),
            header("a", None),
            header("b", Some(b"")),
            header("", Some(b"2")),
        ],
        ..Owned::new(b"value")
    };
    let encoded = finished(&mut batch_of(&[record]), Compression::None);
    let expected = b"\x08\x02b\x021\x02a\x01\x02b\x00\x00\x022";
    assert!(encoded.ends_with(expected), "{encoded:?}");
}

#[tokio::test]
async fn empty_batch_and_unknown_topic_are_told_apart() {
    let (_broker, connector) = broker().await;
    let mut producer = connector.producer("sensor", 0);
    let outcome = producer
        .produce(&mut Batch::default(), Compression::None)
        .await;
    assert!(matches!(outcome, ProduceOutcome::Refused(_)), "{outcome:?}");
    let mut producer = connector.producer("other", 0);
    let mut batch = batch_of(&[Owned::new(b"value")]);
    let outcome = producer.produce(&mut batch, Compression::None).await;
    let ProduceOutcome::Rejected(cause) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        cause.to_string().contains("UNKNOWN_TOPIC_OR_PARTITION (3)"),
        "{cause}"
    );
    assert!(connector.producer("other", 0).connect().await.is_err());
}

#[tokio::test]
async fn too_large_batch_leaves_the_connection_and_the_producer_usable() {
    let (_broker, connector) = broker().await;
    let mut producer = connector.producer("sensor", 0);
    let mut batch = batch_of(&[Owned::new(&vec![b'x'; 2_000_000])]);
    let outcome = producer.produce(&mut batch, Compression::None).await;
    assert!(
        matches!(outcome, ProduceOutcome::TooLarge(_)),
        "{outcome:?}"
    );
    let outcome = producer.produce(&mut batch, Compression::Gzip).await;
    assert_eq!(acked(&outcome), 0);
}

#[tokio::test]
async fn topic_with_the_longest_name_fits_before_the_batch() {
    let (_broker, connector) = broker().await;
    let name = "t".repeat(249);
    connector.create_topic(&name, 1, 1).await.unwrap();
    let mut producer = connector.producer(&name, 0);
    for compression in Compression::ALL {
        let mut batch = batch_of(&[Owned::new(b"value")]);
        acked(&producer.produce(&mut batch, compression).await);
    }
}

#[tokio::test]
async fn producer_connects_again_after_the_broker_has_restarted() {
    let (mut broker, connector) = broker().await;
    let mut producer = connector.producer("sensor", 0);
    let mut batch = batch_of(&[Owned::new(b"value")]);
    assert_eq!(
        acked(&producer.produce(&mut batch, Compression::None).await),
        0
    );
    broker.restart().await.unwrap();
    let outcome = producer.produce(&mut batch, Compression::None).await;
    assert!(matches!(outcome, ProduceOutcome::Unknown(_)), "{outcome:?}");
    let outcome = producer.produce(&mut batch, Compression::None).await;
    acked(&outcome);
}

/// A broker that has one version of Produce, and answers it with `body` or never.
async fn scripted(version: u8, body: Option<Vec<u8>>) -> Connector {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let port = i32::from(address.port());
    tokio::spawn(async move {
        while let Ok((mut stream, _peer)) = listener.accept().await {
            let body = body.clone();
            tokio::spawn(async move {
                while let Ok(length) = stream.read_u32().await {
                    let mut frame = vec![0; length as usize];
                    stream.read_exact(&mut frame).await.unwrap();
                    let answer = match frame[1] {
                        18 => {
                            let mut apis = vec![0, 0, 0, 0, 0, 3];
                            for (api, version) in [(18, 0), (3, 4), (0, version)] {
                                apis.extend([0, api, 0, version, 0, version]);
                            }
                            // The version of the request is not known: version 0 follows.
                            apis[1] = if frame[3] == 0 { 0 } else { 35 };
                            apis
                        }
                        3 => metadata(port),
                        _ => match &body {
                            Some(body) => body.clone(),
                            None => continue,
                        },
                    };
                    let length = u32::try_from(answer.len() + 4).unwrap();
                    let mut response = length.to_be_bytes().to_vec();
                    response.extend_from_slice(&frame[4..8]);
                    if frame[1] == 0 && frame[3] >= 9 {
                        response[3] += 1;
                        response.push(0);
                    }
                    response.extend_from_slice(&answer);
                    let _closed = stream.write_all(&response).await;
                }
            });
        }
    });
    let connector = Connector::new(Endpoint::plain(address.to_string()));
    connector.with_request_timeout(Duration::from_millis(200))
}

/// Metadata in version 4: this broker leads the only partition of the topic `t`.
fn metadata(port: i32) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 7];
    body.extend(b"\0\x09127.0.0.1");
    body.extend(port.to_be_bytes());
    body.extend(b"\xff\xff\xff\xff\0\0\0\x07");
    body.extend(b"\0\0\0\x01\0\0\0\x01t\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0");
    body
}

/// The response to Produce in one of the versions that the producer has.
fn produced(version: u8, code: i16, throttle_ms: i32) -> Vec<u8> {
    let flexible = version >= 9;
    let mut body = Vec::new();
    let count = |body: &mut Vec<u8>| {
        if flexible {
            body.push(2);
        } else {
            body.extend(1_i32.to_be_bytes());
        }
    };
    count(&mut body);
    body.extend(if flexible { &b"\x02t"[..] } else { b"\0\x01t" });
    count(&mut body);
    body.extend(0_i32.to_be_bytes());
    body.extend(code.to_be_bytes());
    body.extend(41_i64.to_be_bytes());
    body.extend((-1_i64).to_be_bytes());
    if version >= 5 {
        body.extend(0_i64.to_be_bytes());
    }
    match version {
        ..=7 => {}
        8 => body.extend(b"\0\0\0\x01\0\0\0\0\0\x03bad\xff\xff"),
        _ => body.extend(b"\x02\0\0\0\0\x04bad\0\0\0\0"),
    }
    body.extend(throttle_ms.to_be_bytes());
    if flexible {
        body.push(0);
    }
    body
}

async fn send_to(connector: &Connector) -> ProduceOutcome {
    let mut batch = batch_of(&[Owned::new(b"value")]);
    let mut producer = connector.producer("t", 0);
    producer.produce(&mut batch, Compression::None).await
}

#[tokio::test]
async fn every_version_of_the_response_is_understood() {
    for version in 3..=9 {
        let connector = scripted(version, Some(produced(version, 0, 0))).await;
        assert_eq!(acked(&send_to(&connector).await), 41, "version {version}");
        let connector = scripted(version, Some(produced(version, 87, 0))).await;
        let outcome = send_to(&connector).await;
        let ProduceOutcome::Refused(cause) = outcome else {
            panic!("version {version}: {outcome:?}");
        };
        let message = if version >= 8 { "bad: " } else { "" };
        let expected = format!("{message}INVALID_RECORD (87)");
        assert!(
            cause.to_string().contains(&expected) || message.is_empty(),
            "{cause}"
        );
    }
}

#[tokio::test]
async fn outcome_without_a_valid_response_is_unknown() {
    for body in [
        None,
        Some(Vec::new()),
        Some(vec![0; 8]),
        Some(vec![0xff; 40]),
    ] {
        let connector = scripted(8, body.clone()).await;
        let outcome = send_to(&connector).await;
        assert!(
            matches!(outcome, ProduceOutcome::Unknown(_)),
            "{body:?}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn broker_without_a_version_of_produce_appends_nothing() {
    let connector = scripted(2, None).await;
    let outcome = send_to(&connector).await;
    let ProduceOutcome::Rejected(cause) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(cause.to_string().contains("Produce from 3 to 9"), "{cause}");
}

#[tokio::test]
async fn next_request_waits_as_long_as_the_broker_demands() {
    let connector = scripted(8, Some(produced(8, 0, 300))).await;
    let mut producer = connector.producer("t", 0);
    let mut batch = batch_of(&[Owned::new(b"value")]);
    acked(&producer.produce(&mut batch, Compression::None).await);
    let clock = convoy_server_kit::RunClock::start();
    acked(&producer.produce(&mut batch, Compression::None).await);
    assert!(clock.now() >= 250_000_000);
}

proptest! {
    #[test]
    fn length_is_the_number_of_appended_bytes(value: i64, shift in 0..64) {
        let value = value >> shift;
        let mut bytes = Vec::new();
        put_varint(value, &mut bytes);
        prop_assert_eq!(bytes.len(), varint_length(value));
    }
}
