//! Tailable cursors of capped collections that lose documents.

use crate::Settings;
use crate::bson::{Builder, Doc};
use crate::tests::client::{Client, is_ok, list, must, number};
use crate::tests::start;

async fn insert(client: &mut Client, ids: std::ops::Range<i32>) {
    let documents = list(ids.map(|id| Builder::new().int32("_id", id)));
    let insert = Builder::new().string("insert", "k");
    must(client, insert.array("documents", documents)).await;
}

/// Opens a cursor over a collection that keeps three documents and has the document 0, inserts, and
/// returns the next batch.
async fn next_batch_after(inserted: std::ops::Range<i32>) -> Vec<u8> {
    let server = start(Settings::default()).await;
    let mut client = Client::connect(server.address()).await;
    let create = Builder::new()
        .string("create", "k")
        .bool("capped", true)
        .int32("size", 4_096)
        .int32("max", 3);
    must(&mut client, create).await;
    insert(&mut client, 0..1).await;
    let find = Builder::new().string("find", "k").bool("tailable", true);
    let reply = must(&mut client, find).await;
    let cursor = Doc::new(&reply).get("cursor").expect("a cursor");
    let cursor = cursor.as_document().expect("a document");
    let id = number(cursor.bytes(), "id").expect("an id");
    insert(&mut client, inserted).await;
    let more = Builder::new()
        .int64("getMore", id)
        .string("collection", "k");
    let reply = client.must_answer(more).await;
    server.stop().await.expect("the server stops");
    reply
}

#[tokio::test]
async fn cursor_ends_if_the_document_that_it_read_last_is_removed() {
    assert!(is_ok(&next_batch_after(1..3).await));
    // Nothing was missed after three documents, but the place is lost.
    for inserted in [1..4, 1..9] {
        let reply = next_batch_after(inserted).await;
        assert_eq!(number(&reply, "code"), Some(136));
    }
}
