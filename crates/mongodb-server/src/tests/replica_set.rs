//! A replica set of one: what it tells of itself, and writes that are retried.

use crate::bson::{Builder, Doc, Value, subtype};
use crate::tests::client::{Client, list, must, number};
use crate::tests::start;
use crate::{MongoServer, Settings};

fn replica_set() -> Settings {
    Settings::default().with_replica_set("rs0")
}

async fn connect(server: &MongoServer) -> Client {
    Client::connect(server.address()).await
}

/// Numbers a write in a session.
fn numbered(command: Builder, number: i64) -> Builder {
    let id = Value::Binary {
        subtype: subtype::UUID,
        bytes: vec![7; 16].into(),
    };
    command
        .document("lsid", Builder::new().with("id", &id))
        .int64("txnNumber", number)
}

fn insert(ids: &[i32]) -> Builder {
    let documents = ids
        .iter()
        .map(|&id| Builder::new().int32("_id", id).int32("n", 0));
    Builder::new()
        .string("insert", "c")
        .array("documents", list(documents))
}

fn increment(id: i32) -> Builder {
    let by_one = Builder::new().document("$inc", Builder::new().int32("n", 1));
    let statement = Builder::new()
        .document("q", Builder::new().int32("_id", id))
        .document("u", by_one)
        .bool("upsert", true);
    Builder::new()
        .string("update", "c")
        .array("updates", list([statement]))
}

/// Returns `n` of the document with an id.
async fn value_of(client: &mut Client, id: i32) -> Option<i64> {
    let find = Builder::new()
        .string("find", "c")
        .document("filter", Builder::new().int32("_id", id));
    let reply = must(client, find).await;
    let cursor = Doc::new(&reply).get("cursor")?;
    let batch = cursor.as_document()?.get("firstBatch")?;
    let first = batch.as_array()?.get("0")?;
    first.as_document()?.get("n")?.as_i64()
}

