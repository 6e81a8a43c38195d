//! What a server does without being asked: syncs the log, ends idle cursors, removes expired
//! documents, gives back space.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::command::{Shared, expire};
use crate::engine::{Error, compact};

/// How often writes that no client waits for are synced: MongoDB's commit interval.
const SYNC_INTERVAL: Duration = Duration::from_millis(100);

/// How often idle cursors, expired documents and mostly unused segments are looked for.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(10);

/// Runs until stopped; ends after the work at hand.
pub async fn run(shared: Arc<Shared>, stopping: CancellationToken) {
    let mut sync = tokio::time::interval(SYNC_INTERVAL);
    let mut cleanup = tokio::time::interval(CLEANUP_INTERVAL);
    sync.set_missed_tick_behavior(MissedTickBehavior::Delay);
    cleanup.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let cleanup_is_due = tokio::select! {
            () = stopping.cancelled() => return,
            _ = sync.tick() => false,
            _ = cleanup.tick() => true,
        };
        let shared = Arc::clone(&shared);
        let work = move || {
            if cleanup_is_due {
                clean_up(&shared)
            } else {
                shared.engine.log().sync_all()
            }
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(()) | Err(Error::Closed)) => {}
            Ok(Err(error)) => warn!(%error, "upkeep of the document store failed"),
            Err(error) => warn!(%error, "upkeep of the document store panicked"),
        }
    }
}

fn clean_up(shared: &Shared) -> Result<(), Error> {
    shared.cursors.reap(shared.clock.now());
    if let Some(oplog) = shared.engine.oplog() {
        oplog.sessions().reap(shared.clock.now());
    }
    match expire(shared) {
        Ok(0) => {}
        Ok(count) => debug!(count, "removed expired documents"),
        Err(error) => warn!(%error, "failed to remove expired documents"),
    }
    compact(&shared.engine)
}
