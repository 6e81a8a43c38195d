//! Bytes that no correct client sends. The server answers or closes the connection, and keeps
//! serving other clients.

use std::net::SocketAddr;
use std::time::Duration;

use crate::bson::{ArrayBuilder, Builder, Doc, Value, validate};
use crate::tests::client::{Client, OP_MSG, OP_QUERY, REPLY_HEAD, command, is_ok, list, message};
use crate::tests::start;
use crate::{MongoServer, Settings};

/// Sends bytes and returns the reply document; `None` if the server closed the connection.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut client = Client::connect(address).await;
    client.send(bytes).await;
    client.receive(REPLY_HEAD).await
}

fn code(reply: &[u8]) -> i64 {
    validate(reply).expect("a reply is a document");
    let code = Doc::new(reply).get("code").and_then(|code| code.as_i64());
    code.expect("an error")
}

async fn assert_serves(server: MongoServer) {
    let mut client = Client::connect(server.address()).await;
    let reply = client.run(Builder::new().int32("ping", 1)).await;
    assert!(is_ok(&reply.expect("a reply")));
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn frame_length_beyond_the_limit_closes_the_connection() {
    let server = start(Settings::default()).await;
    for length in [i32::MAX, -1, 15, 49_000_000] {
        let mut bytes = message(OP_MSG, &[]);
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        assert_eq!(exchange(server.address(), &bytes).await, None, "{length}");
    }
    assert_serves(server).await;
}

#[tokio::test]
async fn unfinished_frame_delays_no_other_client() {
    let server = start(Settings::default()).await;
    let mut torn = Client::connect(server.address()).await;
    let mut bytes = message(OP_MSG, &[0; 10]);
    bytes[..4].copy_from_slice(&40_000_000_i32.to_le_bytes());
    torn.send(&bytes).await;
    let mut closed = Client::connect(server.address()).await;
    closed.send(&bytes[..20]).await;
    closed.shut_down().await;
    assert_serves(server).await;
}

#[tokio::test]
async fn unknown_opcode_closes_the_connection() {
    let server = start(Settings::default()).await;
    for opcode in [0, 1, 2001, 2002, 2005, 2012, i32::MIN] {
        assert_eq!(
            exchange(server.address(), &message(opcode, &[0; 32])).await,
            None
        );
    }
    assert_serves(server).await;
}

#[tokio::test]
async fn command_nested_too_deep_is_rejected_and_the_connection_stays_open() {
    let server = start(Settings::default()).await;
    let mut nested = Builder::new().int32("a", 1);
    for _ in 0..3_000 {
        nested = Builder::new().document("a", nested);
    }
    let insert = Builder::new()
        .string("insert", "c")
        .string("$db", "test")
        .document("filter", nested)
        .finish();
    let mut stream = Client::connect(server.address()).await;
    stream.send(&command(&insert)).await;
    let reply = stream.receive(REPLY_HEAD).await.expect("a reply");
    assert_eq!(code(&reply), 15);
    let ping = Builder::new()
        .int32("ping", 1)
        .string("$db", "admin")
        .finish();
    stream.send(&command(&ping)).await;
    let reply = stream.receive(REPLY_HEAD).await.expect("a reply");
    assert!(is_ok(&reply));
    assert_serves(server).await;
}

#[tokio::test]
async fn one_invalid_document_rejects_its_whole_batch() {
    let server = start(Settings::default()).await;
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
    let reply = exchange(server.address(), &message(OP_MSG, &body))
        .await
        .expect("a reply");
    assert_eq!(code(&reply), 22);
    let mut client = Client::connect(server.address()).await;
    assert_eq!(client.count("c").await, 0);
    assert_serves(server).await;
}

#[tokio::test]
async fn legacy_query_is_answered_for_hello_only() {
    let server = start(Settings::default()).await;
    for (name, offset, known) in [("isMaster", 36, true), ("find", 36, false)] {
        let query = Builder::new().int32(name, 1).finish();
        let mut body = vec![0; 4];
        body.extend_from_slice(b"admin.$cmd\0");
        body.extend_from_slice(&[0; 4]);
        body.extend_from_slice(&(-1_i32).to_le_bytes());
        body.extend_from_slice(&query);
        let mut stream = Client::connect(server.address()).await;
        stream.send(&message(OP_QUERY, &body)).await;
        let reply = stream.receive(offset).await.expect("a reply");
        let doc = Doc::new(&reply);
        assert_eq!(doc.element("maxWireVersion").is_some(), known);
        assert_eq!(doc.get("code").is_none(), known);
    }
    assert_serves(server).await;
}

#[tokio::test]
async fn idle_connection_is_closed() {
    let mut settings = Settings::default();
    settings.limits.idle = Duration::from_millis(50);
    let server = start(settings).await;
    let mut client = Client::connect(server.address()).await;
    assert_eq!(client.receive(REPLY_HEAD).await, None);
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn time_limit_ends_a_query_that_makes_documents_without_end() {
    let server = start(Settings::default()).await;
    let mut client = Client::connect(server.address()).await;
    let document = list([Builder::new().int32("_id", 1)]);
    let insert = Builder::new()
        .string("insert", "c")
        .array("documents", document);
    assert!(is_ok(&client.run(insert).await.expect("a reply")));
    let project = || {
        let mut range = ArrayBuilder::default();
        range.push(&Value::Int32(0));
        range.push(&Value::Int32(1_000_000));
        let numbers = Builder::new().array("$range", range);
        Builder::new().document("$set", Builder::new().document("n", numbers))
    };
    let unwind = || Builder::new().string("$unwind", "$n");
    let count = Builder::new().string("$count", "n");
    let query = Builder::new()
        .string("aggregate", "c")
        .array(
            "pipeline",
            list([project(), unwind(), project(), unwind(), count]),
        )
        .document("cursor", Builder::new())
        .int32("maxTimeMS", 50);
    let reply = client.run(query).await.expect("a reply");
    assert_eq!(code(&reply), 50);
    assert_serves(server).await;
}
