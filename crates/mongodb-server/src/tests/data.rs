//! Documents without a client.

use crate::bson::Builder;
use crate::tests::client::{Client, list, must};
use crate::{MongoServer, Settings};

#[tokio::test]
async fn documents_are_read_in_order_of_insertion() {
    let settings = Settings::default().with_replica_set("rs0");
    let server = MongoServer::start(settings).await.unwrap();
    let mut client = Client::connect(server.address()).await;
    let documents: Vec<_> = (0..2_000)
        .rev()
        .map(|id| Builder::new().int32("_id", id).finish())
        .collect();
    let batch = (0..2_000).rev().map(|id| Builder::new().int32("_id", id));
    let insert = Builder::new().string("insert", "orders");
    must(&mut client, insert.array("documents", list(batch))).await;
    assert_eq!(server.documents("test", "orders").unwrap(), documents);
    assert_eq!(server.documents("test", "order").unwrap(), [""; 0]);
    assert_eq!(server.collections().unwrap(), ["test.orders"]);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn views_and_invalid_names_are_refused_by_name() {
    let server = MongoServer::start(Settings::default()).await.unwrap();
    let mut client = Client::connect(server.address()).await;
    let view = Builder::new()
        .string("create", "recent")
        .string("viewOn", "orders");
    must(&mut client, view.array("pipeline", list([]))).await;
    for (collection, expected) in [
        (
            "recent",
            "cannot read `test.recent`: it is a view; read it with a client",
        ),
        (
            "",
            "cannot read `test.`: Invalid namespace specified 'test.'",
        ),
    ] {
        let error = server.documents("test", collection).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    server.stop().await.unwrap();
}
