//! State of one connection's client between commands.

use std::net::SocketAddr;
use std::time::Duration;

use convoy_server_kit::scram::Exchange;

use crate::command::shared::Shared;

/// What is known of a connection's client.
#[derive(Debug)]
pub struct Client {
    /// Number of the connection.
    pub id: i32,
    /// The address that the client connected to.
    pub local: Option<SocketAddr>,
    /// The address of the client.
    pub peer: Option<SocketAddr>,
    /// Name of the user that logged in.
    pub user: Option<String>,
    /// The login under way.
    pub login: Option<Login>,
    /// Whether the last command was a login that failed.
    pub rejected: bool,
    /// Number of frames that the client sent.
    pub commands: u64,
    /// How long the last command may wait for documents, if it found none.
    pub wait: Option<Duration>,
    /// Whether the reply to the current command has an int in `ok`.
    pub integer_ok: bool,
}

/// A login under way.
#[derive(Debug)]
pub enum Login {
    /// The client's proof is due.
    Proof {
        /// What the proof answers.
        exchange: Exchange,
        /// Whether the client omits the empty message at the end.
        skips_empty: bool,
    },
    /// The proof was right; an empty message is due.
    Empty {
        /// Name of the user.
        user: String,
    },
}

impl Client {
    /// Returns the state of a new connection.
    pub fn new(id: i32, local: Option<SocketAddr>) -> Self {
        Self {
            id,
            local,
            peer: None,
            user: None,
            login: None,
            rejected: false,
            commands: 0,
            wait: None,
            integer_ok: false,
        }
    }

    /// Returns the address of the server as this client reaches it: a server that listens on all
    /// addresses has no other one.
    pub fn host(&self, shared: &Shared) -> String {
        let anywhere = shared.address.ip().is_unspecified();
        let reached = self.local.filter(|_| anywhere);
        reached.unwrap_or(shared.address).to_string()
    }
}
