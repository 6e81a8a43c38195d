//! The interface of a stage, and the context that it runs in.

use std::sync::Arc;

use convoy_server_kit::RunClock;
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, Row, Scan};
use crate::error::{Code, CommandError};
use crate::left::Left;

/// A stage of an aggregation pipeline.
pub trait Stage: Send {
    /// Returns the next document; `None` after the last one.
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError>;
}

/// The store, the time and the limits of a query.
#[derive(Debug, Clone)]
pub struct Context {
    pub engine: Arc<Engine>,
    pub clock: RunClock,
    /// Milliseconds since 1970 when the query began.
    pub now_ms: i64,
    /// Time on `clock` at which the query fails.
    pub deadline: Option<u64>,
    /// Id of the session that the query belongs to.
    pub session: Option<Arc<[u8]>>,
    /// Cancelled when the server stops.
    pub stopping: CancellationToken,
    /// Whether the client has left or the command was killed; `None` for the server's own work.
    pub left: Option<Left>,
    /// Whether a pipeline writes without asking validators.
    pub bypass: bool,
    /// Whether a sort may put more documents aside than fit into the memory of a stage.
    pub spills: bool,
}

impl Context {
    /// Fails if the query has exceeded its time limit, its client has left, it was killed, or the server is
    /// stopping.
    pub fn check(&self) -> Result<(), CommandError> {
        if self.stopping.is_cancelled() {
            return Err(CommandError::new(
                Code::INTERRUPTED_AT_SHUTDOWN,
                "interrupted at shutdown",
            ));
        }
        if self.left.as_ref().is_some_and(Left::is_set) {
            let message = "the client has left";
            return Err(CommandError::new(Code::CLIENT_DISCONNECT, message));
        }
        if self.left.as_ref().is_some_and(Left::is_killed) {
            let message = "operation was interrupted";
            return Err(CommandError::new(Code::INTERRUPTED, message));
        }
        match self.deadline {
            Some(deadline) if self.clock.now() > deadline => Err(CommandError::new(
                Code::MAX_TIME_EXPIRED,
                "operation exceeded time limit",
            )),
            _ => Ok(()),
        }
    }
}

impl Stage for Scan {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        Self::next(self, context.engine.log(), || context.check())
    }
}
