//! The seam through which tests and rehearsals make the store misbehave.
//!
//! A [`FaultPlan`] in the [`Settings`](crate::Settings) is asked once for every command, before the
//! command runs, and says what is to go wrong with it. Without a plan nothing is asked.
//!
//! ```text
//!  frame read ─▶ plan.inject ─▶ before ─▶ apply ─▶ after ─▶ reply
//!                    │            │         │        └ delay, hang or cut with the command applied
//!                    │            │         └ single writes refused; write concern not met
//!                    │            └ delay, hang or cut with nothing applied
//!                    └ or the whole command refused
//! ```

use std::fmt::Debug;
use std::time::Duration;

use crate::error::{Code, CommandError};

/// A command that a client sent.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    /// Its name, such as `insert`.
    pub command: &'a str,
    /// The database it is for.
    pub database: &'a str,
    /// The collection it names, empty if none.
    pub collection: &'a str,
    /// The number of the connection, from 1 on.
    pub connection: i32,
}

/// What is to go wrong with a command. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Injected {
    /// Happens before anything is applied.
    pub before: Option<Disturbance>,
    /// Happens when everything is applied, before the reply.
    pub after: Option<Disturbance>,
    /// The command is refused as a whole.
    pub refusal: Option<InjectedError>,
    /// Writes of a batch that are refused, by their index in it; the others are applied.
    pub write_errors: Vec<(usize, InjectedError)>,
    /// The write is applied and reported as not acknowledged as asked.
    pub write_concern_error: Option<InjectedError>,
}

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// Nothing for a while.
    Delay(Duration),
    /// Nothing ever again; the connection stays open.
    Hang,
    /// The connection ends.
    Cut,
}

/// An error that a client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InjectedError {
    /// MongoDB's number.
    pub code: i32,
    /// What it says.
    pub message: String,
}

/// Decides what goes wrong. Shared by all connections.
pub trait FaultPlan: Debug + Send + Sync {
    /// Returns what is to go wrong with a command.
    fn inject(&self, occasion: &Occasion<'_>) -> Injected;
}

impl Injected {
    /// Returns the error of the write at an index, if it is to be refused.
    pub(super) fn write_error(&self, index: usize) -> Option<CommandError> {
        let found = self.write_errors.iter().find(|(at, _)| *at == index);
        found.map(|(_, error)| error.as_command_error())
    }
}

impl InjectedError {
    /// Makes an error of MongoDB's number and message.
    pub fn new(code: i32, message: &str) -> Self {
        Self {
            code,
            message: message.to_owned(),
        }
    }

    /// Returns the error as commands report it.
    pub(super) fn as_command_error(&self) -> CommandError {
        CommandError::new(Code::location(self.code), self.message.clone())
    }
}
