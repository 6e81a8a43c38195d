//! Versions: which schemas are the same, which version is the latest, what deletion leaves.

use hyper::Method;
use serde_json::{Value, json};

use crate::tests::{Server, body, one, start, two};

const VERSIONS: &str = "/subjects/s/versions";

impl Server {
    async fn register_avro(&self, schema: &str, query: &str) -> Value {
        let path = format!("{VERSIONS}{query}");
        let body = json!({ "schema": schema });
        let (status, reply) = self.send(Method::POST, &path, Some(body)).await;
        assert_eq!(status, 200, "{schema}: {reply}");
        reply["id"].clone()
    }

    async fn delete(&self, path: &str) -> (u16, Value) {
        self.send(Method::DELETE, path, None).await
    }
}

#[tokio::test]
async fn same_schema_in_other_words_is_the_same_version() {
    let server = start().await;
    let same = [
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#,
        "{ \"type\": \"record\",\n \"name\": \"R\", \"fields\": [ {\"name\": \"a\", \"type\": \"int\"} ] }",
        r#"{"name":"R","type":"record","fields":[{"type":"int","name":"a"}]}"#,
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"int"}}]}"#,
    ];
    for schema in same {
        assert_eq!(server.register_avro(schema, "").await, 1);
        let found = Some(json!({ "schema": schema }));
        let found = server.send(Method::POST, "/subjects/s", found).await.1;
        assert_eq!(
            (&found["version"], &found["schema"]),
            (&json!(1), &json!(same[0]))
        );
    }
    assert_eq!(server.get(VERSIONS).await.1, json!([1]));
}

#[tokio::test]
async fn normalized_schemas_are_the_same_in_any_order() {
    let server = start().await;
    let one = r#"{"type":"long","b":1,"a":2}"#;
    let other = r#"{"type":"long","a":2,"b":1}"#;
    assert_eq!(server.register_avro(one, "?normalize=true").await, 1);
    assert_eq!(server.register_avro(other, "?normalize=true").await, 1);
    assert_eq!(server.register_avro(other, "").await, 1);
    assert_eq!(server.register_avro(one, "").await, 2);
}

#[tokio::test]
async fn latest_version_is_the_last_that_is_not_deleted() {
    let server = start().await;
    server.register("s", &one()).await;
    server.register("s", &two()).await;
    let version = |path: &'static str| {
        let server = &server;
        async move { server.get(&format!("{VERSIONS}/{path}")).await.1["version"].clone() }
    };
    assert_eq!(version("latest").await, 2);
    assert_eq!(
        server.delete(&format!("{VERSIONS}/latest")).await,
        (200, json!(2))
    );
    for latest in ["latest", "-1", "latest?deleted=true"] {
        assert_eq!(version(latest).await, 1, "{latest}");
    }
    assert_eq!(version("2?deleted=true").await, 2);
    server
        .refused(Method::GET, &format!("{VERSIONS}/2"), None, 40_402)
        .await;
    for (query, expected) in [
        ("", json!([1])),
        ("?deleted=true", json!([1, 2])),
        ("?deletedOnly=true", json!([2])),
        ("?deletedAsNegative=true", json!([1, -2])),
    ] {
        assert_eq!(
            server.get(&format!("{VERSIONS}{query}")).await.1,
            expected,
            "{query}"
        );
    }
    assert_eq!(
        server.delete(&format!("{VERSIONS}/latest")).await,
        (200, json!(1))
    );
    server.refused(Method::GET, VERSIONS, None, 40_401).await;
    server
        .refused(Method::GET, &format!("{VERSIONS}/latest"), None, 40_401)
        .await;
    server
        .refused(Method::GET, &format!("{VERSIONS}/1"), None, 40_401)
        .await;
    server
        .refused(Method::GET, &format!("{VERSIONS}/1/schema"), None, 40_401)
        .await;
    server
        .refused(
            Method::GET,
            &format!("{VERSIONS}/latest?deleted=true"),
            None,
            40_402,
        )
        .await;
    assert_eq!(version("1?deleted=true").await, 1);
    for (query, expected) in [
        ("", json!([])),
        ("?deleted=true", json!(["s"])),
        ("?deletedOnly=true", json!(["s"])),
    ] {
        assert_eq!(
            server.get(&format!("/subjects{query}")).await.1,
            expected,
            "{query}"
        );
    }
}

