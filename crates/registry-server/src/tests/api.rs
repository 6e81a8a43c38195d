//! Every route, its replies and its error codes.

use hyper::Method;
use serde_json::{Value, json};

use crate::tests::{body, closed, incompatible, one, start, two};

#[tokio::test]
async fn schema_is_registered_once_and_found_by_id_version_and_content() {
    let server = start().await;
    assert_eq!(
        server.register("s", &one()).await,
        (200, json!({ "id": 1 }))
    );
    assert_eq!(
        server.register("s", &one()).await,
        (200, json!({ "id": 1 }))
    );
    assert_eq!(
        server.register("s", &two()).await,
        (200, json!({ "id": 2 }))
    );
    assert_eq!(
        server.register("t", &two()).await,
        (200, json!({ "id": 2 }))
    );
    assert_eq!(server.get("/subjects").await.1, json!(["s", "t"]));
    assert_eq!(
        server.get("/subjects?subjectPrefix=t").await.1,
        json!(["t"])
    );
    assert_eq!(server.get("/subjects/s/versions").await.1, json!([1, 2]));
    let latest = server.get("/subjects/s/versions/latest").await.1;
    let expected = json!({
        "subject": "s", "version": 2, "id": 2, "schemaType": "JSON", "schema": two().to_string(),
    });
    assert_eq!(latest, expected);
    assert_eq!(server.get("/subjects/s/versions/-1").await.1, expected);
    assert_eq!(server.get("/subjects/s/versions/1/schema").await.1, one());
    let by_id = json!({ "schemaType": "JSON", "schema": two().to_string() });
    assert_eq!(server.get("/schemas/ids/2").await.1, by_id);
    assert_eq!(server.get("/schemas/ids/1/schema").await.1, one());
    assert_eq!(
        server.get("/schemas/ids/2/subjects").await.1,
        json!(["s", "t"])
    );
    assert_eq!(
        server.get("/schemas/ids/2/versions").await.1,
        json!([{ "subject": "s", "version": 2 }, { "subject": "t", "version": 1 }])
    );
    let found = server
        .send(Method::POST, "/subjects/s", Some(body(&one())))
        .await
        .1;
    assert_eq!((&found["version"], &found["id"]), (&json!(1), &json!(1)));
    let all = server.get("/schemas?latestOnly=true").await.1;
    assert_eq!(all.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn missing_subjects_versions_and_routes_get_confluents_error_codes() {
    let server = start().await;
    server.register("s", &one()).await;
    let get = Method::GET;
    server
        .refused(get.clone(), "/subjects/none/versions", None, 40_401)
        .await;
    server
        .refused(get.clone(), "/subjects/none/versions/1", None, 40_401)
        .await;
    server
        .refused(get.clone(), "/subjects/s/versions/9", None, 40_402)
        .await;
    server
        .refused(get.clone(), "/subjects/s/versions/0", None, 42_202)
        .await;
    server
        .refused(get.clone(), "/subjects/s/versions/x", None, 42_202)
        .await;
    server
        .refused(get.clone(), "/schemas/ids/9", None, 40_403)
        .await;
    server
        .refused(get.clone(), "/schemas/ids/x", None, 404)
        .await;
    server.refused(get.clone(), "/config/s", None, 40_408).await;
    server.refused(get.clone(), "/mode/s", None, 40_409).await;
    server.refused(get.clone(), "/nothing", None, 404).await;
    server.refused(get, "/subjects/s", None, 405).await;
    server.refused(Method::PATCH, "/subjects", None, 405).await;
    server.refused(Method::POST, "/config", None, 405).await;
    let post = Method::POST;
    server
        .refused(post.clone(), "/subjects/none", Some(body(&one())), 40_401)
        .await;
    server
        .refused(post.clone(), "/subjects/s", Some(body(&two())), 40_403)
        .await;
}

#[tokio::test]
async fn invalid_requests_get_confluents_error_codes() {
    let server = start().await;
    server.register("s", &one()).await;
    let post = Method::POST;
    let path = "/subjects/s/versions";
    server
        .refused(
            post.clone(),
            path,
            Some(body(&json!({ "type": 1 }))),
            42_201,
        )
        .await;
    server
        .refused(
            post.clone(),
            path,
            Some(json!({ "schemaType": "JSON" })),
            42_201,
        )
        .await;
    let protobuf = json!({ "schema": "message A {}", "schemaType": "PROTOBUF" });
    server
        .refused(post.clone(), path, Some(protobuf), 42_201)
        .await;
    server
        .refused(post.clone(), path, Some(json!([1])), 400)
        .await;
    server
        .refused(post, path, Some(body(&incompatible())), 409)
        .await;
    let level = json!({ "compatibility": "SIDEWARD" });
    server
        .refused(Method::PUT, "/config", Some(level), 42_203)
        .await;
    server
        .refused(
            Method::PUT,
            "/mode",
            Some(json!({ "mode": "FORWARD" })),
            42_204,
        )
        .await;
}

#[tokio::test]
async fn subject_must_be_soft_deleted_before_it_is_deleted_permanently() {
    let server = start().await;
    server.register("s", &one()).await;
    server.register("s", &two()).await;
    let delete = Method::DELETE;
    server
        .refused(delete.clone(), "/subjects/s?permanent=true", None, 40_405)
        .await;
    server
        .refused(
            delete.clone(),
            "/subjects/s/versions/1?permanent=true",
            None,
            40_407,
        )
        .await;
    assert_eq!(
        server
            .send(delete.clone(), "/subjects/s/versions/1", None)
            .await
            .1,
        json!(1)
    );
    server
        .refused(delete.clone(), "/subjects/s/versions/1", None, 40_406)
        .await;
    assert_eq!(server.get("/subjects/s/versions").await.1, json!([2]));
    assert_eq!(
        server.get("/subjects/s/versions?deleted=true").await.1,
        json!([1, 2])
    );
    server
        .refused(Method::GET, "/subjects/s/versions/1", None, 40_402)
        .await;
    assert_eq!(
        server.send(delete.clone(), "/subjects/s", None).await.1,
        json!([2])
    );
    server
        .refused(delete.clone(), "/subjects/s", None, 40_404)
        .await;
    assert_eq!(server.get("/subjects").await.1, json!([]));
    assert_eq!(server.get("/subjects?deleted=true").await.1, json!(["s"]));
    assert_eq!(
        server.get("/subjects?deletedOnly=true").await.1,
        json!(["s"])
    );
    assert_eq!(server.get("/schemas/ids/1").await.0, 200);
    let gone = server
        .send(delete.clone(), "/subjects/s?permanent=true", None)
        .await
        .1;
    assert_eq!(gone, json!([1, 2]));
    server
        .refused(Method::GET, "/schemas/ids/1", None, 40_403)
        .await;
    server.refused(delete, "/subjects/s", None, 40_401).await;
    assert_eq!(server.register("s", &one()).await.1, json!({ "id": 3 }));
    assert_eq!(server.get("/subjects/s/versions").await.1, json!([1]));
}

#[tokio::test]
async fn level_decides_which_schemas_are_compatible() {
    let server = start().await;
    let put = |path: &'static str, level: &str| {
        let body = json!({ "compatibility": level });
        let server = &server;
        async move { server.send(Method::PUT, path, Some(body)).await.1 }
    };
    assert_eq!(
        server.get("/config").await.1,
        json!({ "compatibilityLevel": "BACKWARD" })
    );
    server.register("s", &two()).await;
    assert_eq!(server.register("s", &one()).await.0, 409);
    assert_eq!(
        put("/config/s", "forward").await,
        json!({ "compatibility": "FORWARD" })
    );
    assert_eq!(server.register("s", &one()).await.0, 200);
    let check = |path: &'static str, schema: Value| {
        let server = &server;
        async move { server.send(Method::POST, path, Some(body(&schema))).await.1 }
    };
    let path = "/compatibility/subjects/s/versions/latest";
    assert_eq!(check(path, one()).await, json!({ "is_compatible": true }));
    let verbose = check(
        "/compatibility/subjects/s/versions?verbose=True",
        incompatible(),
    )
    .await;
    assert_eq!(verbose["is_compatible"], json!(false));
    let messages = verbose["messages"].as_array().expect("messages");
    let starts = |prefix: &str| {
        let texts = messages.iter().filter_map(Value::as_str);
        texts.filter(|text| text.starts_with(prefix)).count()
    };
    assert_eq!(starts("{errorType:'TYPE_CHANGED'"), 1, "{messages:?}");
    assert_eq!(starts("{oldSchemaVersion: 2}"), 1, "{messages:?}");
    assert_eq!(starts("{compatibility: 'FORWARD'}"), 1, "{messages:?}");
    put("/config/s", "BACKWARD").await;
    let all = "/compatibility/subjects/s/versions";
    let three = closed(&json!({ "a": { "type": "integer" }, "b": { "type": "integer" } }));
    assert_eq!(
        check(all, three.clone()).await,
        json!({ "is_compatible": true })
    );
    put("/config/s", "BACKWARD_TRANSITIVE").await;
    assert_eq!(check(all, three).await, json!({ "is_compatible": false }));
    put("/config", "NONE").await;
    let reset = server.send(Method::DELETE, "/config/s", None).await.1;
    assert_eq!(
        reset,
        json!({ "compatibilityLevel": "BACKWARD_TRANSITIVE" })
    );
    let global = server.get("/config/s?defaultToGlobal=true").await.1;
    assert_eq!(global, json!({ "compatibilityLevel": "NONE" }));
    assert_eq!(server.register("s", &incompatible()).await.0, 200);
}

