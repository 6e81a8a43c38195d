//! A query under way: stages that pull documents from each other, one at a time.
//!
//! ```text
//!  cursor ─▶ Project ─▶ Limit ─▶ Skip ─▶ Sort ─▶ Match ─▶ Scan ─▶ engine
//! ```
//!
//! Nothing is computed before it is asked for, so a cursor over millions of documents holds one
//! chunk of them.

pub mod accumulator;
pub mod composed;
pub mod group;
pub mod parse;
pub mod stages;
pub mod transform;

use std::sync::Arc;

use convoy_server_kit::clock::RunClock;
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, Row, Scan};
use crate::error::{Code, CommandError};

/// A stage.
pub trait Stage: Send {
    /// Returns the next document.
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError>;
}

/// What a query runs in.
#[derive(Debug, Clone)]
pub struct Context {
    /// Where the documents are.
    pub engine: Arc<Engine>,
    /// The time.
    pub clock: RunClock,
    /// Milliseconds since 1970 when the query began.
    pub now_ms: i64,
    /// When the query must have ended, on the clock.
    pub deadline: Option<u64>,
    /// Cancelled when the store stops.
    pub stopping: CancellationToken,
}

impl Context {
    /// Fails if the query has had its time, or the store is about to stop.
    pub fn check(&self) -> Result<(), CommandError> {
        if self.stopping.is_cancelled() {
            return Err(CommandError::new(
                Code::INTERRUPTED_AT_SHUTDOWN,
                "interrupted at shutdown",
            ));
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

/// Returns all documents of a stage.
pub fn drain(stage: &mut dyn Stage, context: &Context) -> Result<Vec<Row>, CommandError> {
    let mut rows = Vec::new();
    while let Some(row) = stage.next(context)? {
        rows.push(row);
    }
    Ok(rows)
}
