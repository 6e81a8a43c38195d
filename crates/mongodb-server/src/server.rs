//! The store as a server: started, listening, stopped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use convoy_server_kit::clock::RunClock;
use convoy_server_kit::server as net;
use convoy_server_kit::{Limits, Server};
use rustls::ServerConfig;
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, warn};

use crate::auth::{User, Users};
use crate::command::limits::MAX_MESSAGE_BYTES;
use crate::command::{Counters, Cursors, Shared, expiry};
use crate::connection::{FrameMemory, Serving};
use crate::engine::{self, Engine};
use crate::faults::FaultPlan;

/// How often what nobody waited for is flushed: MongoDB's commit interval.
const FLUSH_INTERVAL: Duration = Duration::from_millis(100);

/// How often idle cursors, expired documents and dead segments are looked for.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(10);

/// What a store is to be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where to keep the documents. `None`: in a temporary directory that goes with the store.
    pub data_dir: Option<PathBuf>,
    /// What clients may ask for at most.
    pub limits: Limits,
    /// Who may use the store; everyone if empty.
    pub users: Vec<User>,
    /// Certificate and key for clients that begin with TLS; others are served as well.
    pub tls: Option<Arc<ServerConfig>>,
    /// What goes wrong on purpose; nothing if `None`.
    pub faults: Option<Arc<dyn FaultPlan>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data_dir: None,
            limits: Limits {
                connections: 1_024,
                // A message may hold a full batch and the command around it.
                frame_bytes: usize::try_from(MAX_MESSAGE_BYTES).unwrap_or_default() + 16 * 1024,
                idle: Duration::from_secs(30 * 60),
            },
            users: Vec::new(),
            tls: None,
            faults: None,
        }
    }
}

/// A store could not be started, or not be stopped in order.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Anyone on the network could read and write.
    #[error("`{address}` can be reached from other machines and the document store has no users")]
    Unprotected {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("failed to start the document store")]
    Listen(#[source] net::Error),
    /// The listener was lost before it was used.
    #[error("failed to start the document store")]
    Socket(#[source] std::io::Error),
    /// There is no place for a temporary directory.
    #[error("failed to create a temporary directory for the document store")]
    TemporaryDirectory(#[source] std::io::Error),
    /// The documents cannot be opened.
    #[error("failed to open the documents of the store")]
    Open(#[source] EngineError),
    /// The documents could not be made durable at the end.
    #[error("failed to save the documents of the store")]
    Flush(#[source] EngineError),
    /// A task of the store panicked.
    #[error("a task of the document store panicked")]
    Panicked,
}

/// Why the documents could not be opened or saved.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct EngineError(engine::Error);

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Listen(error) => error.hint(),
            Self::Open(EngineError(error)) | Self::Flush(EngineError(error)) => error.hint(),
            Self::TemporaryDirectory(_) => {
                "set TMPDIR to a directory that can be written".to_owned()
            }
            Self::Unprotected { .. } => {
                "listen on 127.0.0.1, or name a user and a password".to_owned()
            }
            Self::Socket(_) => "try again".to_owned(),
            Self::Panicked => "please report this".to_owned(),
        }
    }
}

/// A running document store. Dropping it stops it without waiting for its connections.
#[derive(Debug)]
pub struct Store {
    server: Server,
    shared: Arc<Shared>,
    /// Ends the upkeep when dropped.
    upkeep: DropGuard,
    /// Removed when the store is gone.
    directory: Option<TempDir>,
}

impl Store {
    /// Opens the documents and listens, with all tasks on the current runtime.
    pub async fn start(settings: Settings) -> Result<Self, Error> {
        if !settings.listen.ip().is_loopback() && settings.users.is_empty() {
            let address = settings.listen;
            return Err(Error::Unprotected { address });
        }
        let (path, directory) = if let Some(path) = settings.data_dir {
            (path, None)
        } else {
            let directory = TempDir::with_prefix("convoy-store-");
            let directory = directory.map_err(Error::TemporaryDirectory)?;
            (directory.path().to_owned(), Some(directory))
        };
        let users = settings.users;
        let open = move || Ok((Engine::open(&path)?, Users::new(&users)));
        let (engine, users) = tokio::task::spawn_blocking(open)
            .await
            .map_err(|_panic| Error::Panicked)?
            .map_err(|error| Error::Open(EngineError(error)))?;
        let listener = net::bind(settings.listen).await.map_err(Error::Listen)?;
        let address = listener.local_addr().map_err(Error::Socket)?;
        let shared = Arc::new(Shared {
            engine: Arc::new(engine),
            cursors: Cursors::default(),
            clock: RunClock::start(),
            address: address.to_string(),
            counters: Counters::default(),
            stopping: CancellationToken::new(),
            users,
            faults: settings.faults,
        });
        let upkeep = CancellationToken::new();
        tokio::spawn(upkeep_loop(Arc::clone(&shared), upkeep.clone()));
        let tls = settings.tls;
        let server = serve(listener, settings.limits, tls, Arc::clone(&shared))?;
        Ok(Self {
            server,
            shared,
            upkeep: upkeep.drop_guard(),
            directory,
        })
    }

    /// Returns the address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Lets connections finish their command, then makes everything durable.
    pub async fn stop(self) -> Result<(), Error> {
        let Self {
            server,
            shared,
            upkeep,
            directory,
        } = self;
        drop(upkeep);
        shared.stopping.cancel();
        if !server.stop().await {
            warn!("connections to the document store did not end in time");
        }
        let save = move || {
            let saved = shared.engine.log().sync_all();
            drop(directory);
            saved
        };
        let saved = tokio::task::spawn_blocking(save)
            .await
            .map_err(|_panic| Error::Panicked)?;
        saved.map_err(|error| Error::Flush(EngineError(error)))
    }
}

fn serve(
    listener: tokio::net::TcpListener,
    limits: Limits,
    tls: Option<Arc<ServerConfig>>,
    shared: Arc<Shared>,
) -> Result<Server, Error> {
    let connections = AtomicI32::new(0);
    let memory = Arc::new(FrameMemory::new());
    let handle = move |stream, stopping| {
        let id = connections.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let serving = Serving {
            stream,
            stopping,
            limits,
            shared: Arc::clone(&shared),
            memory: Arc::clone(&memory),
        };
        serving.accept(id, tls.clone())
    };
    Server::start(listener, limits, handle).map_err(Error::Socket)
}

/// Flushes what nobody waited for, closes idle cursors, gives back space.
async fn upkeep_loop(shared: Arc<Shared>, stopping: CancellationToken) {
    let mut flush = tokio::time::interval(FLUSH_INTERVAL);
    let mut upkeep = tokio::time::interval(UPKEEP_INTERVAL);
    flush.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    upkeep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let thorough = tokio::select! {
            () = stopping.cancelled() => return,
            _ = flush.tick() => false,
            _ = upkeep.tick() => true,
        };
        let shared = Arc::clone(&shared);
        let work = move || {
            if thorough {
                shared.cursors.reap(shared.clock.now());
                match expiry::expire(&shared) {
                    Ok(0) => {}
                    Ok(count) => debug!(count, "removed expired documents"),
                    Err(error) => warn!(%error, "failed to remove expired documents"),
                }
                engine::compaction::compact(&shared.engine)
            } else {
                shared.engine.log().sync_all()
            }
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "upkeep of the document store failed"),
            Err(error) => warn!(%error, "upkeep of the document store panicked"),
        }
    }
}
