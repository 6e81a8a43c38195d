//! Reads and writes by MongoDB's own driver.

use std::collections::BTreeSet;

use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{ErrorKind, InsertManyError};
use mongodb::options::{IndexOptions, WriteConcern};
use mongodb::{Collection, IndexModel};

use crate::mongodb::{error_code, run, start};

/// Returns all documents of a query.
async fn all(collection: &Collection<Document>, filter: Document) -> Vec<Document> {
    let mut cursor = collection.find(filter).await.unwrap();
    let mut documents = Vec::new();
    while cursor.advance().await.unwrap() {
        let document = cursor.deserialize_current();
        documents.push(document.unwrap());
    }
    documents
}

#[tokio::test]
async fn inserted_documents_are_read_back_unchanged() {
    let (server, client) = start().await;
    let collection = client.database("test").collection::<Document>("readings");
    let documents: Vec<_> = (0..2_500)
        .map(|number| doc! { "_id": number, "vehicle": number % 50, "value": "x".repeat(100) })
        .collect();
    let concern = WriteConcern::builder()
        .w(mongodb::options::Acknowledgment::Majority)
        .journal(true)
        .build();
    let inserted = collection
        .insert_many(&documents)
        .ordered(false)
        .write_concern(concern)
        .await
        .unwrap();
    assert_eq!(inserted.inserted_ids.len(), documents.len());
    assert_eq!(all(&collection, doc! {}).await, documents);
    let counted = collection.count_documents(doc! { "vehicle": 7 }).await;
    assert_eq!(counted.unwrap(), 50);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn unordered_insert_reports_each_duplicate_and_inserts_the_rest() {
    let (server, client) = start().await;
    let collection = client.database("test").collection::<Document>("readings");
    collection.insert_one(doc! { "_id": 2 }).await.unwrap();
    let documents = [
        doc! { "_id": 1 },
        doc! { "_id": 2 },
        doc! { "_id": 3 },
        doc! { "_id": 1.0 },
    ];
    let failed = collection.insert_many(&documents).ordered(false).await;
    let ErrorKind::InsertMany(InsertManyError { write_errors, .. }) = *failed.unwrap_err().kind
    else {
        panic!("not an error of single documents");
    };
    let errors = write_errors.unwrap();
    let found: Vec<_> = errors
        .iter()
        .map(|error| (error.index, error.code))
        .collect();
    assert_eq!(found, [(1, 11_000), (3, 11_000)]);
    assert_eq!(
        errors[0].message,
        "E11000 duplicate key error collection: test.readings index: _id_ dup key: { _id: 2 }"
    );
    assert_eq!(all(&collection, doc! {}).await.len(), 3);

    let failed = collection
        .insert_many([doc! { "_id": 10 }, doc! { "_id": 2 }, doc! { "_id": 11 }])
        .ordered(true)
        .await;
    assert!(failed.is_err());
    assert_eq!(
        all(&collection, doc! { "_id": { "$gte": 10 } }).await.len(),
        1
    );
    server.stop().await.unwrap();
}

#[tokio::test]
async fn unique_index_is_enforced_and_answers_range_queries() {
    let (server, client) = start().await;
    let collection = client.database("test").collection::<Document>("readings");
    let documents = (0..1_000).map(|number| doc! { "_id": number, "key": number * 2 });
    collection.insert_many(documents).await.unwrap();
    let index = IndexModel::builder()
        .keys(doc! { "key": 1 })
        .options(IndexOptions::builder().unique(true).build())
        .build();
    collection.create_index(index).await.unwrap();
    let failed = collection
        .insert_one(doc! { "_id": "other", "key": 4.0 })
        .await;
    let message = failed.unwrap_err().to_string();
    assert!(
        message.contains("index: key_1 dup key: { key: 4.0 }"),
        "{message}"
    );
    let found = all(&collection, doc! { "key": { "$gte": 10, "$lt": 20 } }).await;
    let keys: Vec<_> = found
        .iter()
        .map(|found| found.get_i32("key").unwrap())
        .collect();
    assert_eq!(keys, [10, 12, 14, 16, 18]);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn updates_upserts_and_deletes_change_matching_documents() {
    let (server, client) = start().await;
    let collection = client.database("test").collection::<Document>("readings");
    let documents = (0..10).map(|number| doc! { "_id": number, "n": number });
    collection.insert_many(documents).await.unwrap();
    let updated = collection
        .update_many(
            doc! { "n": { "$gte": 5 } },
            doc! { "$inc": { "n": 100 }, "$set": { "a.b": true } },
        )
        .await
        .unwrap();
    assert_eq!((updated.matched_count, updated.modified_count), (5, 5));
    let found = all(&collection, doc! { "_id": 5 }).await;
    assert_eq!(found, [doc! { "_id": 5, "n": 105, "a": { "b": true } }]);
    let upserted = collection
        .update_one(
            doc! { "_id": "new", "x": 1 },
            doc! { "$setOnInsert": { "y": 2 } },
        )
        .upsert(true)
        .await
        .unwrap();
    assert_eq!(upserted.upserted_id, Some(Bson::from("new")));
    let found = all(&collection, doc! { "_id": "new" }).await;
    assert_eq!(found, [doc! { "_id": "new", "x": 1, "y": 2 }]);
    let deleted = collection.delete_many(doc! { "n": { "$gt": 3 } }).await;
    assert_eq!(deleted.unwrap().deleted_count, 6);
    assert_eq!(all(&collection, doc! {}).await.len(), 5);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn query_is_sorted_skipped_limited_and_projected() {
    let (server, client) = start().await;
    let collection = client.database("test").collection::<Document>("readings");
    let documents = (0..300).map(|number| doc! { "_id": number, "n": number % 7, "rest": "r" });
    collection.insert_many(documents).await.unwrap();
    let mut cursor = collection
        .find(doc! { "n": { "$in": [1, 3] } })
        .sort(doc! { "n": -1, "_id": 1 })
        .skip(2)
        .limit(4)
        .batch_size(3)
        .projection(doc! { "n": 1 })
        .await
        .unwrap();
    let mut found = Vec::new();
    while cursor.advance().await.unwrap() {
        found.push(cursor.deserialize_current().unwrap());
    }
    let expected: Vec<_> = [17, 24, 31, 38].map(|id| doc! { "_id": id, "n": 3 }).into();
    assert_eq!(found, expected);
    let distinct = collection.distinct("n", doc! {}).await.unwrap();
    let distinct: BTreeSet<_> = distinct.iter().filter_map(Bson::as_i32).collect();
    assert_eq!(distinct, (0..7).collect());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn unknown_commands_arguments_and_operators_are_rejected_with_their_codes() {
    let (server, client) = start().await;
    assert_eq!(error_code(&client, doc! { "inventCommand": 1 }).await, 59);
    assert_eq!(
        error_code(
            &client,
            doc! { "find": "c", "filter": { "a": { "$near": 1 } } }
        )
        .await,
        2
    );
    assert_eq!(
        error_code(&client, doc! { "find": "c", "filter": { "$what": 1 } }).await,
        2
    );
    assert_eq!(
        error_code(&client, doc! { "find": "c", "fitler": {} }).await,
        40_415
    );
    assert_eq!(
        error_code(&client, doc! { "find": "c", "filter": 1 }).await,
        14
    );
    assert_eq!(
        error_code(&client, doc! { "getMore": 5_i64, "collection": "c" }).await,
        43
    );
    assert_eq!(
        error_code(&client, doc! { "listIndexes": "none" }).await,
        26
    );
    run(&client, doc! { "ping": 1 }).await;
    server.stop().await.unwrap();
}
