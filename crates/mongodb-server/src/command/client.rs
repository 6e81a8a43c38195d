//! State of one connection's client between commands.

use crate::auth::Conversation;

/// What is known of a connection's client, from command to command.
#[derive(Debug)]
pub struct Client {
    /// The connection's number.
    pub id: i32,
    /// Who the client has proved to be.
    pub user: Option<String>,
    /// The proof under way.
    pub conversation: Option<Progress>,
}

impl Client {
    /// Nothing is known of a new client.
    pub fn new(id: i32) -> Self {
        Self {
            id,
            user: None,
            conversation: None,
        }
    }
}

/// A conversation under way.
#[derive(Debug)]
pub enum Progress {
    /// The proof is due.
    Proof {
        /// What it answers.
        conversation: Conversation,
        /// Whether the client goes without an empty message at the end.
        skips_empty: bool,
    },
    /// The proof was right; an empty message is due.
    Farewell {
        /// Who it was.
        user: String,
    },
}
