//! A TCP server: accepts up to a number of connections and ends them all within a deadline.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// How long connections get to finish what they are doing when a server stops.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// How long to wait before accepting again when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a client may ask of a server at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections served at once; further ones wait in the accept queue.
    pub connections: usize,
    /// Bytes of one frame.
    pub frame_bytes: usize,
    /// How long a connection may say nothing.
    pub idle: Duration,
}

/// A server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, not ours or not allowed.
    #[error("failed to listen on `{address}`")]
    Bind {
        /// What was to be listened on.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                "the port is in use: stop what holds it, or name another one (0 takes a free one)"
                    .to_owned()
            }
            Self::Bind { .. } => "name an address of this machine and a free port".to_owned(),
        }
    }
}

/// Listens on an address; port 0 takes a free one.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::Bind { address, source })
}

/// A running server. Dropping it cancels its connections without waiting for them.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    /// Serves every accepted connection with `handle`, on the current runtime, until stopped.
    ///
    /// `handle` gets a token that is cancelled when the server stops; it should then finish the
    /// request at hand and return.
    pub fn start<H, F>(listener: TcpListener, limits: Limits, handle: H) -> io::Result<Self>
    where
        H: Fn(TcpStream, CancellationToken) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr()?;
        let stopping = CancellationToken::new();
        let tasks = TaskTracker::new();
        let accept = accept_loop(listener, limits, handle, stopping.clone(), tasks.clone());
        tasks.spawn(accept);
        tasks.close();
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

    /// Stops accepting and waits for the connections to end; false if some did not in time.
    pub async fn stop(self) -> bool {
        self.stopping.cancel();
        tokio::time::timeout(STOP_DEADLINE, self.tasks.wait())
            .await
            .is_ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

async fn accept_loop<H, F>(
    listener: TcpListener,
    limits: Limits,
    handle: H,
    stopping: CancellationToken,
    tasks: TaskTracker,
) where
    H: Fn(TcpStream, CancellationToken) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(limits.connections));
    loop {
        let accepted = tokio::select! {
            () = stopping.cancelled() => return,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, slot)) => {
                let served = handle(stream, stopping.clone());
                tasks.spawn(async move {
                    served.await;
                    drop(slot);
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
    // Replies are written in one call, so waiting for more to send only adds latency.
    stream.set_nodelay(true)?;
    Ok((stream, slot))
}
