//! A client that speaks just enough of the protocol for tests.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::bson::{ArrayBuilder, Builder, Doc, Value};

pub const OP_MSG: i32 = 2013;
pub const OP_QUERY: i32 = 2004;

/// Bytes before the document of a reply to `OP_MSG`.
pub const REPLY_HEAD: usize = 21;

/// Time limit for an answer; on an idle machine it takes a hundredth of this.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// Returns a message with a header.
pub fn message(opcode: i32, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(16 + body.len()).expect("test messages are small");
    let mut bytes = Vec::new();
    for number in [length, 9, 0, opcode] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(body);
    bytes
}

/// Returns the message of a command.
pub fn command(document: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 5];
    body.extend_from_slice(document);
    message(OP_MSG, &body)
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await;
        Self {
            stream: stream.expect("the server listens"),
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("bytes are sent");
    }

    /// Ends the sending direction.
    pub async fn shut_down(&mut self) {
        self.stream.shutdown().await.expect("the socket is open");
    }

    /// Returns the document of a reply that starts at `offset`; `None` if the server closed the
    /// connection.
    pub async fn receive(&mut self, offset: usize) -> Option<Vec<u8>> {
        let read = async {
            let length = self.stream.read_i32_le().await.ok()?;
            let mut rest = vec![0; usize::try_from(length).expect("a length") - 4];
            self.stream.read_exact(&mut rest).await.ok()?;
            Some(rest.split_off(offset - 4))
        };
        let received = tokio::time::timeout(TIMEOUT, read).await;
        received.expect("an answer in time")
    }

    /// Runs a command on the database `test`; `None` if the server closed the connection.
    pub async fn run(&mut self, request: Builder) -> Option<Vec<u8>> {
        let request = request.string("$db", "test").finish();
        self.send(&command(&request)).await;
        self.receive(REPLY_HEAD).await
    }

    /// Runs a command on the database `test`; returns its reply.
    pub async fn must_answer(&mut self, request: Builder) -> Vec<u8> {
        self.run(request).await.expect("a reply")
    }

    /// Returns the number of documents in a collection.
    pub async fn count(&mut self, collection: &str) -> i64 {
        let reply = self.run(Builder::new().string("count", collection)).await;
        let reply = reply.expect("a reply");
        let count = Doc::new(&reply).get("n").and_then(|count| count.as_i64());
        count.expect("a number")
    }
}

/// Returns whether a command succeeded.
pub fn is_ok(reply: &[u8]) -> bool {
    matches!(Doc::new(reply).get("ok"), Some(Value::Double(1.0)))
}

/// Runs a command that must succeed.
pub async fn must(client: &mut Client, command: Builder) -> Vec<u8> {
    let reply = client.must_answer(command).await;
    assert!(is_ok(&reply), "{:?}", Doc::new(&reply).get("errmsg"));
    assert!(Doc::new(&reply).get("writeErrors").is_none());
    reply
}

/// Returns a number of a reply.
pub fn number(reply: &[u8], field: &str) -> Option<i64> {
    Doc::new(reply).get(field)?.as_i64()
}

/// Returns an array of documents.
pub fn list(documents: impl IntoIterator<Item = Builder>) -> ArrayBuilder {
    let mut list = ArrayBuilder::default();
    for document in documents {
        list.push_built(document);
    }
    list
}
