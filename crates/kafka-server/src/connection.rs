//! The connection of one client: requests are answered in order, one at a time.
//!
//! While a request waits (a fetch for records), the connection keeps receiving, so that it notices
//! when the client leaves; the wait then ends early.

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use bytes::BytesMut;
use convoy_server_kit::Limits;
#[cfg(feature = "tls")]
use convoy_server_kit::tls;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::api::{self, Client, Next};
use crate::auth::Session;
use crate::cluster::Cluster;
use crate::frame::{self, Input};

/// A larger response buffer is freed after use.
const RETAINED_BYTES: usize = 8 * 1024 * 1024;

/// Limit on a frame before the client has authenticated.
const UNAUTHENTICATED_FRAME_BYTES: usize = 64 * 1024;

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
    output: BytesMut,
    limits: Limits,
    /// Cancelled when the server stops or the client leaves, to end long waits.
    interrupted: CancellationToken,
}

/// Serves an accepted connection, after the handshake if TLS is enabled.
pub async fn accept(
    cluster: Arc<Cluster>,
    stream: TcpStream,
    limits: Limits,
    stopping: CancellationToken,
) {
    let peer = match stream.peer_addr() {
        Ok(peer) => peer.ip(),
        Err(error) => return debug!(%error, "a client disconnected at once"),
    };
    #[cfg(feature = "tls")]
    if let Some(tls) = cluster.settings().tls.clone() {
        return match tls::accept(tls, stream).await {
            Ok(stream) => serve(cluster, stream, peer, limits, stopping).await,
            Err(error) => info!(%peer, %error, "the TLS handshake failed"),
        };
    }
    serve(cluster, stream, peer, limits, stopping).await;
}

/// Serves a connection until the client leaves, the client violates the protocol or the server
/// stops.
async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send>(
    cluster: Arc<Cluster>,
    stream: S,
    peer: IpAddr,
    limits: Limits,
    stopping: CancellationToken,
) {
    let counted = Arc::clone(&cluster);
    let _open = counted.traffic().open();
    let session = Session::new(cluster.credentials());
    let frame_bytes = if session.authenticated() {
        limits.frame_bytes
    } else {
        limits.frame_bytes.min(UNAUTHENTICATED_FRAME_BYTES)
    };
    let mut connection = Connection {
        cluster,
        session,
        stream,
        peer,
        input: Input::new(frame_bytes),
        output: BytesMut::new(),
        limits,
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
            self.send().await?;
            if next == Next::Close {
                return Ok(());
            }
            if self.session.authenticated() {
                self.input.set_limit(self.limits.frame_bytes);
            }
        }
    }

    /// Returns the next frame; `None` if the client left after a complete one.
    async fn receive(&mut self) -> Result<Option<BytesMut>, Ended> {
        loop {
            let frame = self.input.next_frame();
            if let Some(frame) = frame.map_err(|source| Ended::Frame { source })? {
                return Ok(Some(frame));
            }
            if self.input.ended() {
                return if self.input.torn() {
                    Err(Ended::Torn)
                } else {
                    Ok(None)
                };
            }
            tokio::time::timeout(self.limits.idle, self.input.fill(&mut self.stream))
                .await
                .map_err(|_elapsed| Ended::Idle)?
                .map_err(|source| Ended::Stream { source })?;
        }
    }

    async fn answer(&mut self, frame: &[u8]) -> Result<Next, Ended> {
        let client = Client {
            id: "",
            address: self.peer,
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
        let sent = async {
            self.stream.write_all(&self.output).await?;
            // TLS buffers what the socket did not accept at once.
            self.stream.flush().await
        };
        tokio::time::timeout(self.limits.idle, sent)
            .await
            .map_err(|_elapsed| Ended::Idle)?
            .map_err(|source| Ended::Stream { source })?;
        self.output.clear();
        if self.output.capacity() > RETAINED_BYTES {
            self.output = BytesMut::new();
        }
        Ok(())
    }
}
