//! Settings of a server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use convoy_server_kit::{Limits, User};
#[cfg(feature = "tls")]
use rustls::ServerConfig;

use crate::bounds::Deadlines;
use crate::command::MAX_MESSAGE_BYTES;
use crate::faults::FaultPlan;
use crate::observer::WriteObserver;

/// Settings of a server. The default listens on a free port of the loopback interface, without
/// users, and keeps its documents in a temporary directory.
///
/// ```
/// use convoy_mongodb_server::{Settings, User};
///
/// let settings = Settings::default()
///     .with_listen(([127, 0, 0, 1], 27017).into())
///     .with_data_dir("data/store")
///     .with_user(User::new("driver", "secret"));
/// assert_eq!(settings.users.len(), 1);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Directory of the documents; `None` for a temporary one that is removed with the server.
    pub data_dir: Option<PathBuf>,
    /// Limits of clients.
    pub limits: Limits,
    /// Bytes that the large requests of all connections may take together, and as many for responses.
    /// One request of the largest size must fit. [default: 512 MiB]
    pub frame_memory: usize,
    /// Users, who log in with SCRAM-SHA-256. Without users every client may read and write, and the
    /// server listens on loopback only.
    pub users: Vec<User>,
    /// Certificate and key for TLS; clients without TLS are served as well.
    #[cfg(feature = "tls")]
    pub tls: Option<Arc<ServerConfig>>,
    /// Name of the replica set whose only member the server is; `None` for a standalone server.
    pub replica_set: Option<String>,
    /// Size in bytes of a replica set's oplog: how far back change streams and retries reach.
    pub oplog_bytes: u64,
    /// Time limits of clients that have not logged in.
    pub(crate) deadlines: Deadlines,
    /// What goes wrong on purpose, for tests; nothing if `None`.
    pub faults: Option<Arc<FaultPlan>>,
    /// Learns when documents are durable; nothing does if `None`.
    pub observer: Option<Arc<dyn WriteObserver>>,
}

impl Settings {
    /// Sets the address to listen on; port 0 takes a free one.
    #[must_use]
    pub fn with_listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Sets the directory of the documents, which is created if it does not exist.
    #[must_use]
    pub fn with_data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// Adds a user.
    #[must_use]
    pub fn with_user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// Sets certificate and key for TLS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<ServerConfig>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Makes the server the only member of a replica set, with change streams and retryable writes.
    #[must_use]
    pub fn with_replica_set(mut self, name: impl Into<String>) -> Self {
        self.replica_set = Some(name.into());
        self
    }

    /// Sets what goes wrong on purpose.
    #[must_use]
    pub fn with_faults(mut self, faults: Arc<FaultPlan>) -> Self {
        self.faults = Some(faults);
        self
    }

    /// Sets what learns when documents are durable.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn WriteObserver>) -> Self {
        self.observer = Some(observer);
        self
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data_dir: None,
            frame_memory: 512 * 1024 * 1024,
            limits: Limits {
                connections: 1_024,
                // A message may hold a full batch and the command around it.
                frame_bytes: usize::try_from(MAX_MESSAGE_BYTES).unwrap_or_default() + 16 * 1024,
                idle: Duration::from_secs(30 * 60),
            },
            users: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
            replica_set: None,
            oplog_bytes: 128 * 1024 * 1024,
            deadlines: Deadlines::default(),
            faults: None,
            observer: None,
        }
    }
}
