//! What a test can make go wrong, and when.
//!
//! A [`FaultHook`] in the [`Settings`](crate::Settings) is asked once
//! for every command, before the command runs. Without a hook nothing is asked.
//!
//! ```text
//!  request ─▶ hook.fault_for ─▶ before ─▶ apply ─▶ after ─▶ reply
//!                     │           │         │        └ delay, hang or cut with the command applied
//!                     │           │         └ single writes rejected; write concern not met
//!                     │           └ delay, hang or cut with nothing applied
//!                     └ or the whole command rejected
//! ```

use std::time::Duration;

use convoy_server_kit::FaultHook;

use crate::error::{Code, CommandError};

/// A hook of this server, shared by all connections.
pub type FaultPlan = dyn for<'a> FaultHook<Moment<'a>, Fault>;

/// A command is about to run.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The command's name, such as `insert`.
    pub command: &'a str,
    /// The command's database.
    pub database: &'a str,
    /// The collection that the command names; empty if none.
    pub collection: &'a str,
    /// Number of the connection, from 1.
    pub connection: i32,
}

/// What goes wrong with a command. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fault {
    /// Happens before anything is applied.
    pub before: Option<Interruption>,
    /// Happens when everything is applied, before the reply.
    pub after: Option<Interruption>,
    /// Rejects the whole command.
    pub rejection: Option<ErrorReply>,
    /// Rejects single writes of a batch, by their index; the others are applied.
    pub write_errors: Vec<(usize, ErrorReply)>,
    /// Applies the write and reports that its write concern was not met.
    pub write_concern_error: Option<ErrorReply>,
}

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// The server waits this long, then goes on.
    Delay(Duration),
    /// The server never replies; the connection stays open.
    Hang,
    /// The server closes the connection.
    Cut,
}

/// An error as MongoDB replies with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReply {
    /// MongoDB's error code.
    pub code: i32,
    /// The error message.
    pub message: String,
}

impl Fault {
    /// Returns a fault before anything is applied.
    pub fn before(interruption: Interruption) -> Self {
        Self {
            before: Some(interruption),
            ..Self::default()
        }
    }

    /// Returns a fault when everything is applied, before the reply.
    pub fn after(interruption: Interruption) -> Self {
        Self {
            after: Some(interruption),
            ..Self::default()
        }
    }

    /// Returns a fault that rejects the whole command.
    pub fn rejection(error: ErrorReply) -> Self {
        Self {
            rejection: Some(error),
            ..Self::default()
        }
    }

    /// Returns the error of the write at an index, if it is to be rejected.
    pub(crate) fn write_error(&self, index: usize) -> Option<CommandError> {
        let found = self.write_errors.iter().find(|(at, _)| *at == index);
        found.map(|(_, error)| error.to_command_error())
    }
}

impl ErrorReply {
    /// Returns an error with MongoDB's code and a message.
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    pub(crate) fn to_command_error(&self) -> CommandError {
        CommandError::new(Code::location(self.code), self.message.clone())
    }
}
