//! The connection of one client: requests are answered in order, one at a time.
//!
//! While a request waits (a fetch for records), the connection keeps receiving, so that it notices
//! when the client leaves; the wait then ends early.

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
#[cfg(feature = "tls")]
use convoy_server_kit::tls;
use convoy_server_kit::{Exhausted, FrameMemory, Guest, RunClock, Share, nanos};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::api::{self, Client, Next};
use crate::auth::Session;
use crate::cluster::Cluster;
use crate::frame::{self, Input};
use crate::memory::{Bounds, ResponseMemory};

/// A larger response buffer is freed after use.
const RETAINED_BYTES: usize = 8 * 1024 * 1024;

/// Limit on a frame before the client has authenticated.
const UNAUTHENTICATED_FRAME_BYTES: usize = 64 * 1024;

/// Time limit for a whole frame, from its first byte on.
const FRAME_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection that is idle for this long gives back the memory of its buffers.
const BUFFER_TIMEOUT: Duration = Duration::from_secs(1);

/// The reason why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    #[error("the connection failed")]
    Stream {
        #[source]
        source: io::Error,
    },
    /// The client neither sent nor received anything within the limit.
    #[error("the client was idle for too long")]
    Idle,
    /// The client did not log in, or sent no request.
    #[error("the client did not log in within the time limit")]
    Login,
    /// A frame did not arrive completely, or was not received, while others needed its memory.
    #[error("the client was too slow with a frame")]
    Slow,
    /// The frames of all connections together took too much memory.
    #[error("too many large frames were in transfer")]
    Memory(#[from] Exhausted),
    /// The client disconnected within a request.
    #[error("the client disconnected within a request")]
    Torn,
    /// The client exceeded the limit on frames, or does not speak the protocol.
    #[error("received an invalid frame")]
    Frame {
        #[source]
        source: frame::Error,
    },
    #[error("failed to answer a request")]
    Request {
        #[source]
        source: api::Error,
    },
}

#[derive(Debug)]
struct Connection<S> {
    cluster: Arc<Cluster>,
    stream: S,
    peer: IpAddr,
    session: Session,
    input: Input,
    /// Memory of the frame in `input`.
    share: Option<Share>,
    output: BytesMut,
    response_memory: ResponseMemory,
    bounds: Arc<Bounds>,
    guest: Arc<Guest>,
    clock: RunClock,
    /// When the client must have logged in, on the clock.
    login_deadline: Option<u64>,
    /// Cancelled when the server stops or the client leaves, to end long waits.
    interrupted: CancellationToken,
}

/// Serves an accepted connection, after the handshake if TLS is enabled. It waits for a place among all
/// connections first.
pub async fn accept(
    cluster: Arc<Cluster>,
    bounds: Arc<Bounds>,
    stream: TcpStream,
    stopping: CancellationToken,
) {
    let peer = match stream.peer_addr() {
        Ok(peer) => peer.ip(),
        Err(error) => return debug!(%error, "a client disconnected at once"),
    };
    let place = tokio::select! {
        () = stopping.cancelled() => return,
        place = bounds.connections.enter() => place,
    };
    let guest = Arc::clone(place.guest());
    let serving = accept_in_place(cluster, bounds, stream, Arrival { peer, guest }, stopping);
    tokio::select! {
        biased;
        () = serving => {}
        () = place.guest().evicted() => {
            debug!(%peer, "closed an idle connection in favour of another");
        }
    }
}

/// Who connected.
struct Arrival {
    peer: IpAddr,
    guest: Arc<Guest>,
}

async fn accept_in_place(
    cluster: Arc<Cluster>,
    bounds: Arc<Bounds>,
    stream: TcpStream,
    arrival: Arrival,
    stopping: CancellationToken,
) {
    #[cfg(feature = "tls")]
    if let Some(tls) = cluster.settings().tls.clone() {
        return match tls::accept(tls, stream).await {
            Ok(stream) => serve(cluster, bounds, stream, arrival, stopping).await,
            Err(error) => info!(peer = %arrival.peer, %error, "the TLS handshake failed"),
        };
    }
    serve(cluster, bounds, stream, arrival, stopping).await;
}

