//! One connection: frames in, replies out.
//!
//! Commands run on threads that may block, one at a time per connection, so that a long scan or a
//! flush holds up nobody else.

use std::sync::Arc;
use std::time::Duration;

use bytes::Buf as _;
use convoy_server_kit::{Limits, tls};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::command::{self, Call, Client, Shared};
use crate::faults::{Disturbance, Injected, Occasion};
use crate::frame::{self, HEADER_BYTES, Header, Protocol, Reply, Request};

/// Bytes of a frame that are read before they count against the memory of all frames.
const SMALL_FRAME: usize = 64 * 1024;

/// Bytes that the large frames of all connections may take together.
const FRAME_MEMORY: usize = 512 * 1024 * 1024;

/// Bytes of a frame of a client that has not yet proved who it is.
const STRANGERS_FRAME: usize = 64 * 1024;

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
    #[error("the client closed the connection")]
    Closed,
    #[error("the store stops")]
    Stopping,
    #[error("the client said nothing for too long")]
    Idle,
    #[error("a fault plan cut the connection")]
    Cut,
    #[error("the client broke the protocol")]
    Protocol(#[source] frame::Error),
    #[error("the connection failed")]
    Socket(#[source] std::io::Error),
    #[error("the client was too slow")]
    Slow,
    #[error("a command panicked")]
    Panicked,
}

/// A connection being served.
#[derive(Debug)]
pub struct Serving<S> {
    /// The socket, or TLS over it.
    pub stream: S,
    /// Cancelled when the store stops.
    pub stopping: CancellationToken,
    /// What the client may ask for at most.
    pub limits: Limits,
    /// What all connections share.
    pub shared: Arc<Shared>,
    /// The memory that all connections share.
    pub memory: Arc<FrameMemory>,
}

impl Serving<TcpStream> {
    /// Serves a client that may begin with TLS, if there is a certificate, and need not.
    pub async fn accept(self, id: i32, tls: Option<Arc<ServerConfig>>) {
        let Some(tls) = tls else {
            return self.run(id).await;
        };
        let begun = tokio::select! {
            () = self.stopping.cancelled() => return,
            begun = tokio::time::timeout(self.limits.idle, tls::is_client_hello(&self.stream)) => begun,
        };
        match begun {
            Ok(Ok(true)) => {}
            // What is wrong with the connection is found once more, and told, where it is served.
            Ok(_) => return self.run(id).await,
            Err(_elapsed) => return debug!(id, "closed: {}", Ended::Idle),
        }
        let Self {
            stream,
            stopping,
            limits,
            shared,
            memory,
        } = self;
        match tls::accept(tls, stream).await {
            Ok(stream) => {
                let serving = Serving {
                    stream,
                    stopping,
                    limits,
                    shared,
                    memory,
                };
                serving.run(id).await;
            }
            Err(error) => info!(id, %error, "a client did not agree on TLS"),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> Serving<S> {
    /// Serves until the connection ends, is idle for too long, or the store stops.
    pub async fn run(mut self, id: i32) {
        let shared = Arc::clone(&self.shared);
        let _open = shared.counters.open();
        let mut client = Client::new(id);
        let mut buffer = Vec::new();
        let memory = Arc::clone(&self.memory);
        loop {
            match self.answer(&mut client, &mut buffer, &memory).await {
                Ok(()) => {}
                Err(Ended::Closed | Ended::Stopping) => return,
                Err(ended @ (Ended::Idle | Ended::Cut)) => return debug!(id, "closed: {ended}"),
                Err(ended) => {
                    let cause = std::error::Error::source(&ended).map(ToString::to_string);
                    return warn!(id, cause, "closed a connection: {ended}");
                }
            }
        }
    }

    /// Reads a frame, runs its command and replies.
    async fn answer(
        &mut self,
        client: &mut Client,
        buffer: &mut Vec<u8>,
        memory: &FrameMemory,
    ) -> Result<(), Ended> {
        let stopping = self.stopping.clone();
        let stranger = client.user.is_none() && !self.shared.users.is_empty();
        let limit = if stranger {
            self.limits.frame_bytes.min(STRANGERS_FRAME)
        } else {
            self.limits.frame_bytes
        };
        let read = self.read_frame(std::mem::take(buffer), memory, limit);
        let (header, header_bytes, frame, _reserved) = tokio::select! {
            () = stopping.cancelled() => return Err(Ended::Stopping),
            read = read => read?,
        };
        self.shared
            .counters
            .received(header_bytes.len() + frame.len());
        let injected = self.inject(client.id, header, &header_bytes, &frame);
        self.disturb(injected.before).await?;

        let after = injected.after;
        let shared = Arc::clone(&self.shared);
        let mut taken = std::mem::replace(client, Client::new(client.id));
        let run = move || {
            let reply = run(
                &shared,
                &mut taken,
                &injected,
                (header, &header_bytes, &frame),
            );
            (reply, taken, frame)
        };
        let done = tokio::task::spawn_blocking(run).await;
        let (reply, returned, frame) = done.map_err(|_panic| Ended::Panicked)?;
        *client = returned;
        if frame.capacity() <= KEPT_BUFFER {
            *buffer = frame;
        }
        self.disturb(after).await?;
        match reply.map_err(Ended::Protocol)? {
            Some(reply) => self.send(&reply).await,
            None => Ok(()),
        }
    }

    async fn read_frame<'m>(
        &mut self,
        buffer: Vec<u8>,
        memory: &'m FrameMemory,
        limit: usize,
    ) -> Result<
        (
            Header,
            [u8; HEADER_BYTES],
            Vec<u8>,
            Option<SemaphorePermit<'m>>,
        ),
        Ended,
    > {
        let mut bytes = [0; HEADER_BYTES];
        let arrived = self.stream.read_exact(&mut bytes);
        match tokio::time::timeout(self.limits.idle, arrived).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err(Ended::Closed),
            Err(_) => return Err(Ended::Idle),
        }
        let header = Header::read(bytes, limit).map_err(Ended::Protocol)?;
        let length = header.length - HEADER_BYTES;
        let reserved = memory.reserve(length).await;
        let frame = self.read_body(length, buffer).await?;
        Ok((header, bytes, frame, reserved))
    }

    /// Reads a frame's body. The buffer grows as bytes arrive, not by what the client announced.
    async fn read_body(&mut self, bytes: usize, mut buffer: Vec<u8>) -> Result<Vec<u8>, Ended> {
        buffer.clear();
        buffer.reserve(bytes.min(SMALL_FRAME));
        let mut rest = (&mut self.stream).take(u64::try_from(bytes).unwrap_or(u64::MAX));
        while buffer.len() < bytes {
            let read = tokio::time::timeout(FRAME_DEADLINE, rest.read_buf(&mut buffer)).await;
            let read = read.map_err(|_late| Ended::Slow)?.map_err(Ended::Socket)?;
            if read == 0 {
                return Err(Ended::Socket(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
        Ok(buffer)
    }

    async fn send(&mut self, reply: &Reply) -> Result<(), Ended> {
        let mut bytes = reply.bytes();
        self.shared.counters.sent(bytes.remaining());
        let sent = self.stream.write_all_buf(&mut bytes);
        let sent = tokio::time::timeout(FRAME_DEADLINE, sent).await;
        sent.map_err(|_late| Ended::Slow)?.map_err(Ended::Socket)
    }

    /// Asks the fault plan, if there is one, what is to go wrong with a command.
    fn inject(
        &self,
        connection: i32,
        header: Header,
        header_bytes: &[u8],
        frame: &[u8],
    ) -> Injected {
        let Some(plan) = &self.shared.faults else {
            return Injected::default();
        };
        let Ok(request) = Request::read(header, header_bytes, frame) else {
            return Injected::default();
        };
        let Ok(call) = Call::of(&request) else {
            return Injected::default();
        };
        plan.inject(&Occasion {
            command: call.name,
            database: call.database,
            collection: &call.collection_name().unwrap_or_default(),
            connection,
        })
    }

    async fn disturb(&self, disturbance: Option<Disturbance>) -> Result<(), Ended> {
        match disturbance {
            None => Ok(()),
            Some(Disturbance::Cut) => Err(Ended::Cut),
            Some(Disturbance::Hang) => {
                self.stopping.cancelled().await;
                Err(Ended::Stopping)
            }
            Some(Disturbance::Delay(delay)) => {
                tokio::select! {
                    () = self.stopping.cancelled() => {}
                    () = tokio::time::sleep(delay) => {}
                }
                Ok(())
            }
        }
    }
}

/// Runs a command; `None` if the client wants no reply.
fn run(
    shared: &Shared,
    client: &mut Client,
    injected: &Injected,
    (header, header_bytes, body): (Header, &[u8], &[u8]),
) -> Result<Option<Reply>, frame::Error> {
    let request = match Request::read(header, header_bytes, body) {
        Ok(request) => request,
        Err(frame::Error::Document(invalid)) => {
            // The frame's end is known, so the connection can go on.
            let reply = command::refuse_document(&invalid);
            return Ok(Some(Reply::new(
                Protocol::Message,
                header.request_id,
                reply,
            )));
        }
        Err(error) => return Err(error),
    };
    let reply = command::execute(shared, client, &request, injected);
    Ok((!request.unacknowledged).then(|| Reply::new(request.protocol, header.request_id, reply)))
}