#[tokio::test]
async fn read_only_subject_cannot_be_changed() {
    let server = start().await;
    server.register("s", &one()).await;
    let read_only = json!({ "mode": "READONLY" });
    let set = server
        .send(Method::PUT, "/mode/s", Some(read_only.clone()))
        .await
        .1;
    assert_eq!(set, read_only);
    let path = "/subjects/s/versions";
    server
        .refused(Method::POST, path, Some(body(&two())), 42_205)
        .await;
    server
        .refused(Method::DELETE, "/subjects/s", None, 42_205)
        .await;
    assert_eq!(server.register("t", &one()).await.0, 200);
    assert_eq!(
        server.send(Method::DELETE, "/mode/s", None).await.1,
        read_only
    );
    assert_eq!(server.register("s", &two()).await.0, 200);
}

#[tokio::test]
async fn avro_schemas_are_registered_and_compared() {
    let server = start().await;
    let avro = |text: &str| Some(json!({ "schema": text }));
    let path = "/subjects/s/versions";
    assert_eq!(
        server.send(Method::POST, path, avro("\"int\"")).await.1,
        json!({ "id": 1 })
    );
    assert_eq!(
        server.send(Method::POST, path, avro(" \"int\" ")).await.1,
        json!({ "id": 1 })
    );
    assert_eq!(
        server.get("/schemas/ids/1").await.1,
        json!({ "schema": "\"int\"" })
    );
    server
        .refused(Method::POST, path, avro("\"string\""), 409)
        .await;
    server
        .refused(Method::POST, path, avro("\"text\""), 42_201)
        .await;
    let none = json!({ "compatibility": "NONE" });
    server.send(Method::PUT, "/config/s", Some(none)).await;
    assert_eq!(
        server.send(Method::POST, path, avro("\"string\"")).await.1,
        json!({ "id": 2 })
    );
}

