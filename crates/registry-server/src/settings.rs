//! Settings of the server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use convoy_server_kit::{Limits, User};

/// Settings of a [`RegistryServer`](crate::RegistryServer).
///
/// By default it listens on a free port of the loopback interface, keeps schemas in memory and
/// accepts anonymous clients.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Directory of the journal. `None` keeps schemas in memory, for as long as the server lives.
    pub data_dir: Option<PathBuf>,
    /// Users that may send requests (HTTP basic authentication); if empty, everyone may.
    pub users: Vec<User>,
    /// Limits per client and for all of them. `frame_bytes` limits the body of a request.
    pub limits: Limits,
    /// How long a new connection may take to send its first request.
    pub(crate) first_request: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data_dir: None,
            users: Vec::new(),
            limits: Limits {
                connections: 1_024,
                frame_bytes: 16 << 20,
                idle: Duration::from_secs(60),
            },
            first_request: Duration::from_secs(10),
        }
    }
}

impl Settings {
    /// Sets the address to listen on.
    #[must_use]
    pub fn with_listen(mut self, listen: SocketAddr) -> Self {
        self.listen = listen;
        self
    }

    /// Keeps schemas in a journal in this directory, which is created if it is missing.
    #[must_use]
    pub fn with_data_dir(mut self, data_dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(data_dir.into());
        self
    }

    /// Adds a user. From the first one on, every request needs a user and a password.
    #[must_use]
    pub fn with_user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}
