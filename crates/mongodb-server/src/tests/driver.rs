//! What the official driver does in daily use.

use std::collections::BTreeSet;

use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{ErrorKind, InsertManyError};
use mongodb::options::{IndexOptions, WriteConcern};
use mongodb::{Collection, IndexModel};

use crate::tests::{refused, run, start};

/// Returns all documents of a query.
async fn all(collection: &Collection<Document>, filter: Document) -> Vec<Document> {
    let mut cursor = collection
        .find(filter)
        .await
        .expect("the query is accepted");
    let mut documents = Vec::new();
    while cursor.advance().await.expect("the cursor goes on") {
        let document = cursor.deserialize_current();
        documents.push(document.expect("a document"));
    }
    documents
}

#[tokio::test]
async fn documents_come_back_as_they_were_inserted() {
    let (store, client) = start().await;
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
        .expect("all are inserted");
    assert_eq!(inserted.inserted_ids.len(), documents.len());
    assert_eq!(all(&collection, doc! {}).await, documents);
    let counted = collection.count_documents(doc! { "vehicle": 7 }).await;
    assert_eq!(counted.expect("the count is answered"), 50);
    store.stop().await.expect("the store stops");
}

#[tokio::test]
async fn duplicates_are_reported_one_by_one_and_the_rest_is_inserted() {
    let (store, client) = start().await;
    let collection = client.database("test").collection::<Document>("readings");
    collection
        .insert_one(doc! { "_id": 2 })
        .await
        .expect("the first");
    let documents = [
        doc! { "_id": 1 },
        doc! { "_id": 2 },
        doc! { "_id": 3 },
        doc! { "_id": 1.0 },
    ];
    let failed = collection.insert_many(&documents).ordered(false).await;
    let ErrorKind::InsertMany(InsertManyError { write_errors, .. }) =
        *failed.expect_err("two are duplicates").kind
    else {
        panic!("not an error of single documents");
    };
    let errors = write_errors.expect("the errors of single documents");
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
    store.stop().await.expect("the store stops");
}

#[tokio::test]
async fn a_unique_index_is_enforced_and_used() {
    let (store, client) = start().await;
    let collection = client.database("test").collection::<Document>("readings");
    let documents = (0..1_000).map(|number| doc! { "_id": number, "key": number * 2 });
    collection
        .insert_many(documents)
        .await
        .expect("all are inserted");
    let index = IndexModel::builder()
        .keys(doc! { "key": 1 })
        .options(IndexOptions::builder().unique(true).build())
        .build();
    collection
        .create_index(index)
        .await
        .expect("the index is built");
    let failed = collection
        .insert_one(doc! { "_id": "other", "key": 4.0 })
        .await;
    let message = failed.expect_err("the key is taken").to_string();
    assert!(
        message.contains("index: key_1 dup key: { key: 4.0 }"),
        "{message}"
    );
    let found = all(&collection, doc! { "key": { "$gte": 10, "$lt": 20 } }).await;
    let keys: Vec<_> = found
        .iter()
        .map(|found| found.get_i32("key").expect("a key"))
        .collect();
    assert_eq!(keys, [10, 12, 14, 16, 18]);
    store.stop().await.expect("the store stops");
}

#[tokio::test]
async fn updates_and_deletes_change_what_they_say() {
    let (store, client) = start().await;
    let collection = client.database("test").collection::<Document>("readings");
    let documents = (0..10).map(|number| doc! { "_id": number, "n": number });
    collection
        .insert_many(documents)
        .await
        .expect("all are inserted");
    let updated = collection
        .update_many(
            doc! { "n": { "$gte": 5 } },
            doc! { "$inc": { "n": 100 }, "$set": { "a.b": true } },
        )
        .await
        .expect("the update runs");
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
        .expect("the upsert runs");
    assert_eq!(upserted.upserted_id, Some(Bson::from("new")));
    let found = all(&collection, doc! { "_id": "new" }).await;
    assert_eq!(found, [doc! { "_id": "new", "x": 1, "y": 2 }]);
    let deleted = collection.delete_many(doc! { "n": { "$gt": 3 } }).await;
    assert_eq!(deleted.expect("the delete runs").deleted_count, 6);
    assert_eq!(all(&collection, doc! {}).await.len(), 5);
    store.stop().await.expect("the store stops");
}

#[tokio::test]
async fn a_query_is_sorted_skipped_limited_and_projected() {
    let (store, client) = start().await;
    let collection = client.database("test").collection::<Document>("readings");
    let documents = (0..300).map(|number| doc! { "_id": number, "n": number % 7, "rest": "r" });
    collection
        .insert_many(documents)
        .await
        .expect("all are inserted");
    let mut cursor = collection
        .find(doc! { "n": { "$in": [1, 3] } })
        .sort(doc! { "n": -1, "_id": 1 })
        .skip(2)
        .limit(4)
        .batch_size(3)
        .projection(doc! { "n": 1 })
        .await
        .expect("the query is accepted");
    let mut found = Vec::new();
    while cursor.advance().await.expect("the cursor goes on") {
        found.push(cursor.deserialize_current().expect("a document"));
    }
    let expected: Vec<_> = [17, 24, 31, 38].map(|id| doc! { "_id": id, "n": 3 }).into();
    assert_eq!(found, expected);
    let distinct = collection.distinct("n", doc! {}).await.expect("the values");
    let distinct: BTreeSet<_> = distinct.iter().filter_map(Bson::as_i32).collect();
    assert_eq!(distinct, (0..7).collect());
    store.stop().await.expect("the store stops");
}

#[tokio::test]
async fn what_is_not_known_is_refused_with_the_right_code() {
    let (store, client) = start().await;
    assert_eq!(refused(&client, doc! { "inventCommand": 1 }).await, 59);
    assert_eq!(
        refused(
            &client,
            doc! { "find": "c", "filter": { "a": { "$near": 1 } } }
        )
        .await,
        2
    );
    assert_eq!(
        refused(&client, doc! { "find": "c", "filter": { "$what": 1 } }).await,
        2
    );
    assert_eq!(
        refused(&client, doc! { "find": "c", "fitler": {} }).await,
        40_415
    );
    assert_eq!(
        refused(&client, doc! { "find": "c", "filter": 1 }).await,
        14
    );
    assert_eq!(
        refused(&client, doc! { "getMore": 5_i64, "collection": "c" }).await,
        43
    );
    assert_eq!(refused(&client, doc! { "listIndexes": "none" }).await, 26);
    run(&client, doc! { "ping": 1 }).await;
    store.stop().await.expect("the store stops");
}
