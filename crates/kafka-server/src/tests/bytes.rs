//! Frames that no correct client sends, and clients that leave early.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};
use kafka_protocol::protocol::Decodable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::KafkaServer;
use crate::tests::start;

const DEADLINE: Duration = Duration::from_secs(20);

pub(super) async fn connect(server: &KafkaServer) -> TcpStream {
    TcpStream::connect(server.address()).await.unwrap()
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

pub(super) fn api_versions(version: i16, correlation_id: i32) -> Vec<u8> {
    request(ApiKey::ApiVersions as i16, version, correlation_id, &[])
}

/// Reads one response: its correlation id and its body.
pub(super) async fn response(stream: &mut TcpStream) -> (i32, Vec<u8>) {
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

/// Waits until the server has closed the connection, and returns the bytes it sent before.
pub(super) async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let closed = stream.read_to_end(&mut rest);
    // A reset counts as closed: it happens when the server left bytes unread.
    let _reset = tokio::time::timeout(DEADLINE, closed).await.unwrap();
    rest
}

#[tokio::test]
async fn request_split_at_any_byte_is_answered() {
    let server = start().await;
    let bytes = api_versions(0, 7);
    for cut in 1..bytes.len() {
        let mut stream = connect(&server).await;
        stream.write_all(&bytes[..cut]).await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await;
        stream.write_all(&bytes[cut..]).await.unwrap();
        assert_eq!(response(&mut stream).await.0, 7);
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = start().await;
    let mut stream = connect(&server).await;
    let bytes: Vec<u8> = (0..100).flat_map(|id| api_versions(0, id)).collect();
    stream.write_all(&bytes).await.unwrap();
    for id in 0..100 {
        assert_eq!(response(&mut stream).await.0, id);
    }
}

#[tokio::test]
async fn unsupported_api_versions_request_is_answered_with_the_versions() {
    let server = start().await;
    let mut stream = connect(&server).await;
    stream.write_all(&api_versions(99, 1)).await.unwrap();
    let (_, body) = response(&mut stream).await;
    let versions = ApiVersionsResponse::decode(&mut &body[..], 0).unwrap();
    assert_eq!(versions.error_code, 35);
    assert!(!versions.api_keys.is_empty());
    stream.write_all(&api_versions(0, 2)).await.unwrap();
    assert_eq!(response(&mut stream).await.0, 2);
}

#[tokio::test]
async fn unknown_api_closes_only_its_connection() {
    let server = start().await;
    let mut sound = connect(&server).await;
    let mut stream = connect(&server).await;
    stream.write_all(&request(999, 0, 1, &[])).await.unwrap();
    assert_eq!(until_closed(&mut stream).await, b"");
    sound.write_all(&api_versions(0, 3)).await.unwrap();
    assert_eq!(response(&mut sound).await.0, 3);
}

#[tokio::test]
async fn frame_length_beyond_the_limit_closes_the_connection() {
    let server = start().await;
    for length in [-1_i32, i32::MIN, i32::MAX] {
        let mut stream = connect(&server).await;
        stream.write_all(&length.to_be_bytes()).await.unwrap();
        assert_eq!(until_closed(&mut stream).await, b"");
    }
}

#[tokio::test]
async fn array_count_beyond_the_frame_closes_the_connection() {
    let server = start().await;
    let mut stream = connect(&server).await;
    let topics = i32::MAX.to_be_bytes();
    let bytes = request(ApiKey::Metadata as i16, 1, 1, &topics);
    stream.write_all(&bytes).await.unwrap();
    assert_eq!(until_closed(&mut stream).await, b"");
}

#[tokio::test]
async fn client_that_stops_sending_still_gets_its_responses() {
    let server = start().await;
    let mut stream = connect(&server).await;
    stream.write_all(&api_versions(0, 5)).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(response(&mut stream).await.0, 5);
    assert_eq!(until_closed(&mut stream).await, b"");
}

#[tokio::test]
async fn incomplete_request_is_discarded_when_its_client_leaves() {
    let server = start().await;
    let mut stream = connect(&server).await;
    let bytes = api_versions(0, 5);
    stream.write_all(&bytes[..bytes.len() - 1]).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(until_closed(&mut stream).await, b"");
}

/// Sends a fetch that waits for ten minutes, and returns once it waits.
async fn waiting_fetch(server: &KafkaServer) -> TcpStream {
    server.create_topic("wait", 1);
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
    let mut stream = connect(server).await;
    let bytes = request(ApiKey::Fetch as i16, 4, 9, &body);
    stream.write_all(&bytes).await.unwrap();
    while server.watched("wait") == 0 {
        tokio::task::yield_now().await;
    }
    stream
}

#[tokio::test]
async fn waiting_fetch_ends_when_its_client_stops_sending() {
    let server = start().await;
    let mut stream = waiting_fetch(&server).await;
    stream.shutdown().await.unwrap();
    assert_eq!(response(&mut stream).await.0, 9);
    assert_eq!(until_closed(&mut stream).await, b"");
    assert_eq!(server.watched("wait"), 0);
}

#[tokio::test]
async fn waiting_fetch_does_not_delay_a_stop() {
    let server = start().await;
    let mut stream = waiting_fetch(&server).await;
    let stopped = tokio::time::timeout(DEADLINE, server.stop()).await;
    stopped.unwrap().unwrap();
    until_closed(&mut stream).await;
}
