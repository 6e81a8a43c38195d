//! Modes, contexts and names of subjects.

use hyper::Method;
use serde_json::{Value, json};

use crate::tests::{Server, body, incompatible, one, start, two};

const VERSIONS: &str = "/subjects/s/versions";

impl Server {
    async fn set_mode(&self, path: &str, mode: &str) -> (u16, Value) {
        let mode = json!({ "mode": mode });
        self.send(Method::PUT, path, Some(mode)).await
    }
}

fn numbered(schema: &Value, id: u32, version: Option<u32>) -> Value {
    let mut numbered = body(schema);
    numbered["id"] = json!(id);
    if let Some(version) = version {
        numbered["version"] = json!(version);
    }
    numbered
}

#[tokio::test]
async fn schemas_are_imported_with_their_ids_and_versions() {
    let server = start().await;
    let post = Method::POST;
    server
        .refused(
            post.clone(),
            VERSIONS,
            Some(numbered(&one(), 7, None)),
            42_205,
        )
        .await;
    assert_eq!(
        server.set_mode("/mode", "import").await,
        (200, json!({ "mode": "IMPORT" }))
    );
    server
        .refused(post.clone(), VERSIONS, Some(body(&one())), 42_205)
        .await;
    for (schema, id, version) in [(one(), 7, 3), (incompatible(), 40, 9)] {
        let imported = Some(numbered(&schema, id, Some(version)));
        let reply = server.send(post.clone(), VERSIONS, imported).await;
        assert_eq!(reply, (200, json!({ "id": id })));
    }
    let last = server
        .send(post.clone(), VERSIONS, Some(numbered(&two(), 41, None)))
        .await;
    assert_eq!(last, (200, json!({ "id": 41 })));
    server
        .refused(post, VERSIONS, Some(numbered(&one(), 40, None)), 42_205)
        .await;
    assert_eq!(server.get(VERSIONS).await.1, json!([3, 9, 10]));
    assert_eq!(
        server.get("/schemas/ids/7").await.1["schema"],
        one().to_string()
    );
    server.set_mode("/mode", "READWRITE").await;
    assert_eq!(
        server.register("t", &json!({ "title": "x" })).await.1,
        json!({ "id": 42 })
    );
}

#[tokio::test]
async fn import_starts_without_schemas_unless_it_is_forced() {
    let server = start().await;
    let import = Some(json!({ "mode": "IMPORT" }));
    server.register("s", &one()).await;
    for path in ["/mode", "/mode/s"] {
        server
            .refused(Method::PUT, path, import.clone(), 42_205)
            .await;
    }
    assert_eq!(server.set_mode("/mode/t", "IMPORT").await.0, 200);
    assert_eq!(server.set_mode("/mode/s?force=true", "IMPORT").await.0, 200);
    server.send(Method::DELETE, "/mode/s", None).await;
    server.send(Method::DELETE, "/subjects/s", None).await;
    assert_eq!(server.set_mode("/mode/s", "IMPORT").await.0, 200);
    assert_eq!(server.get("/subjects?deleted=true").await.1, json!([]));
}

#[tokio::test]
async fn only_what_was_set_for_a_subject_can_be_reset() {
    let server = start().await;
    for path in ["/config/s", "/mode/s"] {
        server.refused(Method::DELETE, path, None, 40_401).await;
    }
    assert_eq!(
        server.get("/mode/s?defaultToGlobal=true").await.1,
        json!({ "mode": "READWRITE" })
    );
    server.set_mode("/mode", "READONLY").await;
    assert_eq!(
        server.get("/mode/s?defaultToGlobal=true").await.1,
        json!({ "mode": "READONLY" })
    );
    let reset = server.send(Method::DELETE, "/mode", None).await;
    assert_eq!(reset, (200, json!({ "mode": "READONLY" })));
    assert_eq!(server.get("/mode").await.1, json!({ "mode": "READWRITE" }));
    let reset = server.send(Method::DELETE, "/config", None).await;
    assert_eq!(reset, (200, json!({ "compatibilityLevel": "BACKWARD" })));
}

#[tokio::test]
async fn contexts_are_those_in_the_names_of_subjects() {
    let server = start().await;
    assert_eq!(server.get("/contexts").await.1, json!(["."]));
    server.register(":.test:s", &one()).await;
    server.register("s", &one()).await;
    assert_eq!(server.get("/contexts").await.1, json!([".", ".test"]));
    assert_eq!(
        server.get("/subjects?subjectPrefix=:.test:").await.1,
        json!([":.test:s"])
    );
}

