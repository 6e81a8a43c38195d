//! The server: started, restarted, crashed and stopped.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use convoy_server_kit as kit;
use convoy_server_kit::disk::Loss;
use convoy_server_kit::scram::{CredentialStore, Hash, Scheme};
use convoy_server_kit::{Attempts, Connections, Limits, RunClock, Server, User};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

use crate::bounds::Bounds;
use crate::command::{Counters, Cursors, Operations, Parameters, Shared};
use crate::connection::Connection;
use crate::engine::{self, Engine, OplogSettings, SEGMENT_BYTES};
use crate::left::Left;
use crate::settings::Settings;
use crate::upkeep;

/// MongoDB's defaults for SCRAM-SHA-256.
const SCRAM: Scheme = Scheme::new(Hash::Sha256, 15_000).with_salt_bytes(28);

/// Stands for the address of a client that has left already.
const ANYONE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A server could not be started, or could not be stopped in order.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Without users, a server that other machines reach would be open to all of them.
    #[error("`{address}` can be reached from other machines and the document store has no users")]
    Unprotected {
        /// The address to listen on.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("failed to start the document store")]
    Listen(#[source] kit::Error),
    /// The listener was lost before it was used.
    #[error("failed to start the document store")]
    Socket(#[source] std::io::Error),
    /// A temporary directory cannot be created.
    #[error("failed to create a temporary directory for the document store")]
    TemporaryDirectory(#[source] std::io::Error),
    /// The documents cannot be opened.
    #[error("failed to open the data directory of the document store")]
    Open(#[source] StorageError),
    /// A damaged data directory cannot be repaired.
    #[error("failed to repair the data directory of the document store")]
    Repair(#[source] StorageError),
    /// The documents could not be synced to disk.
    #[error("failed to sync the documents to disk")]
    Flush(#[source] StorageError),
    /// A task of the server panicked.
    #[error("a task of the document store panicked")]
    Panicked,
}

/// The data directory or a file in it cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StorageError(engine::Error);

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Listen(error) => error.hint(),
            Self::Open(StorageError(error))
            | Self::Repair(StorageError(error))
            | Self::Flush(StorageError(error)) => error.hint(),
            Self::TemporaryDirectory(_) => "set TMPDIR to a writable directory".to_owned(),
            Self::Unprotected { .. } => {
                "listen on 127.0.0.1, or name a user and a password".to_owned()
            }
            Self::Socket(_) => "try again".to_owned(),
            Self::Panicked => "please report this".to_owned(),
        }
    }
}

/// Keeps what is whole of a damaged data directory and puts the rest into its folder `damaged`.
///
/// Returns what was lost, file by file. Blocks on the disk; no server may use the directory.
pub fn repair(data_dir: &Path) -> Result<Vec<Loss>, Error> {
    Engine::repair(data_dir).map_err(|error| Error::Repair(StorageError(error)))
}

/// A running server. Dropping it cuts its connections; [`stop`](Self::stop) waits for them.
///
/// After an error of [`restart`](Self::restart) or [`crash`](Self::crash) it does not serve; both can
/// be tried again.
#[derive(Debug)]
pub struct MongoServer {
    settings: Settings,
    directory: PathBuf,
    address: SocketAddr,
    serving: Option<Serving>,
    /// Removed with the server.
    temporary: Option<TempDir>,
}

/// What ends and begins with a restart.
#[derive(Debug)]
struct Serving {
    server: Server,
    shared: Arc<Shared>,
    /// Ends the upkeep when dropped.
    upkeep_guard: DropGuard,
    upkeep: JoinHandle<()>,
}

impl MongoServer {
    /// Opens the documents and listens, with all tasks on the current tokio runtime.
    pub async fn start(settings: Settings) -> Result<Self, Error> {
        if !settings.listen.ip().is_loopback() && settings.users.is_empty() {
            let address = settings.listen;
            return Err(Error::Unprotected { address });
        }
        let (directory, temporary) = if let Some(path) = &settings.data_dir {
            (path.clone(), None)
        } else {
            let temporary = TempDir::with_prefix("convoy-store-");
            let temporary = temporary.map_err(Error::TemporaryDirectory)?;
            (temporary.path().to_owned(), Some(temporary))
        };
        let serving = Serving::start(&settings, &directory, settings.listen).await?;
        Ok(Self {
            address: serving.server.address(),
            settings,
            directory,
            serving: Some(serving),
            temporary,
        })
    }

    /// Stops serving as [`stop`](Self::stop) does, then serves the same documents at the same
    /// address. Cursors and sessions are lost.
    pub async fn restart(&mut self) -> Result<(), Error> {
        if let Some(serving) = self.serving.take() {
            serving.stop().await?;
        }
        self.serve_again().await
    }

    /// Ends as after a power failure, then serves at the same address.
    ///
    /// Connections are cut. Writes that were not synced to disk are lost, though they may have been
    /// acknowledged; a write with `j: true` or `w: "majority"` is synced before it is acknowledged.
    /// Returns the number of lost log entries: one for each batch of inserts, update or deletion.
    pub async fn crash(&mut self) -> Result<u64, Error> {
        let lost = match self.serving.take() {
            Some(serving) => serving.crash().await?,
            None => 0,
        };
        self.serve_again().await?;
        Ok(lost)
    }

    /// Lets connections finish their command, syncs all documents to disk and removes a temporary
    /// directory.
    pub async fn stop(mut self) -> Result<(), Error> {
        let stopped = match self.serving.take() {
            Some(serving) => serving.stop().await,
            None => Ok(()),
        };
        let temporary = self.temporary.take();
        blocking(move || drop(temporary)).await?;
        stopped
    }

    /// Returns what connections share; `None` while the server restarts.
    pub(crate) fn shared(&self) -> Option<&Shared> {
        self.serving.as_ref().map(|serving| &*serving.shared)
    }

    /// Returns the address that clients connect to. It stays the same until the server is dropped.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the connection string for drivers: `mongodb://127.0.0.1:49152`, without credentials.
    pub fn uri(&self) -> String {
        match &self.settings.replica_set {
            Some(name) => format!("mongodb://{}/?replicaSet={name}", self.address),
            None => format!("mongodb://{}", self.address),
        }
    }

    /// Returns the directory that holds the documents.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the documents, unless a restart has failed.
    pub(crate) fn engine(&self) -> Option<&Engine> {
        self.serving.as_ref().map(|serving| &*serving.shared.engine)
    }

    async fn serve_again(&mut self) -> Result<(), Error> {
        let serving = Serving::start(&self.settings, &self.directory, self.address).await?;
        self.serving = Some(serving);
        Ok(())
    }
}

impl Serving {
    async fn start(
        settings: &Settings,
        directory: &Path,
        address: SocketAddr,
    ) -> Result<Self, Error> {
        let (engine, credentials) = open(directory, settings).await?;
        let listener = kit::bind(address).await.map_err(Error::Listen)?;
        let address = listener.local_addr().map_err(Error::Socket)?;
        let shared = Arc::new(Shared {
            engine: Arc::new(engine),
            cursors: Cursors::default(),
            operations: Operations::default(),
            parameters: Parameters::default(),
            clock: RunClock::start(),
            address,
            replica_set: settings.replica_set.clone(),
            counters: Counters::default(),
            stopping: CancellationToken::new(),
            crashed: CancellationToken::new(),
            credentials,
            attempts: Attempts::default(),
            faults: settings.faults.clone(),
        });
        let stop_upkeep = CancellationToken::new();
        let upkeep = upkeep::run(Arc::clone(&shared), stop_upkeep.clone());
        let upkeep = tokio::spawn(upkeep);
        Ok(Self {
            server: listen(listener, settings, &shared)?,
            shared,
            upkeep_guard: stop_upkeep.drop_guard(),
            upkeep,
        })
    }

    /// Ends connections after their command and syncs all documents to disk.
    async fn stop(self) -> Result<(), Error> {
        let engine = self.end().await?;
        let closed = blocking(move || engine.close()).await?;
        closed.map_err(|error| Error::Flush(StorageError(error)))
    }

    /// Cuts connections and drops what was not synced; returns the number of lost log entries.
    async fn crash(self) -> Result<u64, Error> {
        self.shared.crashed.cancel();
        let engine = self.end().await?;
        let crashed = blocking(move || engine.crash()).await?;
        crashed.map_err(|error| Error::Flush(StorageError(error)))
    }

    async fn end(self) -> Result<Arc<Engine>, Error> {
        self.shared.stopping.cancel();
        if !self.server.stop().await {
            warn!("connections to the document store did not end in time");
        }
        drop(self.upkeep_guard);
        self.upkeep.await.map_err(|_panicked| Error::Panicked)?;
        Ok(Arc::clone(&self.shared.engine))
    }
}

async fn open(directory: &Path, settings: &Settings) -> Result<(Engine, CredentialStore), Error> {
    let (directory, users) = (directory.to_owned(), settings.users.clone());
    let bytes = settings.oplog_bytes;
    let oplog = settings.replica_set.as_ref();
    let oplog = oplog.map(|_name| OplogSettings { bytes });
    let observer = settings.observer.clone();
    let opened = blocking(move || {
        let engine = Engine::open_with(&directory, SEGMENT_BYTES, oplog)?;
        let users: Vec<User> = users.iter().map(prepared).collect();
        let engine = engine.observed_by(observer);
        Ok((engine, CredentialStore::new(SCRAM, &users)))
    });
    let opened = opened.await?;
    opened.map_err(|error| Error::Open(StorageError(error)))
}

/// Returns a user with the password as drivers send it: normalized by `SASLprep` (RFC 4013), unless it
/// has characters that this forbids.
fn prepared(user: &User) -> User {
    let password = user.password.reveal();
    match stringprep::saslprep(password) {
        Ok(prepared) => User::new(user.name.clone(), &*prepared),
        Err(_forbidden) => user.clone(),
    }
}

fn listen(
    listener: tokio::net::TcpListener,
    settings: &Settings,
    shared: &Arc<Shared>,
) -> Result<Server, Error> {
    let connections = AtomicI32::new(0);
    let bounds = Bounds::new(settings.limits, settings.deadlines, settings.frame_memory);
    let bounds = Arc::new(bounds);
    // A connection beyond the limit is accepted, so that an idle one can be closed for it.
    let limits = Limits {
        connections: settings.limits.connections + Connections::WAITING,
        ..settings.limits
    };
    #[cfg(feature = "tls")]
    let tls = settings.tls.clone();
    let shared = Arc::clone(shared);
    let handle = move |stream: TcpStream, stopping| {
        let id = connections.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let connection = Connection {
            id,
            local: stream.local_addr().ok(),
            peer: stream.peer_addr().unwrap_or(ANYONE),
            stream,
            left: Left::default(),
            early: None,
            stopping,
            shared: Arc::clone(&shared),
            bounds: Arc::clone(&bounds),
            #[cfg(feature = "tls")]
            tls: tls.clone(),
        };
        connection.accept()
    };
    Server::start(listener, limits, handle).map_err(Error::Socket)
}

/// Runs on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_panicked| Error::Panicked)
}
