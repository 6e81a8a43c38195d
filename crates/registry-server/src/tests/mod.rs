//! The registry as clients see it: over HTTP on loopback, by our own client and by plain requests.

mod api;
mod confluent;
mod connection;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::*;

const LIMITS: Limits = Limits {
    connections: 100,
    frame_bytes: 64 << 10,
    idle: Duration::from_secs(5),
};

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
