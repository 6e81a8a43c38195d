//! Servers that are gone for good: whoever watches them tells, and nobody goes on asking.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::containers::container;

/// Passes on that requests fail, and that a server has ended.
#[derive(Debug, Default)]
pub struct Lost {
    trouble: Notify,
    ended: CancellationToken,
    reason: Mutex<Option<container::Error>>,
}

/// A server has ended, so that trying again is in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

impl Lost {
    /// Returns once a request has failed since the last return.
    pub async fn trouble(&self) {
        self.trouble.notified().await;
    }

    /// Tells that a server has ended; the first reason counts.
    pub fn tell(&self, reason: container::Error) {
        let mut known = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert(reason);
        self.ended.cancel();
    }

    /// Takes why a server has ended, if one has.
    pub fn take(&self) -> Option<container::Error> {
        let mut reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        reason.take()
    }

    /// Waits before the next attempt at a request that has failed.
    pub async fn pause(&self, pause: Duration) -> Result<(), Gone> {
        self.trouble.notify_one();
        tokio::select! {
            biased;
            () = self.ended.cancelled() => Err(Gone),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }
}
