//! The observer of writes: told of each document once, when it is on disk.

use std::sync::{Arc, Mutex};

use tokio::time::{Duration, timeout};

use crate::bson::{ArrayBuilder, Builder, Doc};
use crate::observer::{Ticket, WriteObserver};
use crate::tests::client::{Client, TIMEOUT, is_ok};
use crate::tests::start;
use crate::{MongoServer, Settings};

/// Notes the `_id` of every document of the collection `readings`.
#[derive(Debug, Default)]
struct Notes {
    written: Mutex<Vec<Ticket>>,
    durable: Mutex<Vec<Ticket>>,
}

impl Notes {
    fn durable(&self) -> Vec<Ticket> {
        let mut durable = self.durable.lock().expect("no test panics").clone();
        durable.sort_unstable();
        durable
    }
}

impl WriteObserver for Notes {
    fn written(&self, database: &str, collection: &str, document: &[u8]) -> Option<Ticket> {
        let id = Doc::new(document).get("_id")?.as_i64()?;
        let ticket = Ticket::try_from(id).ok()?;
        if (database, collection) != ("test", "readings") {
            return None;
        }
        self.written.lock().expect("no test panics").push(ticket);
        Some(ticket)
    }

    fn durable(&self, tickets: &[Ticket]) {
        let mut durable = self.durable.lock().expect("no test panics");
        durable.extend_from_slice(tickets);
    }
}

async fn observed(replica_set: bool) -> (MongoServer, Arc<Notes>) {
    let notes = Arc::<Notes>::default();
    let mut settings = Settings::default().with_observer(Arc::<Notes>::clone(&notes));
    if replica_set {
        settings = settings.with_replica_set("rs0");
    }
    (start(settings).await, notes)
}

/// Inserts documents into a collection.
async fn insert(client: &mut Client, collection: &str, ids: &[i32], journal: bool) {
    let mut documents = ArrayBuilder::default();
    for id in ids {
        documents.push_built(Builder::new().int32("_id", *id));
    }
    let insert = Builder::new()
        .string("insert", collection)
        .array("documents", documents)
        .document("writeConcern", Builder::new().bool("j", journal));
    let reply = client.run(insert).await;
    assert!(reply.is_some_and(|reply| is_ok(&reply)));
}

/// Sets a field of a document, or inserts it.
async fn upsert(client: &mut Client, id: i32, value: i32) {
    let mut updates = ArrayBuilder::default();
    updates.push_built(
        Builder::new()
            .document("q", Builder::new().int32("_id", id))
            .document("u", Builder::new().int32("value", value))
            .bool("upsert", true),
    );
    let update = Builder::new()
        .string("update", "readings")
        .array("updates", updates)
        .document("writeConcern", Builder::new().bool("j", true));
    let reply = client.run(update).await;
    assert!(reply.is_some_and(|reply| is_ok(&reply)));
}

#[tokio::test]
async fn journaled_documents_are_durable_before_their_reply() {
    for replica_set in [false, true] {
        let (server, notes) = observed(replica_set).await;
        let mut client = Client::connect(server.address()).await;
        insert(&mut client, "readings", &[1, 2], true).await;
        assert_eq!(notes.durable(), [1, 2]);
        insert(&mut client, "others", &[3], true).await;
        upsert(&mut client, 4, 1).await;
        upsert(&mut client, 4, 2).await;
        assert_eq!(notes.durable(), [1, 2, 4, 4]);
        server.stop().await.expect("the server stops");
    }
}

#[tokio::test]
async fn documents_that_no_client_waits_for_are_durable_soon() {
    let (server, notes) = observed(false).await;
    let mut client = Client::connect(server.address()).await;
    insert(&mut client, "readings", &[1], false).await;
    let durable = async {
        while notes.durable() != [1] {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(TIMEOUT, durable).await.expect("the log is synced");
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn documents_that_a_crash_loses_are_never_durable() {
    let (mut server, notes) = observed(false).await;
    let mut kept = 0;
    for round in 0..10 {
        let mut client = Client::connect(server.address()).await;
        let ids: Vec<i32> = (0..4).map(|n| round * 4 + n).collect();
        for id in &ids {
            insert(&mut client, "readings", &[*id], false).await;
        }
        server.crash().await.expect("the server starts again");
        let mut client = Client::connect(server.address()).await;
        kept = client.count("readings").await;
    }
    assert_eq!(notes.durable().len(), usize::try_from(kept).unwrap_or(0));
    assert_eq!(notes.written.lock().expect("no test panics").len(), 40);
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn concurrent_writers_are_told_of_every_document_once() {
    let (mut server, notes) = observed(false).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let address = server.address();
        writers.spawn(async move {
            let mut client = Client::connect(address).await;
            for n in 0..50 {
                insert(&mut client, "readings", &[writer * 50 + n], n % 2 == 0).await;
            }
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended.expect("the writer ends");
    }
    server.restart().await.expect("the server restarts");
    let all: Vec<Ticket> = (0..400).collect();
    assert_eq!(notes.durable(), all);
    server.stop().await.expect("the server stops");
}
