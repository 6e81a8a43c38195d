//! Places of the commands that read documents or compute them.
//!
//! Each may need tens of megabytes while it runs, and a thread. Commands beyond the places wait;
//! inserts, handshakes and administration do not need one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::bson::Doc;
use crate::error::{Code, CommandError};
use crate::frame::{Frame, Protocol, Reply};

/// Number of such commands that run at one time.
const PLACES: usize = 64;

/// Longest time that a command waits for a place.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Bytes before the command in a message that begins with it.
const COMMAND_AT: usize = 5;

/// The places of all connections.
#[derive(Debug)]
pub struct Queries {
    places: Arc<Semaphore>,
    wait: Duration,
}

impl Default for Queries {
    fn default() -> Self {
        Self::new(PLACES, LONGEST_WAIT)
    }
}

impl Queries {
    fn new(places: usize, wait: Duration) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            wait,
        }
    }

    /// Waits for a place; `None` if the command of a frame needs none.
    pub async fn enter(&self, frame: &Frame) -> Result<Option<OwnedSemaphorePermit>, CommandError> {
        if !computes(frame) {
            return Ok(None);
        }
        self.place().await.map(Some)
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, CommandError> {
        let places = Arc::clone(&self.places);
        match timeout(self.wait, places.acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(CommandError::new(
                Code::EXCEEDED_TIME_LIMIT,
                format!(
                    "the command waited {} s for its turn: too many queries run; see \
                     `currentOp`, and end some by `killOp`",
                    self.wait.as_secs()
                ),
            )),
        }
    }
}

/// Returns the reply to a command that had to wait for too long; `None` if its client expects none.
pub fn refusal(frame: &Frame, error: &CommandError) -> Option<Reply> {
    let unacknowledged = frame.request().is_ok_and(|request| request.unacknowledged);
    let reply = error.reply().finish();
    (!unacknowledged).then(|| Reply::new(Protocol::Message, frame.header.request_id, reply))
}

/// Returns whether the command of a frame reads documents or computes them.
fn computes(frame: &Frame) -> bool {
    let name = match frame.body.get(COMMAND_AT - 1..) {
        // The command is the first section.
        Some([0, command @ ..]) => Doc::new(command).elements().next().map(|first| {
            let name: &str = first.name();
            is_query(name)
        }),
        _ => None,
    };
    name.unwrap_or_else(|| {
        let request = frame.request();
        request.is_ok_and(|request| {
            let first = request.command.elements().next();
            first.is_some_and(|first| is_query(first.name()))
        })
    })
}

fn is_query(command: &str) -> bool {
    matches!(
        command,
        "aggregate"
            | "count"
            | "delete"
            | "distinct"
            | "explain"
            | "find"
            | "findAndModify"
            | "findandmodify"
            | "getMore"
            | "update"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn command_without_a_place_fails_after_its_time() {
        let queries = Queries::new(1, Duration::from_millis(20));
        let first = queries.place().await.expect("a place");
        let error = queries.place().await.expect_err("there is no other place");
        assert_eq!(error.code(), Code::EXCEEDED_TIME_LIMIT);
        drop(first);
        assert!(queries.place().await.is_ok());
    }
}
