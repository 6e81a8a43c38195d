//! Restart and crash, as MongoDB's own driver sees them.

use mongodb::bson::{Document, doc};
use mongodb::options::WriteConcern;

use crate::mongodb::start;

#[tokio::test]
async fn client_continues_after_a_restart_and_finds_its_documents() {
    let (mut server, client) = start().await;
    let collection = client.database("test").collection::<Document>("readings");
    collection.insert_one(doc! { "_id": 1 }).await.unwrap();
    server.restart().await.unwrap();
    assert_eq!(collection.count_documents(doc! {}).await.unwrap(), 1);
    collection.insert_one(doc! { "_id": 2 }).await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn crash_keeps_writes_acknowledged_with_journal() {
    let (mut server, client) = start().await;
    let collection = client.database("test").collection::<Document>("readings");
    let journaled = WriteConcern::builder().journal(true).build();
    let inserted = collection
        .insert_one(doc! { "_id": 1 })
        .write_concern(journaled);
    inserted.await.unwrap();
    server.crash().await.unwrap();
    assert_eq!(collection.count_documents(doc! {}).await.unwrap(), 1);
    server.stop().await.unwrap();
}
