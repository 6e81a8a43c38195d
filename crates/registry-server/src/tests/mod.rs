//! The server over HTTP on the loopback interface.

mod api;
mod connection;
mod lifecycle;
mod modes;
mod versions;

use std::time::Duration;

use convoy_server_kit::Limits;
use hyper::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{RegistryServer, Settings};

const LIMITS: Limits = Limits {
    connections: 100,
    frame_bytes: 64 << 10,
    idle: Duration::from_secs(5),
};

struct Server {
    registry: RegistryServer,
}

async fn start_with(settings: Settings) -> Server {
    let registry = RegistryServer::start(settings).await.expect("starts");
    Server { registry }
}

fn settings() -> Settings {
    Settings::default().with_limits(LIMITS)
}

async fn start() -> Server {
    start_with(settings()).await
}

impl Server {
    /// Sends a request on a new connection; returns the status and the JSON of the response.
    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(self.registry.address())
            .await
            .expect("connects");
        // The server may respond, and close, before it has read the whole body.
        drop(stream.write_all(request.as_bytes()).await);
        let mut response = String::new();
        stream
            .read_to_string(&mut response)
            .await
            .expect("the registry responds");
        let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
        let media_type = "content-type: application/vnd.schemaregistry.v1+json";
        assert!(head.lines().any(|line| line == media_type), "{head}");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        (
            status.expect("a status code"),
            serde_json::from_str(body).expect("a JSON body"),
        )
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(Method::GET, path, None).await
    }

    async fn register(&self, subject: &str, schema: &Value) -> (u16, Value) {
        let path = format!("/subjects/{subject}/versions");
        self.send(Method::POST, &path, Some(body(schema))).await
    }

    /// Asserts that a request is refused with an error code and its HTTP status.
    async fn refused(&self, method: Method, path: &str, body: Option<Value>, code: u64) {
        let (status, reply) = self.send(method.clone(), path, body).await;
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
