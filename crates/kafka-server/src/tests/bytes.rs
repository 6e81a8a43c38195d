//! Speaks to the broker in raw bytes: what it does with frames that no sound client sends.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};
use kafka_protocol::protocol::Decodable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Broker;
use crate::tests::start;

const DEADLINE: Duration = Duration::from_secs(20);

pub(super) async fn connect(broker: &Broker) -> TcpStream {
    TcpStream::connect(broker.address()).await.unwrap()
}

pub(super) fn request(api: i16, version: i16, correlation_id: i32, body: &[u8]) -> Vec<u8> {
    let mut frame = BytesMut::new();
    frame.put_i16(api);
    frame.put_i16(version);
    frame.put_i32(correlation_id);
    frame.put_i16(-1);
    frame.put_slice(body);
    let mut bytes = u32::try_from(frame.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(frame);
    bytes
}

fn api_versions(version: i16, correlation_id: i32) -> Vec<u8> {
    request(ApiKey::ApiVersions as i16, version, correlation_id, &[])
}

/// Reads one response: its correlation id and what follows.
async fn response(stream: &mut TcpStream) -> (i32, Vec<u8>) {
    tokio::time::timeout(DEADLINE, async {
        let length = stream.read_u32().await.unwrap();
        let correlation_id = stream.read_i32().await.unwrap();
        let mut body = vec![0; length as usize - 4];
        stream.read_exact(&mut body).await.unwrap();
        (correlation_id, body)
    })
    .await
    .unwrap()
}

/// Waits until the broker has closed the connection, and returns what it still sent.
pub(super) async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let closed = stream.read_to_end(&mut rest);
    // A reset is a close as well: it happens when bytes were left unread.
    let _reset = tokio::time::timeout(DEADLINE, closed).await.unwrap();
    rest
}

#[tokio::test]
async fn requests_cut_at_every_byte_are_answered_once_whole() {
    let broker = start().await;
    let bytes = api_versions(0, 7);
    for cut in 1..bytes.len() {
        let mut stream = connect(&broker).await;
        stream.write_all(&bytes[..cut]).await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await;
        stream.write_all(&bytes[cut..]).await.unwrap();
        assert_eq!(response(&mut stream).await.0, 7);
    }
}

#[tokio::test]
async fn requests_sent_together_are_answered_in_their_order() {
    let broker = start().await;
    let mut stream = connect(&broker).await;
    let bytes: Vec<u8> = (0..100).flat_map(|id| api_versions(0, id)).collect();
    stream.write_all(&bytes).await.unwrap();
    for id in 0..100 {
        assert_eq!(response(&mut stream).await.0, id);
    }
}

#[tokio::test]
async fn a_version_from_the_future_is_told_which_ones_there_are() {
    let broker = start().await;
    let mut stream = connect(&broker).await;
    stream.write_all(&api_versions(99, 1)).await.unwrap();
    let (_, body) = response(&mut stream).await;
    let versions = ApiVersionsResponse::decode(&mut &body[..], 0).unwrap();
    assert_eq!(versions.error_code, 35);
    assert!(!versions.api_keys.is_empty());
    stream.write_all(&api_versions(0, 2)).await.unwrap();
    assert_eq!(response(&mut stream).await.0, 2);
}

#[tokio::test]
async fn an_unknown_api_ends_the_connection_and_no_other() {
    let broker = start().await;
    let mut sound = connect(&broker).await;
    let mut stream = connect(&broker).await;
    stream.write_all(&request(999, 0, 1, &[])).await.unwrap();
    assert_eq!(until_closed(&mut stream).await, b"");
    sound.write_all(&api_versions(0, 3)).await.unwrap();
    assert_eq!(response(&mut sound).await.0, 3);
}

#[tokio::test]
async fn lengths_beyond_the_limit_end_the_connection() {
    let broker = start().await;
    for length in [-1_i32, i32::MIN, i32::MAX] {
        let mut stream = connect(&broker).await;
        stream.write_all(&length.to_be_bytes()).await.unwrap();
        assert_eq!(until_closed(&mut stream).await, b"");
    }
}

#[tokio::test]
async fn an_array_count_without_elements_ends_the_connection() {
    let broker = start().await;
    let mut stream = connect(&broker).await;
    let topics = i32::MAX.to_be_bytes();
    let bytes = request(ApiKey::Metadata as i16, 1, 1, &topics);
    stream.write_all(&bytes).await.unwrap();
    assert_eq!(until_closed(&mut stream).await, b"");
}

#[tokio::test]
async fn a_client_that_stops_sending_still_gets_its_answers() {
    let broker = start().await;
    let mut stream = connect(&broker).await;
    stream.write_all(&api_versions(0, 5)).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(response(&mut stream).await.0, 5);
    assert_eq!(until_closed(&mut stream).await, b"");
}

#[tokio::test]
async fn a_client_that_leaves_inside_a_request_is_let_go() {
    let broker = start().await;
    let mut stream = connect(&broker).await;
    let bytes = api_versions(0, 5);
    stream.write_all(&bytes[..bytes.len() - 1]).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(until_closed(&mut stream).await, b"");
}

#[tokio::test]
async fn a_waiting_fetch_ends_when_its_client_stops_sending() {
    let broker = start().await;
    broker.create_topic("wait", 1);
    let mut body = BytesMut::new();
    body.put_i32(-1); // replica
    body.put_i32(600_000); // longest wait
    body.put_i32(1);
    body.put_i32(1_000_000);
    body.put_i8(0);
    body.put_i32(1);
    body.put_i16(4);
    body.put_slice(b"wait");
    body.put_i32(1);
    body.put_i32(0); // partition
    body.put_i64(0);
    body.put_i32(1_000_000);
    let mut stream = connect(&broker).await;
    let bytes = request(ApiKey::Fetch as i16, 4, 9, &body);
    stream.write_all(&bytes).await.unwrap();
    while broker.watched("wait") == 0 {
        tokio::task::yield_now().await;
    }
    stream.shutdown().await.unwrap();
    assert_eq!(response(&mut stream).await.0, 9);
    assert_eq!(until_closed(&mut stream).await, b"");
    assert_eq!(broker.watched("wait"), 0);
}
