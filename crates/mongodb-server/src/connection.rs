//! One connection: frames in, replies out.
//!
//! Commands run on threads that may block, one at a time per connection, so that a long scan or a
//! sync to disk does not delay other connections.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _};
#[cfg(feature = "tls")]
use convoy_server_kit::tls;
use convoy_server_kit::{Exhausted, FrameMemory, Guest, Share};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
#[cfg(feature = "tls")]
use tracing::info;
use tracing::{debug, warn};

use crate::bounds::Bounds;
use crate::command::{self, Call, Client, Shared};
use crate::faults::{Fault, Interruption, Moment};
use crate::frame::{self, Frame, HEADER_BYTES, Header, Protocol, Reply};
use crate::left::Left;

/// Bytes of a frame of a client that has not logged in.
const FRAME_BEFORE_LOGIN: usize = 64 * 1024;

/// Bytes of the largest buffer that is kept for the next frame.
const KEPT_BUFFER: usize = 4 * 1024 * 1024;

/// Time limit for a whole frame, from its first byte on, and for receiving a reply.
const FRAME_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a connection ended, for the log.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the client closed the connection")]
    Closed,
    #[error("the server stops")]
    Stopping,
    #[error("the client was idle for too long")]
    Idle,
    #[error("a fault hook cut the connection")]
    Cut,
    #[error("the client violated the protocol")]
    Protocol(#[source] frame::Error),
    #[error("the connection failed")]
    Socket(#[source] std::io::Error),
    #[error("the client was too slow")]
    Slow,
    #[error("too many large frames were in transfer")]
    Memory(#[from] Exhausted),
    #[error("a command panicked")]
    Panicked,
}

/// A connection being served.
#[derive(Debug)]
pub struct Connection<S> {
    /// Number of the connection, from 1.
    pub id: i32,
    /// The socket, or TLS over it.
    pub stream: S,
    /// The address that the client connected to.
    pub local: Option<SocketAddr>,
    /// The address of the client.
    pub peer: SocketAddr,
    /// Whether the client has left.
    pub left: Left,
    /// First byte of the next frame, if it came while a command was running.
    pub early: Option<u8>,
    /// Cancelled when the server stops.
    pub stopping: CancellationToken,
    /// State that all connections share.
    pub shared: Arc<Shared>,
    /// Places and memory that all connections share.
    pub bounds: Arc<Bounds>,
    /// Certificate and key, for clients that begin with TLS.
    #[cfg(feature = "tls")]
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

impl Connection<TcpStream> {
    /// Serves a client until it leaves, is idle for too long, or the server stops or crashes. With a
    /// certificate, clients may begin with TLS.
    pub async fn accept(self) {
        let (crashed, stopping) = (self.shared.crashed.clone(), self.stopping.clone());
        let (id, bounds) = (self.id, Arc::clone(&self.bounds));
        let place = tokio::select! {
            () = stopping.cancelled() => return,
            place = bounds.connections.enter() => place,
        };
        let guest = Arc::clone(place.guest());
        let serve = async {
            #[cfg(feature = "tls")]
            if let Some(tls) = self.tls.clone() {
                return self.accept_tls_or_plain(tls, guest).await;
            }
            self.run(guest).await;
        };
        tokio::select! {
            () = crashed.cancelled() => {}
            () = serve => {}
            () = place.guest().evicted() => {
                debug!(id, "closed an idle connection in favour of another");
            }
        }
    }

    #[cfg(feature = "tls")]
    async fn accept_tls_or_plain(self, tls: Arc<rustls::ServerConfig>, guest: Arc<Guest>) {
        let id = self.id;
        let first_bytes = tls::is_client_hello(&self.stream);
        let begun = tokio::select! {
            () = self.stopping.cancelled() => return,
            begun = timeout(self.bounds.deadlines.first_frame, first_bytes) => begun,
        };
        match begun {
            Ok(Ok(true)) => {}
            // An error of the socket shows again, and is logged, when the first frame is read.
            Ok(_) => return self.run(guest).await,
            Err(_elapsed) => return debug!(id, "closed a connection: {}", Ended::Idle),
        }
        match tls::accept(tls, self.stream).await {
            Ok(stream) => {
                let connection = Connection {
                    id,
                    stream,
                    local: self.local,
                    peer: self.peer,
                    left: self.left,
                    early: self.early,
                    stopping: self.stopping,
                    shared: self.shared,
                    bounds: self.bounds,
                    tls: None,
                };
                connection.run(guest).await;
            }
            Err(error) => info!(id, %error, "TLS handshake with a client failed"),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> Connection<S> {
    async fn run(mut self, guest: Arc<Guest>) {
        let shared = Arc::clone(&self.shared);
        let _open = shared.counters.open();
        let id = self.id;
        let mut client = Client::new(id, self.local);
        client.peer = Some(self.peer);
        let mut buffer = Vec::new();
        loop {
            match self.answer(&guest, &mut client, &mut buffer).await {
                Ok(()) => {}
                Err(Ended::Closed | Ended::Stopping) => return,
                Err(ended @ (Ended::Idle | Ended::Cut)) => {
                    return debug!(id, "closed a connection: {ended}");
                }
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
        guest: &Guest,
        client: &mut Client,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Ended> {
        let limits = self.bounds.limits;
        let logged_in = client.user.is_some() || self.shared.credentials.is_empty();
        let deadlines = self.bounds.deadlines;
        let idle = match (logged_in, client.commands) {
            (true, 1..) => limits.idle,
            (false, 1..) => limits.idle.min(deadlines.before_login),
            (_, 0) => limits.idle.min(deadlines.first_frame),
        };
        let limit = if logged_in {
            limits.frame_bytes
        } else {
            limits.frame_bytes.min(FRAME_BEFORE_LOGIN)
        };
        let stopping = self.stopping.clone();
        let read = self.read_frame(std::mem::take(buffer), limit, idle);
        let (frame, _share) = tokio::select! {
            () = stopping.cancelled() => return Err(Ended::Stopping),
            read = read => read?,
        };
        let _busy = guest.busy();
        if logged_in {
            guest.trust();
        }
        client.commands = client.commands.saturating_add(1);
        self.shared.counters.received(frame.header.length);
        let fault = self.fault_for(&frame).unwrap_or_default();
        let after = fault.after;
        self.interrupt(fault.before).await?;

        let run = Run { fault, frame };
        let (run, reply) = self.run_as_login(client, run).await?;
        let body = run.frame.body;
        if body.capacity() <= KEPT_BUFFER {
            *buffer = body;
        }
        self.interrupt(after).await?;
        match reply.map_err(Ended::Protocol)? {
            Some(reply) => self.send(&reply).await,
            None => Ok(()),
        }
    }

    /// Runs a command. One that ends a login waits if too many of its address failed; the reply to a
    /// failed one is delayed.
    async fn run_as_login(
        &mut self,
        client: &mut Client,
        run: Run,
    ) -> Result<(Run, Result<Option<Reply>, frame::Error>), Ended> {
        if client.login.is_none() {
            return self.run_patiently(client, run).await;
        }
        let shared = Arc::clone(&self.shared);
        let attempt = shared.attempts.begin(self.peer.ip()).await;
        let answered = self.run_patiently(client, run).await?;
        if std::mem::take(&mut client.rejected) {
            tokio::select! {
                () = self.stopping.cancelled() => {}
                () = attempt.failed() => {}
            }
        }
        Ok(answered)
    }

    /// Runs a command. One that waits for documents is run again when there are changes, until it
    /// finds some or its time is over.
    async fn run_patiently(
        &mut self,
        client: &mut Client,
        run: Run,
    ) -> Result<(Run, Result<Option<Reply>, frame::Error>), Ended> {
        let began = self.shared.clock.now();
        let shared = Arc::clone(&self.shared);
        let (mut run, mut reply) = self.run_once(client, run).await?;
        while let Some(wait) = client.wait.take() {
            let waited = Duration::from_nanos(shared.clock.now().saturating_sub(began));
            let Some(left) = wait.checked_sub(waited).filter(|left| !left.is_zero()) else {
                break;
            };
            let mut changed = pin!(shared.engine.log().changes().notified());
            // Changes between the last try and this line are found by the next try.
            changed.as_mut().enable();
            (run, reply) = self.run_once(client, run).await?;
            if client.wait.is_none() {
                break;
            }
            tokio::select! {
                () = self.stopping.cancelled() => break,
                () = tokio::time::sleep(left) => {}
                () = changed => {}
            }
        }
        client.wait = None;
        Ok((run, reply))
    }

    /// Runs a command on a thread that may block. If the client leaves meanwhile, a command that reads
    /// ends early.
    async fn run_once(
        &mut self,
        client: &mut Client,
        run: Run,
    ) -> Result<(Run, Result<Option<Reply>, frame::Error>), Ended> {
        let shared = Arc::clone(&self.shared);
        let left = self.left.clone();
        let mut taken = std::mem::replace(client, Client::new(client.id, self.local));
        let work = move || {
            let reply = run_command(&shared, &mut taken, &left, &run);
            (run, reply, taken)
        };
        let mut running = tokio::task::spawn_blocking(work);
        let done = tokio::select! {
            done = &mut running => done,
            () = client_leaves(&mut self.stream, &mut self.early) => {
                self.left.set();
                running.await
            }
        };
        let (run, reply, returned) = done.map_err(|_panic| Ended::Panicked)?;
        *client = returned;
        Ok((run, reply))
    }

    async fn read_frame(
        &mut self,
        buffer: Vec<u8>,
        limit: usize,
        idle: Duration,
    ) -> Result<(Frame, Option<Share>), Ended> {
        let mut header_bytes = [0; HEADER_BYTES];
        let first = match self.early.take() {
            Some(early) => early,
            None => match timeout(idle, self.stream.read_u8()).await {
                Ok(Ok(first)) => first,
                Ok(Err(_)) => return Err(Ended::Closed),
                Err(_) => return Err(Ended::Idle),
            },
        };
        let mut rest = &mut header_bytes[..];
        rest.put_u8(first);
        match timeout(FRAME_TIMEOUT.min(idle), self.stream.read_exact(rest)).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err(Ended::Closed),
            Err(_) => return Err(Ended::Slow),
        }
        let header = Header::read(header_bytes, limit).map_err(Ended::Protocol)?;
        let length = header.length - HEADER_BYTES;
        let share = self.bounds.requests.reserve(length).await?;
        let body = transferred(
            share.as_ref(),
            self.read_body(length, buffer, share.as_ref()),
        );
        let body = body.await?;
        share.iter().for_each(Share::completed);
        let frame = Frame {
            header,
            header_bytes,
            body,
        };
        Ok((frame, share))
    }

    /// Reads a frame's body. The buffer grows as bytes arrive, not by what the client announced.
    async fn read_body(
        &mut self,
        bytes: usize,
        mut buffer: Vec<u8>,
        share: Option<&Share>,
    ) -> Result<Vec<u8>, Ended> {
        buffer.clear();
        buffer.reserve(bytes.min(FrameMemory::SMALL));
        let mut rest = (&mut self.stream).take(u64::try_from(bytes).unwrap_or(u64::MAX));
        while buffer.len() < bytes {
            let read = rest.read_buf(&mut buffer).await.map_err(Ended::Socket)?;
            if read == 0 {
                return Err(Ended::Socket(std::io::ErrorKind::UnexpectedEof.into()));
            }
            share.inspect(|share| share.moved());
        }
        Ok(buffer)
    }

    async fn send(&mut self, reply: &Reply) -> Result<(), Ended> {
        let mut bytes = reply.bytes();
        self.shared.counters.sent(bytes.remaining());
        let share = self.bounds.replies.reserve(bytes.remaining()).await?;
        let sent = async {
            while bytes.has_remaining() {
                let written = self.stream.write_buf(&mut bytes).await;
                if written.map_err(Ended::Socket)? == 0 {
                    return Err(Ended::Socket(std::io::ErrorKind::WriteZero.into()));
                }
                share.iter().for_each(Share::moved);
            }
            Ok(())
        };
        transferred(share.as_ref(), sent).await
    }

    /// Asks the hook, if there is one, what goes wrong with a command.
    fn fault_for(&self, frame: &Frame) -> Option<Fault> {
        let hook = self.shared.faults.as_ref()?;
        let request = frame.request().ok()?;
        let call = Call::new(&request).ok()?;
        hook.fault_for(&Moment {
            command: call.name,
            database: call.database,
            collection: &call.collection_name().unwrap_or_default(),
            connection: self.id,
        })
    }

    async fn interrupt(&self, interruption: Option<Interruption>) -> Result<(), Ended> {
        match interruption {
            None => Ok(()),
            Some(Interruption::Cut) => Err(Ended::Cut),
            Some(Interruption::Hang) => {
                self.stopping.cancelled().await;
                Err(Ended::Stopping)
            }
            Some(Interruption::Delay(delay)) => {
                tokio::select! {
                    () = self.stopping.cancelled() => {}
                    () = tokio::time::sleep(delay) => {}
                }
                Ok(())
            }
        }
    }
}

/// Transfers a frame in time, unless others need its memory and it stands still.
async fn transferred<T>(
    share: Option<&Share>,
    transfer: impl Future<Output = Result<T, Ended>>,
) -> Result<T, Ended> {
    let evicted = async {
        match share {
            Some(share) => share.evicted().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        transferred = timeout(FRAME_TIMEOUT, transfer) => transferred.map_err(|_late| Ended::Slow)?,
        () = evicted => Err(Ended::Slow),
    }
}

/// A command to run.
struct Run {
    fault: Fault,
    frame: Frame,
}

/// Waits until the client leaves. The first byte of its next frame, which may come before the reply, is
/// kept in `early`.
async fn client_leaves(stream: &mut (impl AsyncRead + Unpin), early: &mut Option<u8>) {
    if early.is_none() {
        let mut byte = [0];
        match stream.read(&mut byte).await {
            Ok(1..) => *early = Some(byte[0]),
            Ok(0) | Err(_) => return,
        }
    }
    std::future::pending::<()>().await;
}

/// Runs a command; `None` if the client expects no reply.
fn run_command(
    shared: &Shared,
    client: &mut Client,
    left: &Left,
    Run { fault, frame }: &Run,
) -> Result<Option<Reply>, frame::Error> {
    let request_id = frame.header.request_id;
    let request = match frame.request() {
        Ok(request) => request,
        Err(frame::Error::Document(invalid)) => {
            // The end of the frame is known, so the connection can go on.
            let reply = command::reject_document(&invalid);
            return Ok(Some(Reply::new(Protocol::Message, request_id, reply)));
        }
        Err(error) => return Err(error),
    };
    let reply = command::execute(shared, client, &request, fault, left);
    Ok((!request.unacknowledged).then(|| Reply::new(request.protocol, request_id, reply)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn client_that_closes_its_connection_has_left() {
        let (client, mut server) = tokio::io::duplex(64);
        let mut early = None;
        drop(client);
        client_leaves(&mut server, &mut early).await;
        assert_eq!(early, None);
    }

    #[tokio::test]
    async fn first_byte_of_the_next_frame_is_kept() {
        let (mut client, mut server) = tokio::io::duplex(64);
        client.write_all(&[7, 8]).await.unwrap();
        let mut early = None;
        tokio::select! {
            biased;
            () = client_leaves(&mut server, &mut early) => panic!("the client has not left"),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!(early, Some(7));
        assert_eq!(server.read_u8().await.unwrap(), 8);
    }
}
