//! Change streams: events, tokens, and waiting.

use crate::bson::{Builder, Doc, Element, Value};
use crate::tests::client::{Client, list, must, number};
use crate::tests::start;
use crate::{MongoServer, Settings};

/// A change stream of the database `test`, with the events that it has returned.
struct Stream {
    id: i64,
    collection: String,
    events: Vec<Vec<u8>>,
    /// `postBatchResumeToken` of the last batch.
    token: Vec<u8>,
}

impl Stream {
    async fn open(client: &mut Client, collection: Option<&str>, options: Builder) -> Self {
        let reply = client.must_answer(watch(collection, options)).await;
        let mut stream = Self {
            id: 0,
            collection: collection.unwrap_or("$cmd.aggregate").to_owned(),
            events: Vec::new(),
            token: Vec::new(),
        };
        stream.take(&reply, "firstBatch");
        stream
    }

    fn take(&mut self, reply: &[u8], batch: &str) {
        let cursor = document(Doc::new(reply), "cursor");
        let cursor = Doc::new(&cursor);
        self.id = cursor.get("id").and_then(|id| id.as_i64()).expect("an id");
        self.token = document(cursor, "postBatchResumeToken");
        let Some(Value::Array(batch)) = cursor.get(batch) else {
            panic!("no batch");
        };
        let events = Doc::new(&batch).elements().filter_map(Element::doc);
        self.events
            .extend(events.map(|event| event.bytes().to_vec()));
    }

    /// Reads until there are so many events.
    async fn read(&mut self, client: &mut Client, count: usize) {
        while self.events.len() < count {
            assert_ne!(self.id, 0, "the stream is open");
            let reply = must(client, self.get_more(5_000)).await;
            self.take(&reply, "nextBatch");
        }
    }

    fn get_more(&self, wait_ms: i64) -> Builder {
        Builder::new()
            .int64("getMore", self.id)
            .string("collection", &self.collection)
            .int64("maxTimeMS", wait_ms)
    }

    /// Returns the type of each event.
    fn types(&self) -> Vec<String> {
        let text = |event: &Vec<u8>| text(Doc::new(event), "operationType");
        self.events.iter().map(text).collect()
    }
}

fn watch(collection: Option<&str>, options: Builder) -> Builder {
    let command = match collection {
        Some(name) => Builder::new().string("aggregate", name),
        None => Builder::new().int32("aggregate", 1),
    };
    let stage = Builder::new().document("$changeStream", options);
    command
        .array("pipeline", list([stage]))
        .document("cursor", Builder::new())
}

fn document(doc: Doc<'_>, field: &str) -> Vec<u8> {
    match doc.get(field) {
        Some(Value::Document(bytes)) => bytes.into_owned(),
        other => panic!("{field} is {other:?}"),
    }
}

fn text(doc: Doc<'_>, field: &str) -> String {
    let value = doc.get(field).expect("the field");
    value.as_str().expect("text").to_owned()
}

fn insert(collection: &str, id: i32) -> Builder {
    Builder::new()
        .string("insert", collection)
        .array("documents", list([Builder::new().int32("_id", id)]))
}

fn update(id: i32, change: Builder) -> Builder {
    let statement = Builder::new()
        .document("q", Builder::new().int32("_id", id))
        .document("u", change);
    Builder::new()
        .string("update", "c")
        .array("updates", list([statement]))
}

fn set(field: &str, value: i32) -> Builder {
    Builder::new().document("$set", Builder::new().int32(field, value))
}

fn delete(id: i32) -> Builder {
    let statement = Builder::new()
        .document("q", Builder::new().int32("_id", id))
        .int32("limit", 1);
    Builder::new()
        .string("delete", "c")
        .array("deletes", list([statement]))
}

async fn served() -> (MongoServer, Client) {
    let server = start(Settings::default().with_replica_set("rs0")).await;
    let client = Client::connect(server.address()).await;
    (server, client)
}

