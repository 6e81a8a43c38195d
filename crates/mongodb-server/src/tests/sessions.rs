//! Cursors of sessions that end.

use crate::bson::{Builder, Doc, Value, subtype};
use crate::tests::client::{Client, list, must, number};
use crate::tests::start;
use crate::{MongoServer, Settings};

/// Opens a cursor in a session; returns its id.
async fn open(client: &mut Client, session: &Value<'_>) -> i64 {
    let find = Builder::new()
        .string("find", "c")
        .int32("batchSize", 1)
        .document("lsid", Builder::new().with("id", session));
    let reply = must(client, find).await;
    let cursor = Doc::new(&reply).get("cursor").expect("a cursor");
    let id = cursor.as_document().and_then(|cursor| cursor.get("id"));
    id.and_then(|id| id.as_i64()).expect("an id")
}

/// Returns the error code of `getMore` in a session; `None` if it succeeds.
async fn get_more(client: &mut Client, session: &Value<'_>, id: i64) -> Option<i64> {
    let get_more = Builder::new()
        .int64("getMore", id)
        .string("collection", "c")
        .document("lsid", Builder::new().with("id", session));
    number(&client.must_answer(get_more).await, "code")
}

fn session(byte: u8) -> Value<'static> {
    Value::Binary {
        subtype: subtype::UUID,
        bytes: vec![byte; 16].into(),
    }
}

async fn started() -> (MongoServer, Client) {
    let server = start(Settings::default()).await;
    let mut client = Client::connect(server.address()).await;
    let documents = list((0..5).map(|id| Builder::new().int32("_id", id)));
    let insert = Builder::new()
        .string("insert", "c")
        .array("documents", documents);
    must(&mut client, insert).await;
    (server, client)
}

#[tokio::test]
async fn cursors_of_a_session_end_with_it_and_those_of_others_do_not() {
    let (server, mut client) = started().await;
    for command in ["killSessions", "endSessions"] {
        let (own, other) = (session(1), session(2));
        let cursor = open(&mut client, &own).await;
        let kept = open(&mut client, &other).await;
        let ended = list([Builder::new().with("id", &own)]);
        must(&mut client, Builder::new().array(command, ended)).await;
        assert_eq!(get_more(&mut client, &own, cursor).await, Some(43));
        assert_eq!(get_more(&mut client, &other, kept).await, None);
    }
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn no_sessions_are_all_sessions_to_kill_but_none_to_end() {
    let (server, mut client) = started().await;
    for (command, code) in [
        ("killSessions", Some(43)),
        ("killAllSessions", Some(43)),
        ("endSessions", None),
    ] {
        let own = session(3);
        let cursor = open(&mut client, &own).await;
        must(&mut client, Builder::new().array(command, list([]))).await;
        assert_eq!(get_more(&mut client, &own, cursor).await, code, "{command}");
    }
    server.stop().await.expect("the server stops");
}
