//! Start, restart, crash and stop.

use tempfile::TempDir;

use crate::bson::{ArrayBuilder, Builder};
use crate::tests::client::{Client, is_ok, list, must};
use crate::tests::start;
use crate::{Error, MongoServer, Settings};

/// Inserts a document; whether that was acknowledged.
async fn insert(client: &mut Client, id: i32, journal: bool) -> bool {
    let mut documents = ArrayBuilder::default();
    documents.push_built(Builder::new().int32("_id", id));
    let insert = Builder::new()
        .string("insert", "readings")
        .array("documents", documents)
        .document("writeConcern", Builder::new().bool("j", journal));
    client.run(insert).await.is_some_and(|reply| is_ok(&reply))
}

#[tokio::test]
async fn restart_keeps_documents_and_address() {
    let mut server = start(Settings::default()).await;
    let address = server.address();
    let mut client = Client::connect(address).await;
    assert!(insert(&mut client, 1, false).await);
    server.restart().await.expect("the server restarts");
    assert_eq!(server.address(), address);
    assert!(!insert(&mut client, 2, false).await, "the connection ended");
    let mut client = Client::connect(address).await;
    assert_eq!(client.count("readings").await, 1);
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn restart_keeps_clustered_collections_and_indexes_without_keys() {
    let mut server = start(Settings::default()).await;
    let mut client = Client::connect(server.address()).await;
    let by_id = Builder::new()
        .document("key", Builder::new().int32("_id", 1))
        .bool("unique", true);
    let create = Builder::new()
        .string("create", "readings")
        .document("clusteredIndex", by_id)
        .int64("expireAfterSeconds", 3_600);
    must(&mut client, create).await;
    let wildcard = Builder::new()
        .document("key", Builder::new().int32("$**", 1))
        .string("name", "all")
        .document("wildcardProjection", Builder::new().int32("a", 0));
    let hashed = Builder::new()
        .document("key", Builder::new().string("a", "hashed"))
        .string("name", "a_hashed");
    let create = Builder::new()
        .string("createIndexes", "readings")
        .array("indexes", list([wildcard, hashed]));
    must(&mut client, create).await;
    for id in [3, 1, 2] {
        assert!(insert(&mut client, id, false).await);
    }
    let commands = ["find", "listIndexes"].map(|name| Builder::new().string(name, "readings"));
    let commands = commands
        .into_iter()
        .chain([Builder::new().int32("listCollections", 1)]);
    let commands: Vec<Builder> = commands.collect();
    let mut before = Vec::new();
    for command in &commands {
        before.push(must(&mut client, command.clone()).await);
    }
    server.restart().await.expect("the server restarts");
    let mut client = Client::connect(server.address()).await;
    for (command, before) in commands.into_iter().zip(before) {
        assert_eq!(must(&mut client, command).await, before);
    }
}

#[tokio::test]
async fn snapshot_has_collections_connections_and_requests() {
    let server = start(Settings::default()).await;
    assert_eq!(server.snapshot().requests, 0);
    let mut client = Client::connect(server.address()).await;
    assert!(insert(&mut client, 1, false).await);
    let snapshot = server.snapshot();
    assert_eq!((snapshot.connections, snapshot.requests), (1, 1));
    let [collection] = &snapshot.collections[..] else {
        panic!("{snapshot:?}");
    };
    assert!(collection.name.ends_with(".readings"), "{collection:?}");
    assert_eq!(collection.documents, 1);
    assert!(collection.bytes > 0);
}

#[tokio::test]
async fn crash_loses_at_most_what_was_not_synced() {
    let mut server = start(Settings::default()).await;
    for round in 0..10 {
        let mut client = Client::connect(server.address()).await;
        assert!(insert(&mut client, round * 10, true).await);
        let before = client.count("readings").await;
        for id in 1..5 {
            assert!(insert(&mut client, round * 10 + id, false).await);
        }
        let lost = server.crash().await.expect("the server starts again");
        let lost = i64::try_from(lost).expect("a small number");
        let mut client = Client::connect(server.address()).await;
        assert_eq!(client.count("readings").await, before + 4 - lost);
    }
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn crash_cuts_connections() {
    let mut server = start(Settings::default()).await;
    let mut client = Client::connect(server.address()).await;
    assert!(insert(&mut client, 1, true).await);
    server.crash().await.expect("the server starts again");
    assert!(!insert(&mut client, 2, true).await);
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn failed_restart_can_be_retried() {
    let directory = TempDir::new().expect("a temporary directory");
    let mut server = start(Settings::default().with_data_dir(directory.path())).await;
    let path = directory.path().join("00000001.log");
    let moved = directory.path().join("moved");
    // A directory cannot be opened as a segment.
    std::fs::rename(&path, &moved).expect("the segment is there");
    std::fs::create_dir(&path).expect("the name is free");
    let restarted = server.restart().await;
    assert!(matches!(restarted, Err(Error::Open(_))), "{restarted:?}");
    std::fs::remove_dir(&path).expect("the directory is there");
    std::fs::rename(&moved, &path).expect("the segment is there");
    server.restart().await.expect("the server restarts");
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn temporary_directory_is_removed_and_a_named_one_is_kept() {
    let server = start(Settings::default()).await;
    let temporary = server.directory().to_owned();
    assert!(temporary.exists());
    server.stop().await.expect("the server stops");
    assert!(!temporary.exists());

    let directory = TempDir::new().expect("a temporary directory");
    let settings = Settings::default().with_data_dir(directory.path());
    let server = start(settings.clone()).await;
    let mut client = Client::connect(server.address()).await;
    assert!(insert(&mut client, 1, false).await);
    server.stop().await.expect("the server stops");
    let server = MongoServer::start(settings).await.expect("it starts again");
    let mut client = Client::connect(server.address()).await;
    assert_eq!(client.count("readings").await, 1);
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn uri_names_the_bound_port() {
    let server = start(Settings::default()).await;
    assert_ne!(server.address().port(), 0);
    assert_eq!(server.uri(), format!("mongodb://{}", server.address()));
    server.stop().await.expect("the server stops");
}