#[tokio::test]
async fn stream_of_a_standalone_server_is_rejected() {
    let server = start(Settings::default()).await;
    let mut client = Client::connect(server.address()).await;
    let reply = client.must_answer(watch(Some("c"), Builder::new())).await;
    assert_eq!(number(&reply, "code"), Some(40_573));
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn changes_are_events_in_their_order() {
    let (server, mut client) = served().await;
    let mut one = Stream::open(&mut client, Some("c"), Builder::new()).await;
    let mut all = Stream::open(&mut client, None, Builder::new()).await;
    must(&mut client, insert("c", 1)).await;
    must(&mut client, insert("other", 1)).await;
    must(&mut client, update(1, set("a", 2))).await;
    must(&mut client, update(1, Builder::new().int32("b", 3))).await;
    must(&mut client, delete(1)).await;
    must(&mut client, Builder::new().string("drop", "c")).await;
    one.read(&mut client, 6).await;
    let types = [
        "insert",
        "update",
        "replace",
        "delete",
        "drop",
        "invalidate",
    ];
    assert_eq!(one.types(), types);
    assert_eq!(one.id, 0, "the stream has ended");
    all.read(&mut client, 6).await;
    let types = ["insert", "insert", "update", "replace", "delete", "drop"];
    assert_eq!(all.types(), types);
    assert_ne!(all.id, 0);
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn update_is_described_by_its_paths() {
    let (server, mut client) = served().await;
    let inner = Builder::new().int32("p", 1).int32("q", 2);
    let numbers = [Value::Int32(1), Value::Int32(2)];
    let stored = Builder::new()
        .int32("_id", 1)
        .document("d", inner)
        .array("l", numbers.into_iter().collect());
    let command = Builder::new()
        .string("insert", "c")
        .array("documents", list([stored]));
    must(&mut client, command).await;
    let mut stream = Stream::open(&mut client, Some("c"), Builder::new()).await;
    let change = Builder::new()
        .document("$set", Builder::new().int32("d.p", 5))
        .document("$unset", Builder::new().int32("d.q", 1))
        .document("$push", Builder::new().int32("l", 3));
    must(&mut client, update(1, change)).await;
    let whole = Builder::new().document("d", Builder::new().int32("p", 5).int32("z", 1));
    must(
        &mut client,
        update(1, Builder::new().document("$set", whole)),
    )
    .await;
    stream.read(&mut client, 2).await;
    let shown = |event: &Vec<u8>| {
        let description = document(Doc::new(event), "updateDescription");
        Value::Document(description.into()).to_string()
    };
    let shown: Vec<String> = stream.events.iter().map(shown).collect();
    let expected = [
        r#"{ updatedFields: { d.p: 5, l.2: 3 }, removedFields: [ "d.q" ], truncatedArrays: [] }"#,
        "{ updatedFields: { d: { p: 5, z: 1 } }, removedFields: [], truncatedArrays: [] }",
    ];
    assert_eq!(shown, expected);
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn stream_resumes_after_each_token_also_after_a_crash() {
    let (mut server, mut client) = served().await;
    let mut stream = Stream::open(&mut client, Some("c"), Builder::new()).await;
    let mut tokens = vec![stream.token.clone()];
    for id in 1..5 {
        must(&mut client, insert("c", id)).await;
        stream.read(&mut client, tokens.len()).await;
        tokens.push(document(
            Doc::new(stream.events.last().expect("one")),
            "_id",
        ));
    }
    server.crash().await.expect("the server starts again");
    let mut client = Client::connect(server.address()).await;
    for (index, token) in tokens.iter().enumerate() {
        for option in ["resumeAfter", "startAfter"] {
            let options = Builder::new().raw_document(option, Doc::new(token));
            let resumed = Stream::open(&mut client, Some("c"), options).await;
            assert_eq!(resumed.events, stream.events[index..]);
        }
    }
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn stream_can_start_at_a_time() {
    let (server, mut client) = served().await;
    let first = must(&mut client, insert("c", 1)).await;
    let second = must(&mut client, insert("c", 2)).await;
    for (reply, count) in [(first, 2), (second, 1)] {
        let time = Doc::new(&reply).get("operationTime").expect("a time");
        let options = Builder::new().with("startAtOperationTime", &time);
        let stream = Stream::open(&mut client, Some("c"), options).await;
        assert_eq!(stream.events.len(), count);
    }
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn point_that_the_oplog_has_lost_is_an_error() {
    let mut settings = Settings::default().with_replica_set("rs0");
    settings.oplog_bytes = 20_000;
    let server = start(settings).await;
    let mut client = Client::connect(server.address()).await;
    let stream = Stream::open(&mut client, Some("c"), Builder::new()).await;
    let filling = "x".repeat(2_000);
    for id in 0..30 {
        let document = Builder::new().int32("_id", id).string("filling", &filling);
        let insert = Builder::new()
            .string("insert", "other")
            .array("documents", list([document]));
        must(&mut client, insert).await;
    }
    let reply = client.must_answer(stream.get_more(100)).await;
    assert_eq!(number(&reply, "code"), Some(286));
    let options = Builder::new().raw_document("resumeAfter", Doc::new(&stream.token));
    let reply = client.must_answer(watch(Some("c"), options)).await;
    assert_eq!(number(&reply, "code"), Some(286));
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn getmore_waits_for_a_change() {
    let (server, mut client) = served().await;
    let mut stream = Stream::open(&mut client, Some("c"), Builder::new()).await;
    let mut writer = Client::connect(server.address()).await;
    let read = stream.read(&mut client, 1);
    let write = must(&mut writer, insert("c", 1));
    let ((), _reply) = tokio::join!(read, write);
    assert_eq!(stream.types(), ["insert"]);
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn stream_of_a_database_can_be_killed() {
    let (server, mut client) = served().await;
    let stream = Stream::open(&mut client, None, Builder::new()).await;
    let id = [Value::Int64(stream.id)];
    let kill = Builder::new()
        .string("killCursors", &stream.collection)
        .array("cursors", id.into_iter().collect());
    must(&mut client, kill).await;
    let reply = client.must_answer(stream.get_more(100)).await;
    assert_eq!(number(&reply, "code"), Some(43));
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn stop_ends_a_getmore_that_waits() {
    let (server, mut client) = served().await;
    let stream = Stream::open(&mut client, Some("c"), Builder::new()).await;
    let wait = client.run(stream.get_more(60_000));
    let stop = async {
        tokio::task::yield_now().await;
        server.stop().await.expect("the server stops");
    };
    // A reply, or the connection was closed before the command was read.
    let (_reply, ()) = tokio::join!(wait, stop);
}

#[tokio::test]
async fn options_that_do_not_fit_are_rejected_by_code() {
    let (server, mut client) = served().await;
    let token = Builder::new().string("_data", "82FFFFFFFF0000000101");
    let garbage = Builder::new().string("_data", "garbage");
    let time = Value::Timestamp(1);
    let both = Builder::new()
        .document("resumeAfter", token.clone())
        .with("startAtOperationTime", &time);
    for (options, code) in [
        (Builder::new().int32("unknown", 1), 40_415),
        (Builder::new().string("fullDocument", "never"), 2),
        (Builder::new().bool("allChangesForCluster", true), 72),
        (Builder::new().document("resumeAfter", token), 280),
        (Builder::new().document("resumeAfter", garbage), 260),
        (
            Builder::new().document("resumeAfter", Builder::new()),
            40_647,
        ),
        (both, 40_674),
    ] {
        let reply = client.must_answer(watch(Some("c"), options)).await;
        assert_eq!(number(&reply, "code"), Some(code));
    }
    let stages = [
        Builder::new().document("$changeStream", Builder::new()),
        Builder::new().int32("$limit", 1),
    ];
    let limited = Builder::new()
        .string("aggregate", "c")
        .array("pipeline", list(stages))
        .document("cursor", Builder::new());
    let reply = client.must_answer(limited).await;
    assert_eq!(number(&reply, "code"), Some(20));
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn stream_resumed_after_a_drop_ends_with_an_invalidation() {
    let (server, mut client) = served().await;
    must(&mut client, insert("c", 1)).await;
    let mut first = Stream::open(&mut client, Some("c"), Builder::new()).await;
    must(&mut client, Builder::new().string("drop", "c")).await;
    first.read(&mut client, 2).await;
    assert_eq!(first.types(), ["drop", "invalidate"]);
    let drop = document(Doc::new(&first.events[0]), "_id");
    for option in ["resumeAfter", "startAfter"] {
        let options = Builder::new().raw_document(option, Doc::new(&drop));
        let mut resumed = Stream::open(&mut client, Some("c"), options).await;
        resumed.read(&mut client, 1).await;
        assert_eq!(resumed.types(), ["invalidate"]);
        assert_eq!(resumed.id, 0, "the stream is closed");
    }
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn stream_resumed_after_an_event_does_not_return_it_again() {
    let (server, mut client) = served().await;
    let mut first = Stream::open(&mut client, Some("c"), Builder::new()).await;
    for id in 0..3 {
        must(&mut client, insert("c", id)).await;
    }
    first.read(&mut client, 3).await;
    let token = document(Doc::new(&first.events[0]), "_id");
    let resume = || Builder::new().raw_document("resumeAfter", Doc::new(&token));
    let mut resumed = Stream::open(&mut client, Some("c"), resume()).await;
    resumed.read(&mut client, 2).await;
    assert_eq!(resumed.events, first.events[1..]);
    // Before anything was read, the token of the stream is that of the event.
    let stage = Builder::new().document("$changeStream", resume());
    let opened = Builder::new()
        .string("aggregate", "c")
        .array("pipeline", list([stage]))
        .document("cursor", Builder::new().int32("batchSize", 0));
    let reply = must(&mut client, opened).await;
    let cursor = document(Doc::new(&reply), "cursor");
    assert_eq!(document(Doc::new(&cursor), "postBatchResumeToken"), token);
    server.stop().await.expect("the server stops");
}
