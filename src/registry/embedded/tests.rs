//! The registry as clients see it: over HTTP on loopback, by our own client and by plain requests.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::registry::client::{self, Client};
use crate::registry::schema::{Schema, SchemaType};

const LIMITS: Limits = Limits {
    connections: 100,
    frame_bytes: 64 << 10,
    idle: Duration::from_secs(5),
};

/// A password that must not be seen anywhere.
const SENTINEL: &str = "s3ntinel-pa55word";

struct Server {
    registry: Registry,
    http: reqwest::Client,
}

async fn start_with(settings: Settings) -> Server {
    // The first test of the process installs it; the others find it installed.
    drop(rustls::crypto::ring::default_provider().install_default());
    Server {
        registry: Registry::start(settings).await.expect("starts"),
        http: reqwest::Client::new(),
    }
}

fn settings() -> Settings {
    Settings {
        listen: ([127, 0, 0, 1], 0).into(),
        data_dir: None,
        users: Vec::new(),
        limits: LIMITS,
    }
}

async fn start() -> Server {
    start_with(settings()).await
}

impl Server {
    fn url(&self) -> String {
        format!("http://{}", self.registry.address())
    }

    fn client(&self, credentials: Option<Credentials>) -> Client {
        let settings = client::Settings {
            url: self.url(),
            credentials,
            ca_pem: None,
            deadline: Duration::from_secs(10),
        };
        Client::new(&settings).expect("the settings are fine")
    }

    /// Sends a request and returns the status and the JSON of the reply.
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.url()));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("the registry answers");
        let media_type = response.headers()["content-type"].clone();
        assert_eq!(media_type, "application/vnd.schemaregistry.v1+json");
        let status = response.status().as_u16();
        let text = response.text().await.expect("the reply has a body");
        (
            status,
            serde_json::from_str(&text).expect("the reply is JSON"),
        )
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, None).await
    }

    async fn register(&self, subject: &str, schema: &Value) -> (u16, Value) {
        let path = format!("/subjects/{subject}/versions");
        self.ask(Method::POST, &path, Some(body(schema))).await
    }

    /// Asserts that a request is refused with an error code and its HTTP status.
    async fn refused(&self, method: Method, path: &str, body: Option<Value>, code: u64) {
        let (status, reply) = self.ask(method.clone(), path, body).await;
        assert_eq!(reply["error_code"], code, "{method} {path}: {reply}");
        let expected = if code < 1_000 { code } else { code / 100 };
        assert_eq!(u64::from(status), expected, "{method} {path}");
        assert!(reply["message"].is_string());
    }
}

fn body(schema: &Value) -> Value {
    json!({ "schema": schema.to_string(), "schemaType": "JSON" })
}