#[tokio::test]
async fn each_context_has_ids_of_its_own() {
    let server = start().await;
    for (subject, schema, id) in [
        ("a", one(), 1),
        ("b", two(), 2),
        (":.test:a", two(), 1),
        (":.test:c", one(), 2),
        (":.test:d", two(), 1),
    ] {
        let registered = server.register(subject, &schema).await;
        assert_eq!(registered, (200, json!({ "id": id })), "{subject}");
    }
    for (path, schema) in [
        ("/schemas/ids/1", Some(one())),
        ("/schemas/ids/1?subject=a", Some(one())),
        ("/schemas/ids/1?subject=:.test:", Some(two())),
        ("/schemas/ids/2?subject=:.test:c", Some(one())),
        ("/contexts/.test/schemas/ids/1", Some(two())),
        ("/schemas/ids/1?subject=:.other:", None),
    ] {
        let found = server.get(path).await.1;
        let expected = schema.map(|schema| schema.to_string());
        assert_eq!(found["schema"].as_str(), expected.as_deref(), "{path}");
    }
    let uses = server.get("/contexts/.test/schemas/ids/1/subjects").await.1;
    assert_eq!(uses, json!([":.test:a", ":.test:d"]));
    let in_context = server.get("/contexts/.test/subjects").await.1;
    assert_eq!(in_context, json!([":.test:a", ":.test:c", ":.test:d"]));
    assert_eq!(
        server.get("/subjects?subjectPrefix=").await.1,
        json!(["a", "b"])
    );
}

#[tokio::test]
async fn id_of_a_subject_without_a_context_is_found_in_the_context_that_has_it() {
    let server = start().await;
    server.register(":.test:a", &one()).await;
    let found = server.get("/schemas/ids/1?subject=a").await.1;
    assert_eq!(found["schema"], one().to_string());
    for path in ["/schemas/ids/1", "/schemas/ids/1?subject=b"] {
        server.refused(Method::GET, path, None, 40_403).await;
    }
}

#[tokio::test]
async fn settings_of_a_context_apply_to_its_subjects() {
    let server = start().await;
    server.register(":.test:s", &one()).await;
    server.register("s", &one()).await;
    let none = Some(json!({ "compatibility": "NONE" }));
    let put = server
        .send(Method::PUT, "/contexts/.test/config", none)
        .await;
    assert_eq!(put.0, 200);
    assert_eq!(server.register(":.test:s", &incompatible()).await.0, 200);
    assert_eq!(server.register("s", &incompatible()).await.0, 409);
    server.set_mode("/mode/:.test:", "READONLY").await;
    assert_eq!(server.register(":.test:s", &two()).await.0, 422);
    assert_eq!(server.register("t", &two()).await.0, 200);
}

#[tokio::test]
async fn references_are_resolved_in_the_context_of_the_schema() {
    let server = start().await;
    let whole = json!({
        "schema": json!({ "properties": { "p": { "$ref": "p.json" } } }).to_string(),
        "schemaType": "JSON",
        "references": [{ "name": "p.json", "subject": "part", "version": -1 }],
    });
    server.register(":.test:part", &one()).await;
    let path = "/contexts/.test/subjects/whole/versions";
    let registered = server.send(Method::POST, path, Some(whole.clone())).await;
    assert_eq!(registered, (200, json!({ "id": 2 })));
    server
        .refused(
            Method::POST,
            "/subjects/whole/versions",
            Some(whole),
            42_201,
        )
        .await;
    let referrers = "/subjects/:.test:part/versions/1/referencedby";
    assert_eq!(server.get(referrers).await.1, json!([2]));
    let path = "/subjects/:.test:part";
    server.refused(Method::DELETE, path, None, 42_206).await;
}

#[tokio::test]
async fn reserved_names_and_control_characters_are_refused() {
    let server = start().await;
    for name in ["__GLOBAL", "__EMPTY", "a%00b", "a%0Ab"] {
        let path = format!("/subjects/{name}/versions");
        server
            .refused(Method::POST, &path, Some(body(&one())), 42_208)
            .await;
    }
}
