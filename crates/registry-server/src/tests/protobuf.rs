//! Protobuf schemas over HTTP, as text and as descriptors.

use hyper::Method;
use serde_json::{Value, json};

use crate::tests::start;

fn protobuf(schema: &str, references: &Value) -> Value {
    json!({ "schema": schema, "schemaType": "PROTOBUF", "references": references })
}

#[tokio::test]
async fn protobuf_schemas_are_registered_found_and_compared() {
    let server = start().await;
    let (post, path) = (Method::POST, "/subjects/s/versions");
    let none = json!([]);
    let text = "syntax = \"proto3\";\n\nmessage M {\n  string a = 1;\n}\n";
    let registered = server
        .send(post.clone(), path, Some(protobuf(text, &none)))
        .await;
    assert_eq!(registered, (200, json!({ "id": 1 })));
    let descriptor = server.get("/schemas/ids/1?format=serialized").await.1;
    let descriptor = descriptor["schema"].as_str().expect("a text").to_owned();
    for same in [text.replace('\n', " "), descriptor] {
        let again = server
            .send(post.clone(), path, Some(protobuf(&same, &none)))
            .await;
        assert_eq!(again, (200, json!({ "id": 1 })), "{same}");
    }
    let kept = server.get("/subjects/s/versions/1").await.1;
    assert_eq!(
        (&kept["schemaType"], &kept["schema"]),
        (&json!("PROTOBUF"), &json!(text))
    );
    let changed = text.replace("string", "int32");
    server
        .refused(post.clone(), path, Some(protobuf(&changed, &none)), 409)
        .await;
    server
        .refused(post, path, Some(protobuf("message", &none)), 42_201)
        .await;
}

#[tokio::test]
async fn protobuf_schemas_import_their_references() {
    let server = start().await;
    let (post, path) = (Method::POST, "/subjects/s/versions");
    let imported = "syntax = \"proto3\"; package p; message N { string a = 1; }";
    let to = "/subjects/n/versions";
    server
        .send(post.clone(), to, Some(protobuf(imported, &json!([]))))
        .await;
    let text = "syntax = \"proto3\"; import \"n.proto\"; message M { p.N n = 1; }";
    server
        .refused(post.clone(), path, Some(protobuf(text, &json!([]))), 42_201)
        .await;
    let references = json!([{ "name": "n.proto", "subject": "n", "version": 1 }]);
    let registered = server
        .send(post, path, Some(protobuf(text, &references)))
        .await;
    assert_eq!(registered, (200, json!({ "id": 2 })));
    assert_eq!(
        server.get("/subjects/n/versions/1/referencedby").await.1,
        json!([2])
    );
    assert_eq!(
        server.get("/schemas/types").await.1,
        json!(["JSON", "PROTOBUF", "AVRO"])
    );
}
