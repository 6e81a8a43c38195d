//! State of one connection's client between commands.

use convoy_server_kit::scram::Exchange;

/// What is known of a connection's client.
#[derive(Debug)]
pub struct Client {
    /// Number of the connection.
    pub id: i32,
    /// Name of the user that logged in.
    pub user: Option<String>,
    /// The login under way.
    pub login: Option<Login>,
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
    pub fn new(id: i32) -> Self {
        Self {
            id,
            user: None,
            login: None,
        }
    }
}
