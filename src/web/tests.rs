//! The server with a site of its own, asked by plain HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use crate::web::{Detail, Server, Site, WebAddress};

const DEADLINE: Duration = Duration::from_secs(20);

/// Counts how often its parts are drawn.
#[derive(Debug, Default)]
struct Counting {
    drawn: AtomicU64,
}

impl Site for Counting {
    fn page(&self) -> String {
        "<!DOCTYPE html>the page".to_owned()
    }

    fn parts(&self) -> String {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        format!("{{\"state\":\"drawn {drawn}\"}}")
    }

    fn metrics(&self) -> String {
        "up 1\n".to_owned()
    }

    fn detail(&self, name: &str) -> Detail {
        let found = match name {
            "vehicle/7" => Some("seven".to_owned()),
            "slow" => return Box::pin(std::future::pending()),
            _ => None,
        };
        Box::pin(std::future::ready(found))
    }
}

struct Fixture {
    site: Arc<Counting>,
    server: Server,
    runtime: Runtime,
}

impl Fixture {
    fn start() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let site = Arc::new(Counting::default());
        let address: WebAddress = "0".parse().unwrap();
        let shown: Arc<dyn Site> = Arc::<Counting>::clone(&site);
        let server = Server::start(&address, shown, runtime.handle()).unwrap();
        Self {
            site,
            server,
            runtime,
        }
    }

    fn host(&self) -> String {
        let url = self.server.url();
        url["http://".len()..].trim_end_matches('/').to_owned()
    }

    /// Sends a request and returns the whole response of a connection that is closed after it.
    fn ask(&self, request: &str, headers: &str) -> String {
        let host = self.host();
        let headers = if headers.contains("Host:") {
            headers.to_owned()
        } else {
            format!("Host: {host}\r\n{headers}")
        };
        let request = format!("{request} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
        self.runtime.block_on(async {
            let mut stream = TcpStream::connect(&host).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut response = Vec::new();
            let reading = stream.read_to_end(&mut response);
            tokio::time::timeout(DEADLINE, reading)
                .await
                .unwrap()
                .unwrap();
            String::from_utf8(response).unwrap()
        })
    }

    /// Opens the events and waits for their head.
    fn listen(&self) -> TcpStream {
        let host = self.host();
        let request = format!("GET /events HTTP/1.1\r\nHost: {host}\r\n\r\n");
        self.runtime.block_on(async {
            let mut stream = TcpStream::connect(&host).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            read_until(&mut stream, "\r\n\r\n").await;
            stream
        })
    }
}

/// Reads until a text arrives, and returns all that was read.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut read = Vec::new();
    let reading = async {
        loop {
            let mut chunk = [0; 1_024];
            let length = stream.read(&mut chunk).await.unwrap();
            assert!(length > 0, "closed: {}", String::from_utf8_lossy(&read));
            read.extend_from_slice(&chunk[..length]);
            if String::from_utf8_lossy(&read).contains(text) {
                break;
            }
        }
    };
    tokio::time::timeout(DEADLINE, reading).await.unwrap();
    String::from_utf8(read).unwrap()
}

#[test]
fn requests_are_answered_by_path_and_method() {
    let fixture = Fixture::start();
    let expected = [
        ("GET /", "200 OK", "the page"),
        ("GET /?query", "200 OK", "the page"),
        ("GET /live.js", "200 OK", "EventSource"),
        ("GET /metrics", "200 OK", "up 1"),
        ("GET /vehicle/7", "200 OK", "seven"),
        ("GET /vehicle/8", "404 Not Found", "no such page"),
        ("GET /../etc/passwd", "404 Not Found", "no such page"),
        ("POST /", "405 Method Not Allowed", "nothing can be changed"),
        ("DELETE /vehicle/7", "405 Method Not Allowed", "nothing"),
        ("GET /slow", "504 Gateway Timeout", "did not answer in time"),
    ];
    for (request, status, body) in expected {
        let response = fixture.ask(request, "");
        let head = format!("HTTP/1.1 {status}");
        assert!(response.starts_with(&head), "{request}: {response}");
        assert!(response.contains(body), "{request}: {response}");
    }
}

#[test]
fn page_may_load_nothing_from_elsewhere() {
    let response = Fixture::start().ask("GET /", "");
    assert!(response.contains("content-security-policy: default-src 'none'; script-src 'self'"));
    assert!(response.contains("x-content-type-options: nosniff"));
}

#[test]
fn other_hosts_and_origins_are_refused() {
    let fixture = Fixture::start();
    for headers in [
        "Host: evil.example\r\n",
        "Origin: http://evil.example\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
    ] {
        for path in ["/", "/events", "/metrics", "/vehicle/7"] {
            let response = fixture.ask(&format!("GET {path}"), headers);
            assert!(
                response.starts_with("HTTP/1.1 403"),
                "{headers}: {response}"
            );
        }
    }
}

#[test]
fn events_carry_the_parts_and_end_with_the_report() {
    let fixture = Fixture::start();
    let mut stream = fixture.listen();
    let bell = fixture.server.bell();
    bell.ring();
    let first = fixture
        .runtime
        .block_on(read_until(&mut stream, "\n\n\r\n"));
    assert!(first.contains("event: second\ndata: {\"state\":\"drawn 0\"}"));
    // A browser that stays does not keep the process.
    fixture.server.stop(Some("<p>line\none</p>"));
    let last = fixture.runtime.block_on(async {
        let mut last = String::new();
        let reading = stream.read_to_string(&mut last);
        tokio::time::timeout(DEADLINE, reading)
            .await
            .unwrap()
            .unwrap();
        last
    });
    assert!(last.contains("event: end\ndata: {\"report\":\"<p>line\\none</p>\"}"));
}

#[test]
fn nothing_is_drawn_if_no_browser_looks() {
    let fixture = Fixture::start();
    let bell = fixture.server.bell();
    bell.ring();
    // The answer to a later request proves that the server is running.
    assert!(fixture.ask("GET /metrics", "").contains("up 1"));
    fixture.server.stop(None);
    assert_eq!(fixture.site.drawn.load(Ordering::Relaxed), 0);
}

#[test]
fn browser_that_does_not_read_does_not_keep_the_process() {
    let fixture = Fixture::start();
    let _unread = fixture.listen();
    // More than the buffers of the connection hold.
    fixture.server.stop(Some(&"x".repeat(16 << 20)));
}
