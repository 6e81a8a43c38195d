//! A partition, shared by connections: its log, locked, and the fetches that wait for it to grow.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::batch::Header;
use crate::log::{self, Log, Slice};
use crate::watchers::Watchers;

#[derive(Debug)]
pub struct Partition {
    log: Mutex<Log>,
    watchers: Watchers,
    deleted: AtomicBool,
    /// Held during a sync, so that one sync serves all waiting callers.
    syncing: tokio::sync::Mutex<()>,
}

/// The range of offsets that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offsets {
    pub start: i64,
    /// Offset of the next record: the high watermark.
    pub next: i64,
}

/// The result of reading a partition.
#[derive(Debug)]
pub struct Found {
    pub offsets: Offsets,
    /// `None` at the end of the log.
    pub slice: Option<Slice>,
}

impl Partition {
    pub fn open(directory: PathBuf, segment_bytes: u64) -> Result<Self, log::Error> {
        Ok(Self {
            log: Mutex::new(Log::open(directory, segment_bytes)?),
            watchers: Watchers::default(),
            deleted: AtomicBool::new(false),
            syncing: tokio::sync::Mutex::new(()),
        })
    }

    /// Appends one checked batch, wakes waiting fetches, and returns the batch's first offset.
    pub fn append(&self, header: &Header, bytes: &[u8]) -> Result<i64, log::Error> {
        let base_offset = self.log().append(header, bytes)?;
        self.watchers.wake();
        Ok(base_offset)
    }

    /// Returns batches from an offset on, and the readable range.
    pub fn find(
        &self,
        offset: i64,
        max_bytes: usize,
        first_regardless: bool,
    ) -> Result<Found, log::Error> {
        let log = self.log();
        let slice = log.slice(offset, max_bytes, first_regardless)?;
        Ok(Found {
            offsets: offsets(&log),
            slice,
        })
    }

    pub fn offsets(&self) -> Offsets {
        offsets(&self.log())
    }

    /// Syncs all appended batches; returns false if they were synced already.
    pub async fn sync(&self) -> Result<bool, log::Error> {
        let wanted = self.log().next_offset();
        let _one_at_a_time = self.syncing.lock().await;
        let unsynced = {
            let log = self.log();
            if log.synced_offset() >= wanted {
                return Ok(false);
            }
            log.unsynced()
        };
        let Some(unsynced) = unsynced else {
            return Ok(false);
        };
        let offset = unsynced.offset;
        tokio::task::spawn_blocking(move || unsynced.sync())
            .await
            .map_err(|_panicked| log::Error::Interrupted)??;
        self.log().mark_synced(offset);
        Ok(true)
    }

    /// Locks the log. Hold the lock for a short operation only.
    pub fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the partition as deleted, and wakes waiting fetches.
    pub fn delete(&self) {
        self.deleted.store(true, Ordering::Release);
        self.watchers.wake();
    }

    /// Returns the number of waiting fetches.
    #[cfg(test)]
    pub fn watched(&self) -> usize {
        self.watchers.count()
    }

    /// Whether the partition was deleted.
    pub fn deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }
}

fn offsets(log: &Log) -> Offsets {
    Offsets {
        start: log.start_offset(),
        next: log.next_offset(),
    }
}

/// Waits for one of several partitions to grow.
#[derive(Debug)]
pub struct Watch {
    notify: Arc<Notify>,
    partitions: Vec<Arc<Partition>>,
}

impl Watch {
    /// Starts to watch partitions.
    pub fn start(partitions: Vec<Arc<Partition>>) -> Self {
        let notify = Arc::new(Notify::new());
        for partition in &partitions {
            partition.watchers.add(&notify);
        }
        Self { notify, partitions }
    }

    /// Waits until a partition has grown since the start or the last return.
    pub async fn grown(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for partition in &self.partitions {
            partition.watchers.remove(&self.notify);
        }
    }
}
