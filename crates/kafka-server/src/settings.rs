//! What a broker is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use convoy_server_kit::Limits;

use crate::auth::User;
use crate::faults::Faults;

/// Settings of an embedded broker.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Host and port that clients are told to connect to, where they do not reach the broker at
    /// the address it listens on.
    pub advertised: Option<(String, u16)>,
    /// Where topics are kept; without it, in a temporary directory that goes with the broker.
    pub data_dir: Option<PathBuf>,
    /// Partitions of a topic that is created without saying how many.
    pub default_partitions: i32,
    /// Whether asking for an unknown topic creates it.
    pub auto_create_topics: bool,
    /// Bytes after which a partition begins a new segment file.
    pub segment_bytes: u64,
    /// Bytes that one record batch may have.
    pub max_batch_bytes: usize,
    /// Bytes of records that one fetch response may have, unless its first batch alone is larger.
    pub max_fetch_bytes: usize,
    /// How long a group waits for company after its first member, to spare it rebalances.
    pub group_join_delay: Duration,
    /// How often old segments are removed and, in a data directory, fresh records are synced: so
    /// much is checked again after the process was killed.
    pub upkeep_interval: Duration,
    /// Who may use the broker; without any, everyone who reaches it.
    pub users: Vec<User>,
    /// Certificate and key to speak TLS with; without, nothing is encrypted.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Whether everyone may use the broker though it listens beyond loopback.
    pub allow_anonymous_remote: bool,
    /// What is to go wrong, for tests.
    pub faults: Option<Arc<dyn Faults>>,
    /// What a client may ask for at most.
    pub limits: Limits,
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
            max_batch_bytes: 16 * 1024 * 1024,
            max_fetch_bytes: 55 * 1024 * 1024,
            group_join_delay: Duration::from_millis(50),
            upkeep_interval: Duration::from_secs(30),
            users: Vec::new(),
            tls: None,
            allow_anonymous_remote: false,
            faults: None,
            limits: Limits {
                connections: 2_000,
                frame_bytes: 100 * 1024 * 1024,
                idle: Duration::from_secs(600),
            },
        }
    }
}
