//! A TCP server: accepts up to a number of connections and ends them all within a deadline.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// How long connections may take to finish their requests when a server stops.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// Pause after a failure to accept, such as a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A connection that is silent for this long is probed.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// Pause between probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Probes without an answer after which a connection is lost.
const KEEPALIVE_PROBES: u32 = 6;

/// Limits per server and connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Number of connections served at once; more wait in the accept queue.
    pub connections: usize,
    /// Bytes of one frame: a request, or the body of one. The server's own handler enforces it.
    pub frame_bytes: usize,
    /// How long a connection may stay without a request. The server's own handler enforces it.
    pub idle: Duration,
}

/// A server could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is in use, not one of this machine, or not permitted.
    #[error("failed to listen on `{address}`")]
    Bind {
        /// The address as asked for.
        address: SocketAddr,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Returns a sentence on what the user can do.
    pub fn hint(&self) -> String {
        match self {
            Self::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                "stop the program that uses the port, or choose another port (0 takes a free one)"
                    .to_owned()
            }
            Self::Bind { .. } => "choose an address of this machine and a free port".to_owned(),
        }
    }
}

/// Listens on an address; port 0 takes a free one.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::Bind { address, source })
}

/// A connection that is served.
type Served = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves a connection. Without its type, so that the accept loop is compiled once.
type Handle = Box<dyn Fn(TcpStream, CancellationToken) -> Served + Send + Sync>;

/// A running server. Dropping it ends its connections without waiting for them.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stopping: CancellationToken,
    /// Closed once every task has ended: each holds a sender, and nothing is ever sent.
    tasks: mpsc::Receiver<Infallible>,
}

impl Server {
    /// Serves every accepted connection with `handle`, on the current tokio runtime, until
    /// stopped.
    ///
    /// `handle` gets a token that is cancelled when the server stops; it should then finish the
    /// current request and return. Fails if the listener has no local address.
    pub fn start<H, F>(listener: TcpListener, limits: Limits, handle: H) -> io::Result<Self>
    where
        H: Fn(TcpStream, CancellationToken) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let handle = move |stream, stopping| -> Served { Box::pin(handle(stream, stopping)) };
        Self::start_with(listener, limits, Box::new(handle))
    }

    fn start_with(listener: TcpListener, limits: Limits, handle: Handle) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let stopping = CancellationToken::new();
        let (alive, tasks) = mpsc::channel(1);
        let accepting = accept_loop(listener, limits, handle, stopping.clone(), alive.clone());
        tokio::spawn(async move {
            accepting.await;
            // The listener is closed by now, so that a stopped server has freed its port.
            drop(alive);
        });
        Ok(Self {
            address,
            stopping,
            tasks,
        })
    }

    /// Returns the address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting and waits up to five seconds for the connections to end; returns false if
    /// some did not.
    pub async fn stop(mut self) -> bool {
        self.stopping.cancel();
        tokio::time::timeout(STOP_DEADLINE, self.tasks.recv())
            .await
            .is_ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

async fn accept_loop(
    listener: TcpListener,
    limits: Limits,
    handle: Handle,
    stopping: CancellationToken,
    alive: mpsc::Sender<Infallible>,
) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    loop {
        let accepted = tokio::select! {
            () = stopping.cancelled() => return,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, slot)) => {
                let served = handle(stream, stopping.clone());
                let alive = alive.clone();
                tokio::spawn(async move {
                    served.await;
                    drop((slot, alive));
                });
            }
            Err(error) => {
                warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .map_err(|_closed| io::Error::other("the server is stopping"))?;
    let (stream, peer) = listener.accept().await?;
    debug!(%peer, "accepted a connection");
    // Responses are written in one call, so waiting for more to send only adds latency.
    stream.set_nodelay(true)?;
    detect_loss(&stream)?;
    Ok((stream, slot))
}

/// Makes the operating system end a connection whose client is gone without a word: within two
/// minutes, instead of two hours.
fn detect_loss(stream: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    Ok(sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const LIMITS: Limits = Limits {
        connections: 1,
        frame_bytes: 0,
        idle: Duration::ZERO,
    };

    /// Starts a server that echoes one byte per connection.
    async fn echo() -> Server {
        let listener = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        Server::start(listener, LIMITS, |mut stream, _stopping| async move {
            if let Ok(byte) = stream.read_u8().await {
                stream.write_u8(byte).await.unwrap();
            }
        })
        .unwrap()
    }

    #[tokio::test]
    async fn connection_beyond_the_limit_waits_for_a_slot() {
        let server = echo().await;
        let mut first = TcpStream::connect(server.address()).await.unwrap();
        let mut second = TcpStream::connect(server.address()).await.unwrap();
        second.write_u8(2).await.unwrap();
        let answer = tokio::time::timeout(Duration::from_millis(50), second.read_u8());
        assert!(answer.await.is_err(), "the only slot is taken");
        first.write_u8(1).await.unwrap();
        assert_eq!(first.read_u8().await.unwrap(), 1);
        assert_eq!(second.read_u8().await.unwrap(), 2);
    }

    #[tokio::test]
    async fn stop_waits_for_connections_to_end() {
        let server = echo().await;
        let address = server.address();
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_u8(7).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), 7);
        assert!(server.stop().await);
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn stopped_server_has_freed_its_port() {
        for _ in 0..100 {
            let server = echo().await;
            let address = server.address();
            assert!(server.stop().await);
            bind(address).await.unwrap();
        }
    }

    #[tokio::test]
    async fn occupied_port_is_an_error_with_a_hint() {
        let server = echo().await;
        let error = bind(server.address()).await.unwrap_err();
        assert!(error.hint().contains("uses the port"), "{error}");
        assert!(error.to_string().contains(&server.address().to_string()));
    }
}
