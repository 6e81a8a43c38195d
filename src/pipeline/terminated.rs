//! Tracks servers that have terminated, so that callers stop retrying.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::pipeline::error::Error;

/// Reports failed requests to the watcher of the servers, and terminated servers to the tasks.
#[derive(Debug, Default)]
pub struct TerminatedServers {
    request_failed: Notify,
    terminated: CancellationToken,
    reason: Mutex<Option<Error>>,
}

/// A server has terminated, so a retry cannot succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminated;

impl TerminatedServers {
    /// Returns once a request has failed since the last call.
    pub async fn request_failed(&self) {
        self.request_failed.notified().await;
    }

    /// Reports that a server has terminated, or can write no more. Only the first reason is kept.
    pub fn report(&self, reason: Error) {
        let mut known = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert(reason);
        self.terminated.cancel();
    }

    /// Ends all retries, because the run is no longer waited for.
    pub fn give_up(&self) {
        self.terminated.cancel();
    }

    /// Takes the reason why a server has terminated, if one has.
    pub fn take_reason(&self) -> Option<Error> {
        let mut reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        reason.take()
    }

    /// Waits before the next attempt of a request that has failed.
    pub async fn pause(&self, pause: Duration) -> Result<(), Terminated> {
        self.request_failed.notify_one();
        tokio::select! {
            biased;
            () = self.terminated.cancelled() => Err(Terminated),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }
}