#[tokio::test]
async fn deletion_is_refused_with_confluents_codes() {
    let server = start().await;
    let delete = Method::DELETE;
    server
        .refused(delete.clone(), "/subjects/s", None, 40_401)
        .await;
    server
        .refused(delete.clone(), &format!("{VERSIONS}/1"), None, 40_401)
        .await;
    server.register("s", &one()).await;
    server.register("s", &two()).await;
    let first = format!("{VERSIONS}/1");
    for (path, code) in [
        ("/subjects/s?permanent=true".to_owned(), 40_405),
        (format!("{VERSIONS}/9"), 40_402),
        (format!("{VERSIONS}/x"), 42_202),
        (format!("{first}?permanent=true"), 40_407),
    ] {
        server.refused(delete.clone(), &path, None, code).await;
    }
    assert_eq!(server.delete(&first).await, (200, json!(1)));
    server.refused(delete.clone(), &first, None, 40_406).await;
    assert_eq!(
        server.delete(&format!("{first}?permanent=true")).await,
        (200, json!(1))
    );
    server.refused(delete.clone(), &first, None, 40_402).await;
    assert_eq!(server.delete("/subjects/s").await, (200, json!([2])));
    server
        .refused(delete.clone(), "/subjects/s", None, 40_404)
        .await;
    assert_eq!(
        server.delete("/subjects/s?permanent=true").await,
        (200, json!([2]))
    );
    server.refused(delete, "/subjects/s", None, 40_401).await;
}

#[tokio::test]
async fn deleted_schema_is_registered_again_as_a_new_version() {
    let server = start().await;
    server.register("s", &one()).await;
    server.register("s", &two()).await;
    server.delete(&format!("{VERSIONS}/2")).await;
    server
        .refused(Method::POST, "/subjects/s", Some(body(&two())), 40_403)
        .await;
    let deleted = server
        .send(Method::POST, "/subjects/s?deleted=true", Some(body(&two())))
        .await
        .1;
    assert_eq!(deleted["version"], 2);
    assert_eq!(
        server.register("s", &two()).await,
        (200, json!({ "id": 2 }))
    );
    assert_eq!(
        server.get(&format!("{VERSIONS}?deleted=true")).await.1,
        json!([1, 3])
    );
}

#[tokio::test]
async fn subject_deleted_for_good_loses_its_level() {
    let server = start().await;
    server.register("s", &one()).await;
    let none = json!({ "compatibility": "NONE" });
    server.send(Method::PUT, "/config/s", Some(none)).await;
    server.delete("/subjects/s").await;
    assert_eq!(server.get("/config/s").await.0, 200);
    server.delete("/subjects/s?permanent=true").await;
    server.refused(Method::GET, "/config/s", None, 40_408).await;
}

#[tokio::test]
async fn deleted_schemas_keep_their_ids() {
    let server = start().await;
    server.register("s", &one()).await;
    server.delete("/subjects/s").await;
    assert_eq!(server.get("/schemas/ids/1").await.0, 200);
    for (path, expected) in [
        ("/schemas/ids/1/subjects", json!([])),
        ("/schemas/ids/1/subjects?deleted=true", json!(["s"])),
        ("/schemas/ids/1/versions", json!([])),
        (
            "/schemas/ids/1/versions?deleted=true",
            json!([{ "subject": "s", "version": 1 }]),
        ),
        ("/schemas", json!([])),
    ] {
        assert_eq!(server.get(path).await, (200, expected), "{path}");
    }
    assert_eq!(server.get("/schemas?deleted=true").await.1[0]["id"], 1);
    assert_eq!(
        server.get("/schemas/ids/1?fetchMaxId=true").await.1["maxId"],
        1
    );
    server
        .refused(Method::GET, "/schemas/ids/2/versions", None, 40_403)
        .await;
}