/// Serves a connection until the client leaves, the client violates the protocol or the server
/// stops.
async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send>(
    cluster: Arc<Cluster>,
    bounds: Arc<Bounds>,
    stream: S,
    Arrival { peer, guest }: Arrival,
    stopping: CancellationToken,
) {
    let counted = Arc::clone(&cluster);
    let _open = counted.traffic().open();
    let session = Session::new(cluster.credentials());
    let frame_bytes = if session.authenticated() {
        bounds.limits.frame_bytes
    } else {
        bounds.limits.frame_bytes.min(UNAUTHENTICATED_FRAME_BYTES)
    };
    let clock = RunClock::start();
    let login_timeout = nanos(cluster.settings().login_timeout);
    let mut connection = Connection {
        cluster,
        session,
        stream,
        peer,
        input: Input::new(frame_bytes),
        share: None,
        output: BytesMut::new(),
        response_memory: ResponseMemory::new(Arc::clone(&bounds.responses)),
        bounds,
        guest,
        clock,
        login_deadline: Some(clock.now() + login_timeout),
        interrupted: stopping.child_token(),
    };
    match connection.run(&stopping).await {
        Ok(()) => debug!(%peer, "a client disconnected"),
        Err(ended @ (Ended::Frame { .. } | Ended::Request { .. })) => {
            info!(
                reason = &ended as &dyn std::error::Error,
                "closed a connection after an invalid request"
            );
        }
        Err(ended) => debug!(
            reason = &ended as &dyn std::error::Error,
            "a connection ended"
        ),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    async fn run(&mut self, stopping: &CancellationToken) -> Result<(), Ended> {
        loop {
            let frame = tokio::select! {
                biased;
                () = stopping.cancelled() => return Ok(()),
                frame = self.receive() => frame?,
            };
            let Some(frame) = frame else {
                return Ok(());
            };
            let next = self.answer(&frame).await?;
            self.cluster.traffic().answered();
            self.input.recycle(frame);
            self.share = None;
            self.send().await?;
            if next == Next::Close {
                return Ok(());
            }
            self.note_login();
        }
    }

    /// Applies the limits of clients that have logged in, or of those that have not.
    fn note_login(&mut self) {
        if self.session.authenticated() {
            self.input.set_limit(self.bounds.limits.frame_bytes);
            self.login_deadline = None;
            self.guest.trust();
        } else if self.login_deadline.is_none() {
            let login_timeout = nanos(self.cluster.settings().login_timeout);
            self.login_deadline = Some(self.clock.now() + login_timeout);
        }
    }

    /// Returns the next frame; `None` if the client left after a complete one.
    async fn receive(&mut self) -> Result<Option<BytesMut>, Ended> {
        let began = self.clock.now();
        let mut frame_deadline = None;
        let mut released = false;
        loop {
            let frame = self.input.next_frame();
            if let Some(frame) = frame.map_err(|source| Ended::Frame { source })? {
                self.share.iter().for_each(Share::completed);
                return Ok(Some(frame));
            }
            if self.input.ended() {
                return if self.input.torn() {
                    Err(Ended::Torn)
                } else {
                    Ok(None)
                };
            }
            if self.input.torn() {
                self.reserve().await?;
                let now = self.clock.now();
                frame_deadline.get_or_insert(now + nanos(FRAME_TIMEOUT));
            }
            let idle = (
                began.saturating_add(nanos(self.bounds.limits.idle)),
                Ended::Idle,
            );
            let frame = frame_deadline.map(|deadline| (deadline, Ended::Slow));
            let login = self.login_deadline.map(|deadline| (deadline, Ended::Login));
            let limits = [Some(idle), frame, login].into_iter().flatten();
            let (deadline, late) = limits
                .min_by_key(|(deadline, _)| *deadline)
                .ok_or(Ended::Idle)?;
            if !released && !self.input.torn() {
                let pause = self.until(deadline).min(BUFFER_TIMEOUT);
                if let Ok(filled) = timeout(pause, self.input.fill(&mut self.stream)).await {
                    filled.map_err(|source| Ended::Stream { source })?;
                    continue;
                }
                self.input.release();
                self.output = BytesMut::new();
                released = true;
            }
            self.fill(deadline).await.unwrap_or(Err(late))?;
        }
    }

    /// Waits for the memory of a large frame that has begun.
    async fn reserve(&mut self) -> Result<(), Ended> {
        if self.share.is_none()
            && let Some(bytes) = self
                .input
                .expected()
                .filter(|bytes| *bytes > FrameMemory::SMALL)
        {
            self.share = self.bounds.requests.reserve(bytes).await?;
        }
        Ok(())
    }

    /// Returns how long it is until a time on the clock.
    fn until(&self, deadline: u64) -> Duration {
        Duration::from_nanos(deadline.saturating_sub(self.clock.now()))
    }

    /// Receives more bytes; `None` if none came before the deadline.
    async fn fill(&mut self, deadline: u64) -> Option<Result<(), Ended>> {
        let filled = timeout(self.until(deadline), self.input.fill(&mut self.stream));
        let filled = match &self.share {
            None => filled.await,
            Some(share) => tokio::select! {
                biased;
                filled = filled => {
                    share.moved();
                    filled
                }
                () = share.evicted() => return Some(Err(Ended::Slow)),
            },
        };
        let filled = filled.ok()?;
        Some(filled.map_err(|source| Ended::Stream { source }))
    }

    async fn answer(&mut self, frame: &[u8]) -> Result<Next, Ended> {
        let _busy = self.guest.busy();
        let client = Client {
            id: "",
            address: self.peer,
            response_memory: &self.response_memory,
            interrupted: &self.interrupted,
        };
        let answer = api::answer(
            &self.cluster,
            &mut self.session,
            frame,
            &mut self.output,
            client,
        );
        let mut answer = pin!(answer);
        loop {
            let reading_ahead = !self.input.ended() && !self.input.full();
            tokio::select! {
                biased;
                answered = &mut answer => {
                    return answered.map_err(|source| Ended::Request { source });
                }
                filled = self.input.fill(&mut self.stream), if reading_ahead => {
                    filled.map_err(|source| Ended::Stream { source })?;
                    if self.input.ended() {
                        self.interrupted.cancel();
                    }
                }
            }
        }
    }

    async fn send(&mut self) -> Result<(), Ended> {
        if self.output.is_empty() {
            return Ok(());
        }
        let share = self.response_memory.take();
        let sent = async {
            let mut rest = &self.output[..];
            while !rest.is_empty() {
                let written = self.stream.write(rest).await?;
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                rest = &rest[written..];
                share.iter().for_each(Share::moved);
            }
            // TLS buffers what the socket did not accept at once.
            self.stream.flush().await
        };
        let evicted = async {
            match &share {
                Some(share) => share.evicted().await,
                None => std::future::pending().await,
            }
        };
        let sent = timeout(self.bounds.limits.idle, sent);
        tokio::select! {
            biased;
            sent = sent => sent
                .map_err(|_elapsed| Ended::Idle)?
                .map_err(|source| Ended::Stream { source })?,
            () = evicted => return Err(Ended::Slow),
        }
        self.output.clear();
        if self.output.capacity() > RETAINED_BYTES {
            self.output = BytesMut::new();
        }
        Ok(())
    }
}
