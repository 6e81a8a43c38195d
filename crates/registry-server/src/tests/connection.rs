//! Connections with oversized, slow, torn and hostile requests.

use std::time::Duration;

use convoy_server_kit::Limits;
use hyper::Method;
use serde_json::{Value, json};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::tests::{LIMITS, Server, settings, start, start_with};

#[tokio::test]
async fn bodies_and_heads_are_limited_and_torn_requests_affect_no_others() {
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
        // The connection is closed or reset.
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
async fn idle_connection_is_closed() {
    let limits = Limits {
        idle: Duration::from_millis(50),
        ..LIMITS
    };
    let server = start_with(settings().with_limits(limits)).await;
    let mut stream = TcpStream::connect(server.registry.address())
        .await
        .expect("connects");
    stream.write_all(b"GET / HT").await.expect("writes");
    let mut reply = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut reply));
    drop(ended.await.expect("the server closes the connection"));
}

/// Schemas that are expensive to check: nesting, choices of choices, patterns, references.
fn hostile() -> Vec<Value> {
    let nest = |key: &str, depth: usize| {
        let close = if key == "items" { "}" } else { "]}" };
        let open = if key == "items" {
            "{\"items\":".to_owned()
        } else {
            format!("{{\"{key}\":[{{\"type\":\"integer\"}},")
        };
        let text = format!("{}{{}}{}", open.repeat(depth), close.repeat(depth));
        serde_json::from_str(&text).expect("it is JSON")
    };
    let choices: Vec<Value> = (0..20)
        .map(|n| json!({ "properties": { format!("p{n}"): { "minimum": n } } }))
        .collect();
    let definitions: serde_json::Map<String, Value> = (0..40)
        .map(|n| {
            let next = json!({ "$ref": format!("#/definitions/d{}", (n + 1) % 40) });
            (format!("d{n}"), json!({ "allOf": [next, next] }))
        })
        .collect();
    vec![
        nest("items", 120),
        nest("anyOf", 55),
        nest("oneOf", 55),
        nest("allOf", 55),
        json!({ "allOf": choices, "anyOf": choices }),
        json!({ "oneOf": choices, "not": { "anyOf": choices } }),
        json!({ "pattern": "^(a+)+$", "patternProperties": { "(x+x+)+y": {} } }),
        json!({ "pattern": "(((a{1000}){1000}){1000})" }),
        json!({ "definitions": definitions, "$ref": "#/definitions/d0" }),
        json!({ "maximum": 1e308, "multipleOf": 1e-308, "minItems": 1e300 }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_schemas_do_not_stop_the_server() {
    let server = start().await;
    let schemas = hostile();
    for (number, schema) in schemas.iter().enumerate() {
        for (second, other) in schemas.iter().enumerate() {
            let subject = format!("s{number}-{second}");
            server.register(&subject, schema).await;
            let (status, _) = server.register(&subject, other).await;
            assert!(
                matches!(status, 200 | 409 | 422),
                "{number}, {second}: {status}"
            );
        }
    }
    assert_eq!(server.get("/").await, (200, json!({})));
}

/// Sends a head and returns the status of the response.
async fn status(server: &Server, head: &str) -> String {
    let mut stream = TcpStream::connect(server.registry.address())
        .await
        .expect("connects");
    stream.write_all(head.as_bytes()).await.expect("writes");
    let mut reply = String::new();
    drop(stream.read_to_string(&mut reply).await);
    reply.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn web_pages_can_neither_read_nor_change_schemas() {
    let server = start().await;
    let end = "Connection: close\r\nContent-Length: 2\r\n\r\n{}";
    for (head, expected) in [
        ("GET /subjects HTTP/1.1\r\nHost: evil.example:8081", "403"),
        (
            "GET /subjects HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example",
            "403",
        ),
        (
            "DELETE /subjects/s HTTP/1.1\r\nHost: localhost\r\nOrigin: null",
            "403",
        ),
        (
            "POST /subjects/s/versions HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain",
            "415",
        ),
        ("GET /subjects HTTP/1.1\r\nHost: localhost", "200"),
    ] {
        assert_eq!(
            status(&server, &format!("{head}\r\n{end}")).await,
            expected,
            "{head}"
        );
    }
}

#[tokio::test]
async fn idle_connections_do_not_keep_others_out() {
    let limits = Limits {
        connections: 3,
        idle: Duration::from_secs(600),
        ..LIMITS
    };
    let server = start_with(settings().with_limits(limits)).await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(server.registry.address())
            .await
            .expect("connects");
        drop(stream.write_all(b"GET / HT").await);
        idle.push(stream);
    }
    let answered = tokio::time::timeout(Duration::from_secs(10), server.get("/"));
    assert_eq!(answered.await.expect("it is answered"), (200, json!({})));
}

#[tokio::test]
async fn connections_without_a_request_are_closed() {
    let settings = crate::Settings {
        first_request: Duration::from_millis(50),
        ..settings()
    };
    let server = start_with(settings).await;
    for sent in ["", "GET / HT"] {
        let mut stream = TcpStream::connect(server.registry.address())
            .await
            .expect("connects");
        stream.write_all(sent.as_bytes()).await.expect("writes");
        let mut reply = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut reply));
        drop(closed.await.expect("the server closes the connection"));
        assert_eq!(reply, b"", "{sent}");
    }
}

#[tokio::test]
async fn answers_to_wrong_passwords_are_delayed() {
    let settings = settings().with_user(convoy_server_kit::User::new("fleet", "pencil"));
    let server = start_with(settings).await;
    let clock = convoy_server_kit::RunClock::start();
    for _ in 0..7 {
        let mut stream = TcpStream::connect(server.registry.address())
            .await
            .expect("connects");
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                       Authorization: Basic Zmxl\r\n\r\n";
        stream.write_all(request.as_bytes()).await.expect("writes");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.expect("a reply");
        assert!(reply.starts_with("HTTP/1.1 401"), "{reply}");
    }
    assert!(clock.now() >= 300_000_000);
}