fn closed(properties: &Value) -> Value {
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn one() -> Value {
    closed(&json!({ "a": { "type": "integer" } }))
}

fn two() -> Value {
    closed(&json!({ "a": { "type": "integer" }, "b": { "type": "string" } }))
}

fn incompatible() -> Value {
    closed(&json!({ "a": { "type": "string" } }))
}

#[tokio::test]
async fn a_schema_is_registered_once_and_found_by_id_version_and_content() {
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
        .ask(Method::POST, "/subjects/s", Some(body(&one())))
        .await
        .1;
    assert_eq!((&found["version"], &found["id"]), (&json!(1), &json!(1)));
    let all = server.get("/schemas?latestOnly=true").await.1;
    assert_eq!(all.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn what_is_not_there_is_refused_with_confluents_codes() {
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
        .refused(get.clone(), "/schemas/ids/x", None, 40_403)
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
async fn what_is_wrong_is_refused_with_confluents_codes() {
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
            Some(json!({ "mode": "IMPORT" })),
            42_204,
        )
        .await;
}

#[tokio::test]
async fn subjects_are_deleted_softly_first_and_then_for_good() {
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
            .ask(delete.clone(), "/subjects/s/versions/1", None)
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
        server.ask(delete.clone(), "/subjects/s", None).await.1,
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
        .ask(delete.clone(), "/subjects/s?permanent=true", None)
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
async fn levels_decide_what_may_follow() {
    let server = start().await;
    let put = |path: &'static str, level: &str| {
        let body = json!({ "compatibility": level });
        let server = &server;
        async move { server.ask(Method::PUT, path, Some(body)).await.1 }
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
        async move { server.ask(Method::POST, path, Some(body(&schema))).await.1 }
    };
    let path = "/compatibility/subjects/s/versions/latest";
    assert_eq!(check(path, one()).await, json!({ "is_compatible": true }));
    let verbose = check(
        "/compatibility/subjects/s/versions?verbose=True",
        incompatible(),
    )
    .await;
    assert_eq!(verbose["is_compatible"], json!(false));
    assert!(
        verbose["messages"][0]
            .as_str()
            .is_some_and(|text| text.starts_with("version 2: "))
    );
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
    let reset = server.ask(Method::DELETE, "/config/s", None).await.1;
    assert_eq!(
        reset,
        json!({ "compatibilityLevel": "BACKWARD_TRANSITIVE" })
    );
    let global = server.get("/config/s?defaultToGlobal=true").await.1;
    assert_eq!(global, json!({ "compatibilityLevel": "NONE" }));
    assert_eq!(server.register("s", &incompatible()).await.0, 200);
}

#[tokio::test]
async fn a_read_only_subject_stays_as_it_is() {
    let server = start().await;
    server.register("s", &one()).await;
    let read_only = json!({ "mode": "READONLY" });
    let set = server
        .ask(Method::PUT, "/mode/s", Some(read_only.clone()))
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
        server.ask(Method::DELETE, "/mode/s", None).await.1,
        read_only
    );
    assert_eq!(server.register("s", &two()).await.0, 200);
}

#[tokio::test]
async fn avro_schemas_are_kept_and_compared_by_equality() {
    let server = start().await;
    let avro = |text: &str| Some(json!({ "schema": text }));
    let path = "/subjects/s/versions";
    assert_eq!(
        server.ask(Method::POST, path, avro("\"int\"")).await.1,
        json!({ "id": 1 })
    );
    assert_eq!(
        server.ask(Method::POST, path, avro(" \"int\" ")).await.1,
        json!({ "id": 1 })
    );
    assert_eq!(
        server.get("/schemas/ids/1").await.1,
        json!({ "schema": "\"int\"" })
    );
    server
        .refused(Method::POST, path, avro("\"long\""), 50_101)
        .await;
    server
        .refused(Method::POST, path, avro("\"text\""), 42_201)
        .await;
    let none = json!({ "compatibility": "NONE" });
    server.ask(Method::PUT, "/config/s", Some(none)).await;
    assert_eq!(
        server.ask(Method::POST, path, avro("\"long\"")).await.1,
        json!({ "id": 2 })
    );
}

#[tokio::test]
async fn schemas_may_refer_to_others() {
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
        server.ask(Method::POST, path, referring(1)).await.1,
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
async fn everything_survives_a_restart_and_ids_go_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let durable = || Settings {
        data_dir: Some(folder.path().join("registry")),
        ..settings()
    };
    let server = start_with(durable()).await;
    server.register("s", &one()).await;
    server.register("s", &two()).await;
    server.register("gone", &incompatible()).await;
    server.ask(Method::DELETE, "/subjects/gone", None).await;
    server
        .ask(Method::DELETE, "/subjects/gone?permanent=true", None)
        .await;
    let full = json!({ "compatibility": "FULL" });
    server.ask(Method::PUT, "/config/s", Some(full)).await;
    let before = server.get("/schemas?deleted=true").await;
    let used = Registry::start(durable()).await;
    assert!(matches!(used, Err(Error::JournalInUse { .. })));
    assert!(server.registry.stop().await);
    let server = start_with(durable()).await;
    assert_eq!(server.get("/schemas?deleted=true").await, before);
    assert_eq!(
        server.get("/config/s").await.1,
        json!({ "compatibilityLevel": "FULL" })
    );
    assert_eq!(
        server.register("t", &incompatible()).await.1,
        json!({ "id": 4 })
    );
}

#[tokio::test]
async fn our_client_registers_looks_up_and_reads() {
    let server = start().await;
    let client = server.client(None);
    let schema = Schema::json(one().to_string());
    let subject = "topic/with spaces-value";
    let id = client.register(subject, &schema).await.expect("registers");
    assert_eq!(client.schema(id).await.expect("is there"), schema);
    let registered = client.lookup(subject, &schema).await.expect("is there");
    assert_eq!((registered.id, registered.version), (id, 1));
    assert_eq!(client.latest(subject).await.expect("is there"), registered);
    let other = Schema::json(incompatible().to_string());
    let error = client
        .register(subject, &other)
        .await
        .expect_err("it is incompatible");
    assert!(matches!(error, Error::Refused { code: 409, .. }), "{error}");
    assert!(error.hint().contains("NONE"));
    let error = client.schema(99).await.expect_err("it is not there");
    assert!(
        matches!(error, Error::Refused { code: 40_403, .. }),
        "{error}"
    );
    assert_eq!(registered.schema.kind, SchemaType::Json);
}

#[tokio::test]
async fn only_users_are_answered_and_no_password_is_shown() {
    let user = Credentials {
        user: "key".to_owned(),
        password: SENTINEL.to_owned(),
    };
    let users = vec![user.clone()];
    let server = start_with(Settings {
        users,
        ..settings()
    })
    .await;
    let client = server.client(Some(user));
    client.probe().await.expect("the user is known");
    let url = server
        .url()
        .replace("http://", &format!("http://key:{SENTINEL}@"));
    let in_url = client::Settings {
        url,
        credentials: None,
        ca_pem: None,
        deadline: Duration::from_secs(10),
    };
    let client_by_url = Client::new(&in_url).expect("the settings are fine");
    client_by_url.probe().await.expect("the user is known");
    assert!(!format!("{client:?} {client_by_url:?}").contains(SENTINEL));
    let wrong = Credentials {
        user: "key".to_owned(),
        password: format!("{SENTINEL}2"),
    };
    let error = server
        .client(Some(wrong))
        .probe()
        .await
        .expect_err("it is wrong");
    assert!(matches!(error, Error::Refused { code: 401, .. }), "{error}");
    assert!(error.hint().contains("SCHEMA_REGISTRY_API_KEY"));
    let reply = server
        .http
        .get(server.url())
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        reply.headers()["www-authenticate"],
        "Basic realm=\"convoy\""
    );
    server.registry.stop().await;
    let error = client_by_url.probe().await.expect_err("nobody listens");
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert!(!format!("{error} {error:?} {source:?}").contains(SENTINEL));
}

#[tokio::test]
async fn a_silent_registry_ends_the_call_at_its_deadline() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("binds");
    let url = format!("http://{}", silent.local_addr().expect("is bound"));
    let settings = client::Settings {
        url,
        credentials: None,
        ca_pem: None,
        deadline: Duration::from_millis(50),
    };
    let client = Client::new(&settings).expect("the settings are fine");
    let error = client.probe().await.expect_err("nobody answers");
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
    for url in ["", "127.0.0.1:8081", "ftp://x", "http://user:secret@"] {
        let settings = client::Settings {
            url: url.to_owned(),
            ..settings.clone()
        };
        let error = Client::new(&settings).expect_err("it is no URL");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn bodies_and_heads_are_limited_and_torn_requests_end_alone() {
    let server = start().await;
    let long = json!({ "schema": "x".repeat(LIMITS.frame_bytes) });
    server
        .refused(Method::POST, "/subjects/s/versions", Some(long), 413)
        .await;
    let torn: [&[u8]; 5] = [
        b"",
        b"\x16\x03\x01",
        b"GET / HTTP/1.1\r\nHost",
        b"POST /subjects/s/versions HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{",
        b"GET /%%%/%ff%2f?=&&deleted HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ];
    for bytes in torn {
        let mut stream = TcpStream::connect(server.registry.address())
            .await
            .expect("connects");
        stream.write_all(bytes).await.expect("writes");
        stream.shutdown().await.expect("shuts down");
        let mut reply = Vec::new();
        // A connection that is reset has ended as well.
        drop(stream.read_to_end(&mut reply).await);
    }
    let mut stream = TcpStream::connect(server.registry.address())
        .await
        .expect("connects");
    let head = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    drop(stream.write_all(head.as_bytes()).await);
    let mut reply = Vec::new();
    drop(stream.read_to_end(&mut reply).await);
    assert!(!String::from_utf8_lossy(&reply).contains("200 OK"));
    assert_eq!(server.get("/").await, (200, json!({})));
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_ended() {
    let limits = Limits {
        idle: Duration::from_millis(50),
        ..LIMITS
    };
    let server = start_with(Settings {
        limits,
        ..settings()
    })
    .await;
    let mut stream = TcpStream::connect(server.registry.address())
        .await
        .expect("connects");
    stream.write_all(b"GET / HT").await.expect("writes");
    let mut reply = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut reply));
    drop(ended.await.expect("the server ends the connection"));
}