#[tokio::test]
async fn schemas_can_refer_to_other_schemas() {
    let server = start().await;
    server.register("id", &json!({ "type": "integer" })).await;
    let schema = json!({ "properties": { "id": { "$ref": "id.json" } } }).to_string();
    let referring = |version: u32| {
        Some(json!({
            "schema": schema,
            "schemaType": "JSON",
            "references": [{ "name": "id.json", "subject": "id", "version": version }],
        }))
    };
    let path = "/subjects/s/versions";
    server
        .refused(Method::POST, path, referring(2), 42_201)
        .await;
    assert_eq!(
        server.send(Method::POST, path, referring(1)).await.1,
        json!({ "id": 2 })
    );
    assert_eq!(
        server.get("/subjects/id/versions/1/referencedby").await.1,
        json!([2])
    );
    server
        .refused(Method::DELETE, "/subjects/id", None, 42_206)
        .await;
    let by_id = server.get("/schemas/ids/2").await.1;
    assert_eq!(by_id["references"][0]["name"], "id.json");
}

#[tokio::test]
async fn lists_are_paginated() {
    let server = start().await;
    for subject in ["a", "b", "c"] {
        server.register(subject, &one()).await;
    }
    server.register("a", &two()).await;
    for (path, expected) in [
        ("/subjects?offset=1&limit=1", json!(["b"])),
        ("/subjects?offset=3&limit=9", json!([])),
        ("/subjects?limit=-1", json!(["a", "b", "c"])),
        ("/subjects/a/versions?offset=1", json!([2])),
        ("/schemas/ids/1/subjects?limit=2", json!(["a", "b"])),
    ] {
        assert_eq!(server.get(path).await.1, expected, "{path}");
    }
    let page = server.get("/schemas?offset=2&limit=1").await.1;
    assert_eq!(page[0]["subject"], "b");
    assert_eq!(page.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn client_cannot_choose_an_id_or_skip_a_version() {
    let server = start().await;
    let asking = |numbers: Value| {
        let mut asking = body(&one());
        for (name, number) in numbers.as_object().expect("numbers by name") {
            asking[name] = number.clone();
        }
        Some(asking)
    };
    let (post, path) = (Method::POST, "/subjects/s/versions");
    server
        .refused(post.clone(), path, asking(json!({ "id": 7 })), 42_205)
        .await;
    server
        .refused(post.clone(), path, asking(json!({ "version": 2 })), 42_201)
        .await;
    let first = asking(json!({ "id": -1, "version": 1 }));
    assert_eq!(server.send(post, path, first).await.1, json!({ "id": 1 }));
}

#[tokio::test]
async fn first_version_is_compatible() {
    let server = start().await;
    let check = |version: &str| format!("/compatibility/subjects/none/versions/{version}");
    let (status, verdict) = server
        .send(Method::POST, &check("latest"), Some(body(&one())))
        .await;
    assert_eq!((status, verdict), (200, json!({ "is_compatible": true })));
    server
        .refused(Method::POST, &check("1"), Some(body(&one())), 40_402)
        .await;
}

#[tokio::test]
async fn reference_to_the_latest_version_is_pinned_to_its_number() {
    let server = start().await;
    server.register("id", &json!({ "type": "integer" })).await;
    let referring = json!({
        "schema": json!({ "$ref": "id.json" }).to_string(),
        "schemaType": "JSON",
        "references": [{ "name": "id.json", "subject": "id", "version": -1 }],
    });
    let path = "/subjects/s/versions";
    assert_eq!(
        server.send(Method::POST, path, Some(referring)).await.0,
        200
    );
    server.register("id", &json!({ "type": "number" })).await;
    let kept = server.get("/subjects/s/versions/1").await.1;
    assert_eq!(kept["references"][0]["version"], 1);
}
