//! Settings of a server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "tls")]
use convoy_server_kit::tls;
use convoy_server_kit::{Limits, User};

use crate::faults::FaultPlan;

/// Settings of a server. Start from `Settings::default()`, which serves a temporary directory on a
/// free port of loopback.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Address to listen on; port 0 takes a free port. [default: 127.0.0.1, port 0]
    pub listen: SocketAddr,
    /// Host and port that clients are told to connect to, if they cannot reach the server at the
    /// address it listens on.
    pub advertised: Option<(String, u16)>,
    /// Directory of topics and groups; without it, a temporary directory that is removed when the
    /// server stops.
    pub data_dir: Option<PathBuf>,
    /// Partitions of a topic that is created without a number of partitions. [default: 1]
    pub default_partitions: i32,
    /// Whether a metadata request for an unknown topic creates it. [default: true]
    pub auto_create_topics: bool,
    /// Bytes after which a partition starts a new segment file. [default: 1 GiB]
    pub segment_bytes: u64,
    /// Bytes of one record batch. [default: 1,048,588, as in Kafka]
    pub max_batch_bytes: usize,
    /// Bytes of records in one fetch response, unless its first batch alone is larger.
    /// [default: 55 MiB]
    pub max_fetch_bytes: usize,
    /// How long a new group waits for more members before its first rebalance. [default: 50 ms]
    pub group_join_delay: Duration,
    /// Shortest session timeout that a member of a group may ask for. [default: 6 s, as in Kafka]
    pub group_min_session_timeout: Duration,
    /// Interval of retention and, with a data directory, of syncing the logs. After a kill, the
    /// next start checks the records of about one interval. [default: 30 s]
    pub upkeep_interval: Duration,
    /// Users that may log in by SASL; without any, every client has access.
    pub users: Vec<User>,
    /// Certificate and key for TLS; without them, connections are not encrypted.
    #[cfg(feature = "tls")]
    pub tls: Option<Arc<tls::ServerConfig>>,
    /// Whether to accept every client although the address is not loopback and there are no users.
    /// [default: false]
    pub allow_anonymous_remote: bool,
    /// Faults to inject, for tests.
    pub faults: Option<Arc<FaultPlan>>,
    /// Limits per server and connection.
    pub limits: Limits,
    /// Bytes that the large requests of all connections may take together, and as many for responses.
    /// One request of the largest size must fit. [default: 512 MiB]
    pub frame_memory: usize,
    /// Time limit for a client to log in, or to send its first request if there are no users.
    pub(crate) login_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            advertised: None,
            data_dir: None,
            default_partitions: 1,
            auto_create_topics: true,
            segment_bytes: 1024 * 1024 * 1024,
            max_batch_bytes: 1_048_588,
            max_fetch_bytes: 55 * 1024 * 1024,
            group_join_delay: Duration::from_millis(50),
            group_min_session_timeout: Duration::from_secs(6),
            upkeep_interval: Duration::from_secs(30),
            users: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
            allow_anonymous_remote: false,
            faults: None,
            frame_memory: 512 * 1024 * 1024,
            login_timeout: Duration::from_secs(30),
            limits: Limits {
                connections: 2_000,
                frame_bytes: 100 * 1024 * 1024,
                idle: Duration::from_secs(600),
            },
        }
    }
}

impl Settings {
    /// Sets the address to listen on; port 0 takes a free port.
    #[must_use]
    pub fn with_listen(mut self, listen: SocketAddr) -> Self {
        self.listen = listen;
        self
    }

    /// Sets the directory of topics and groups.
    #[must_use]
    pub fn with_data_dir(mut self, data_dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(data_dir.into());
        self
    }

    /// Sets the number of partitions of new topics.
    #[must_use]
    pub fn with_default_partitions(mut self, partitions: i32) -> Self {
        self.default_partitions = partitions;
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
    pub fn with_tls(mut self, tls: Arc<tls::ServerConfig>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets the hook that injects faults.
    #[must_use]
    pub fn with_faults(mut self, faults: Arc<FaultPlan>) -> Self {
        self.faults = Some(faults);
        self
    }

    /// Sets the limits per server and connection.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}
