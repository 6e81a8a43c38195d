//! One connection: frames in, replies out.
//!
//! Commands run on threads that may block, one at a time per connection, so that a long scan or a
//! flush holds up nobody else.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::command::{self, Connection, Shared};
use super::frame::{self, HEADER_BYTES, Header, Protocol, Request};
use crate::net::Limits;

/// Bytes of a frame that are read before they count against the memory of all frames.
const SMALL_FRAME: usize = 64 * 1024;

/// Bytes that the large frames of all connections may take together.
const FRAME_MEMORY: usize = 512 * 1024 * 1024;

/// Bytes of a buffer that are kept for the next frame.
const KEPT_BUFFER: usize = 4 * 1024 * 1024;

/// How long a client may take to send the rest of a frame, or to take a reply.
const FRAME_DEADLINE: Duration = Duration::from_secs(60);

/// The memory that large frames share. A frame waits for its part before it is read.
#[derive(Debug)]
pub struct FrameMemory(Semaphore);

impl FrameMemory {
    /// Starts with everything free.
    pub fn new() -> Self {
        Self(Semaphore::new(FRAME_MEMORY / 1024))
    }

    /// Waits until a frame may be read; small ones may at once.
    async fn reserve(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        if bytes <= SMALL_FRAME {
            return None;
        }
        let parts = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
        self.0.acquire_many(parts).await.ok()
    }
}

/// Why a connection ended. Only worth a line in the log.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the client broke the protocol")]
    Protocol(#[source] frame::Error),
    #[error("the connection failed")]
    Socket(#[source] std::io::Error),
    #[error("the client was too slow")]
    Slow,
    #[error("a command panicked")]
    Panicked,
}

/// Serves a connection until it ends, is idle for too long, or the server stops.
pub async fn serve(
    mut stream: TcpStream,
    stopping: CancellationToken,
    id: i32,
    limits: Limits,
    shared: Arc<Shared>,
    memory: Arc<FrameMemory>,
) {
    let mut connection = Connection { id };
    let mut buffer = Vec::new();
    loop {
        let mut header = [0; HEADER_BYTES];
        let arrived = tokio::select! {
            () = stopping.cancelled() => return,
            arrived = tokio::time::timeout(limits.idle, stream.read_exact(&mut header)) => arrived,
        };
        match arrived {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return,
            Err(_) => return debug!(id, "closed an idle connection"),
        }
        let answered = answer(
            &mut stream,
            header,
            limits.frame_bytes,
            (&mut connection, &mut buffer),
            &shared,
            &memory,
        );
        if let Err(ended) = answered.await {
            let cause = std::error::Error::source(&ended).map(ToString::to_string);
            return warn!(id, cause, "closed a connection: {ended}");
        }
    }
}

/// Reads the rest of a frame, runs its command and replies.
async fn answer(
    stream: &mut TcpStream,
    header_bytes: [u8; HEADER_BYTES],
    limit: usize,
    (connection, buffer): (&mut Connection, &mut Vec<u8>),
    shared: &Arc<Shared>,
    memory: &FrameMemory,
) -> Result<(), Ended> {
    let header = Header::read(header_bytes, limit).map_err(Ended::Protocol)?;
    let body_bytes = header.length - HEADER_BYTES;
    let _reserved = memory.reserve(body_bytes).await;
    let frame = read_body(stream, body_bytes, std::mem::take(buffer)).await?;

    let shared = Arc::clone(shared);
    let mut taken = Connection { id: connection.id };
    std::mem::swap(connection, &mut taken);
    let run = move || {
        let reply = run(&shared, &mut taken, header, &header_bytes, &frame);
        (reply, taken, frame)
    };
    let done = tokio::task::spawn_blocking(run).await;
    let (reply, returned, frame) = done.map_err(|_panic| Ended::Panicked)?;
    *connection = returned;
    if frame.capacity() <= KEPT_BUFFER {
        *buffer = frame;
    }
    if let Some(reply) = reply.map_err(Ended::Protocol)? {
        let sent = tokio::time::timeout(FRAME_DEADLINE, stream.write_all(&reply)).await;
        sent.map_err(|_late| Ended::Slow)?.map_err(Ended::Socket)?;
    }
    Ok(())
}

/// Reads a frame's body. The buffer grows as bytes arrive, not by what the client announced.
async fn read_body(
    stream: &mut TcpStream,
    bytes: usize,
    mut buffer: Vec<u8>,
) -> Result<Vec<u8>, Ended> {
    buffer.clear();
    buffer.reserve(bytes.min(SMALL_FRAME));
    let mut rest = stream.take(u64::try_from(bytes).unwrap_or(u64::MAX));
    while buffer.len() < bytes {
        let read = tokio::time::timeout(FRAME_DEADLINE, rest.read_buf(&mut buffer)).await;
        let read = read.map_err(|_late| Ended::Slow)?.map_err(Ended::Socket)?;
        if read == 0 {
            return Err(Ended::Socket(std::io::ErrorKind::UnexpectedEof.into()));
        }
    }
    Ok(buffer)
}

/// Runs a command; `None` if the client wants no reply.
fn run(
    shared: &Shared,
    connection: &mut Connection,
    header: Header,
    header_bytes: &[u8],
    body: &[u8],
) -> Result<Option<Vec<u8>>, frame::Error> {
    let request = match Request::read(header, header_bytes, body) {
        Ok(request) => request,
        Err(frame::Error::Document(invalid)) => {
            // The frame's end is known, so the connection can go on.
            let reply = command::refuse_document(&invalid);
            return Ok(Some(frame::reply(
                Protocol::Message,
                header.request_id,
                &reply,
            )));
        }
        Err(error) => return Err(error),
    };
    let reply = command::execute(shared, connection, &request);
    Ok(
        (!request.unacknowledged)
            .then(|| frame::reply(request.protocol, header.request_id, &reply)),
    )
}