#[tokio::test]
async fn hello_names_the_set_and_its_only_member() {
    let server = start(replica_set()).await;
    let mut client = connect(&server).await;
    let reply = must(&mut client, Builder::new().int32("hello", 1)).await;
    let address = server.address().to_string();
    for field in ["me", "primary"] {
        let value = Doc::new(&reply).get(field).expect("the field");
        assert_eq!(value.as_str(), Some(address.as_str()));
    }
    let set = Doc::new(&reply).get("setName").expect("a name");
    assert_eq!(set.as_str(), Some("rs0"));
    assert!(Doc::new(&reply).get("$clusterTime").is_some());
    assert_eq!(server.uri(), format!("mongodb://{address}/?replicaSet=rs0"));
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn standalone_server_names_no_set_and_rejects_numbered_writes() {
    let server = start(Settings::default()).await;
    let mut client = connect(&server).await;
    let reply = must(&mut client, Builder::new().int32("hello", 1)).await;
    assert!(Doc::new(&reply).get("setName").is_none());
    let reply = client.must_answer(numbered(insert(&[1]), 1)).await;
    assert_eq!(number(&reply, "code"), Some(20));
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn retried_writes_are_executed_once_also_after_a_restart() {
    let mut server = start(replica_set()).await;
    let mut client = connect(&server).await;
    let reply = must(&mut client, numbered(insert(&[1, 2]), 1)).await;
    assert_eq!(number(&reply, "n"), Some(2));
    let reply = must(&mut client, numbered(insert(&[1, 2]), 1)).await;
    assert_eq!(number(&reply, "n"), Some(2));
    let first = must(&mut client, numbered(increment(1), 2)).await;
    assert_eq!(number(&first, "nModified"), Some(1));

    server.restart().await.expect("the server restarts");
    let mut client = connect(&server).await;
    let again = must(&mut client, numbered(increment(1), 2)).await;
    assert_eq!(number(&again, "nModified"), Some(1));
    assert!(Doc::new(&again).get("retriedStmtIds").is_some());
    assert_eq!(value_of(&mut client, 1).await, Some(1));
    // The next write has another number.
    must(&mut client, numbered(increment(1), 3)).await;
    assert_eq!(value_of(&mut client, 1).await, Some(2));
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn retried_insert_adds_what_is_missing() {
    let server = start(replica_set()).await;
    let mut client = connect(&server).await;
    must(&mut client, numbered(insert(&[1]), 1)).await;
    let reply = must(&mut client, numbered(insert(&[1, 2, 3]), 1)).await;
    assert_eq!(number(&reply, "n"), Some(3));
    assert_eq!(client.count("c").await, 3);
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn retried_upsert_returns_the_same_id() {
    let server = start(replica_set()).await;
    let mut client = connect(&server).await;
    let first = must(&mut client, numbered(increment(5), 1)).await;
    let again = must(&mut client, numbered(increment(5), 1)).await;
    let upserted = |reply: &[u8]| Doc::new(reply).get("upserted").map(Value::into_owned);
    let shown = |reply: &[u8]| upserted(reply).expect("an id").to_string();
    assert_eq!(shown(&first), shown(&again));
    assert_eq!(number(&again, "n"), Some(1));
    assert_eq!(value_of(&mut client, 5).await, Some(1));
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn retried_find_and_modify_returns_the_same_document() {
    let server = start(replica_set()).await;
    let mut client = connect(&server).await;
    must(&mut client, insert(&[1, 2])).await;
    let by_one = || Builder::new().document("$inc", Builder::new().int32("n", 1));
    let command = |new: bool| {
        Builder::new()
            .string("findAndModify", "c")
            .document("query", Builder::new().int32("_id", 1))
            .document("update", by_one())
            .bool("new", new)
    };
    let remove = || {
        Builder::new()
            .string("findAndModify", "c")
            .document("query", Builder::new().int32("_id", 2))
            .bool("remove", true)
    };
    let commands = [command(false), command(true), remove()];
    for (index, command) in commands.into_iter().enumerate() {
        let turn = i64::try_from(index).expect("small");
        let first = must(&mut client, numbered(command.clone(), turn)).await;
        let again = must(&mut client, numbered(command, turn)).await;
        for field in ["value", "lastErrorObject"] {
            let of = |reply: &[u8]| Doc::new(reply).get(field).expect("the field").to_string();
            assert_eq!(of(&first), of(&again), "{field} of command {index}");
        }
    }
    assert_eq!(value_of(&mut client, 1).await, Some(2));
    assert_eq!(client.count("c").await, 1);
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn writes_that_cannot_be_retried_are_rejected_by_code() {
    let server = start(replica_set()).await;
    let mut client = connect(&server).await;
    must(&mut client, numbered(insert(&[1]), 5)).await;
    let many = Builder::new()
        .document("q", Builder::new())
        .document(
            "u",
            Builder::new().document("$set", Builder::new().int32("n", 1)),
        )
        .bool("multi", true);
    let many = Builder::new()
        .string("update", "c")
        .array("updates", list([many]));
    let all = Builder::new()
        .document("q", Builder::new())
        .int32("limit", 0);
    let all = Builder::new()
        .string("delete", "c")
        .array("deletes", list([all]));
    let find = || Builder::new().string("find", "c");
    let transaction = numbered(find(), 9)
        .bool("startTransaction", true)
        .bool("autocommit", false);
    for (command, code) in [
        (numbered(insert(&[2]), 4), 225),
        (numbered(many, 6), 72),
        (numbered(all, 7), 72),
        (numbered(find(), 8), 50_768),
        (insert(&[3]).int64("txnNumber", 1), 72),
        (transaction, 263),
    ] {
        let reply = client.must_answer(command).await;
        assert_eq!(number(&reply, "code"), Some(code));
    }
    assert_eq!(client.count("c").await, 1);
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn more_members_than_the_set_has_are_an_unmet_write_concern() {
    let server = start(replica_set()).await;
    let mut client = connect(&server).await;
    let concern = Builder::new().int32("w", 2);
    let reply = must(&mut client, insert(&[1]).document("writeConcern", concern)).await;
    let error = Doc::new(&reply).get("writeConcernError").expect("an error");
    let code = error.as_document().and_then(|error| error.get("code"));
    assert_eq!(code.and_then(|code| code.as_i64()), Some(100));
    assert_eq!(client.count("c").await, 1, "the write was done");
    server.stop().await.expect("the server stops");
}
