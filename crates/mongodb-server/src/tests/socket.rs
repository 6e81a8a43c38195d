//! Bytes that no good client would send. The store answers or hangs up, and goes on serving others.

use std::net::SocketAddr;
use std::time::Duration;

use mongodb::bson::doc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::bson::{Builder, Doc, Value, validate};
use crate::tests::{connect, run, start_with};
use crate::{Settings, Store};

const OP_MSG: i32 = 2013;
const OP_QUERY: i32 = 2004;

/// How long an answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(10);

fn message(opcode: i32, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(16 + body.len()).expect("test messages are small");
    let mut bytes = Vec::new();
    for number in [length, 9, 0, opcode] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(body);
    bytes
}

fn command(document: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 5];
    body.extend_from_slice(document);
    message(OP_MSG, &body)
}

/// Sends bytes and returns the reply document; `None` if the store hung up.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(address)
        .await
        .expect("the store listens");
    stream.write_all(bytes).await.expect("the bytes are taken");
    read_reply(&mut stream, 21).await
}

/// Reads a reply whose document starts at `offset`.
async fn read_reply(stream: &mut TcpStream, offset: usize) -> Option<Vec<u8>> {
    let read = async {
        let length = stream.read_i32_le().await.ok()?;
        let mut rest = vec![0; usize::try_from(length).expect("a length") - 4];
        stream.read_exact(&mut rest).await.expect("the whole reply");
        Some(rest.split_off(offset - 4))
    };
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("an answer in time")
}

fn code(reply: &[u8]) -> i64 {
    validate::document(reply).expect("a reply is a document");
    let code = Doc::new(reply).get("code").and_then(|code| code.as_i64());
    code.expect("an error")
}

async fn assert_alive(store: Store) {
    let client = connect(&store).await;
    run(&client, doc! { "ping": 1 }).await;
    store.stop().await.expect("the store stops");
}

#[tokio::test]
async fn a_length_beyond_the_limit_ends_the_connection() {
    let (store, _client) = start_with(Settings::default()).await;
    for length in [i32::MAX, -1, 15, 49_000_000] {
        let mut bytes = message(OP_MSG, &[]);
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        assert_eq!(exchange(store.address(), &bytes).await, None, "{length}");
    }
    assert_alive(store).await;
}

#[tokio::test]
async fn a_frame_that_never_ends_holds_up_nobody() {
    let (store, _client) = start_with(Settings::default()).await;
    let mut torn = TcpStream::connect(store.address())
        .await
        .expect("the store listens");
    let mut bytes = message(OP_MSG, &[0; 10]);
    bytes[..4].copy_from_slice(&40_000_000_i32.to_le_bytes());
    torn.write_all(&bytes).await.expect("the bytes are taken");
    let mut closed = TcpStream::connect(store.address())
        .await
        .expect("the store listens");
    closed
        .write_all(&bytes[..20])
        .await
        .expect("the bytes are taken");
    closed.shutdown().await.expect("the connection closes");
    assert_alive(store).await;
}

#[tokio::test]
async fn unknown_opcodes_end_the_connection() {
    let (store, _client) = start_with(Settings::default()).await;
    for opcode in [0, 1, 2001, 2002, 2005, 2012, i32::MIN] {
        assert_eq!(
            exchange(store.address(), &message(opcode, &[0; 32])).await,
            None
        );
    }
    assert_alive(store).await;
}

#[tokio::test]
async fn a_command_nested_too_deep_is_refused_and_the_connection_goes_on() {
    let (store, _client) = start_with(Settings::default()).await;
    let mut nested = Builder::new().int32("a", 1);
    for _ in 0..3_000 {
        nested = Builder::new().document("a", nested);
    }
    let insert = Builder::new()
        .string("insert", "c")
        .string("$db", "test")
        .document("filter", nested)
        .finish();
    let mut stream = TcpStream::connect(store.address())
        .await
        .expect("the store listens");
    stream
        .write_all(&command(&insert))
        .await
        .expect("the bytes are taken");
    let reply = read_reply(&mut stream, 21).await.expect("a reply");
    assert_eq!(code(&reply), 15);
    let ping = Builder::new()
        .int32("ping", 1)
        .string("$db", "admin")
        .finish();
    stream
        .write_all(&command(&ping))
        .await
        .expect("the bytes are taken");
    let reply = read_reply(&mut stream, 21).await.expect("a reply");
    assert!(matches!(
        Doc::new(&reply).get("ok"),
        Some(Value::Double(1.0))
    ));
    assert_alive(store).await;
}

#[tokio::test]
async fn a_document_that_is_none_spoils_its_whole_batch() {
    let (store, client) = start_with(Settings::default()).await;
    let insert = Builder::new()
        .string("insert", "c")
        .string("$db", "test")
        .finish();
    let mut body = vec![0; 5];
    body.extend_from_slice(&insert);
    let good = Builder::new().int32("_id", 1).finish();
    let mut bad = Builder::new().string("_id", "text").finish();
    bad[9] = 0xFF;
    let sequence = [&b"documents\0"[..], &good, &bad].concat();
    body.push(1);
    body.extend_from_slice(
        &i32::try_from(sequence.len() + 4)
            .expect("small")
            .to_le_bytes(),
    );
    body.extend_from_slice(&sequence);
    let reply = exchange(store.address(), &message(OP_MSG, &body))
        .await
        .expect("a reply");
    assert_eq!(code(&reply), 22);
    let counted = run(&client, doc! { "count": "c" }).await;
    assert_eq!(counted.get_i32("n").expect("a number"), 0);
    assert_alive(store).await;
}

#[tokio::test]
async fn a_legacy_query_gets_a_legacy_reply_to_hello_and_to_nothing_else() {
    let (store, _client) = start_with(Settings::default()).await;
    for (name, offset, known) in [("isMaster", 36, true), ("find", 36, false)] {
        let query = Builder::new().int32(name, 1).finish();
        let mut body = vec![0; 4];
        body.extend_from_slice(b"admin.$cmd\0");
        body.extend_from_slice(&[0; 4]);
        body.extend_from_slice(&(-1_i32).to_le_bytes());
        body.extend_from_slice(&query);
        let mut stream = TcpStream::connect(store.address())
            .await
            .expect("the store listens");
        stream
            .write_all(&message(OP_QUERY, &body))
            .await
            .expect("the bytes are taken");
        let reply = read_reply(&mut stream, offset).await.expect("a reply");
        let doc = Doc::new(&reply);
        assert_eq!(doc.element("maxWireVersion").is_some(), known);
        assert_eq!(doc.get("code").is_none(), known);
    }
    assert_alive(store).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let mut settings = Settings::default();
    settings.limits.idle = Duration::from_millis(50);
    let store = Store::start(settings).await.expect("the store starts");
    let mut stream = TcpStream::connect(store.address())
        .await
        .expect("the store listens");
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 1])).await;
    assert_eq!(read.expect("closed in time").expect("a clean end"), 0);
    store.stop().await.expect("the store stops");
}
