//! A partition as connections share it: its log behind a lock, and who waits for it to grow.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::batch::Header;
use crate::log::{self, Log, Slice};
use crate::watchers::Watchers;

/// One partition of a topic.
#[derive(Debug)]
pub struct Partition {
    log: Mutex<Log>,
    watchers: Watchers,
    deleted: AtomicBool,
    /// Held while files are synced, so that one sync serves all who wait.
    syncing: tokio::sync::Mutex<()>,
}

/// The readable range of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offsets {
    /// First offset that can be read.
    pub start: i64,
    /// Offset of the next record: the high watermark.
    pub next: i64,
}

/// What a fetch of one partition found.
#[derive(Debug)]
pub struct Found {
    /// The readable range.
    pub offsets: Offsets,
    /// The batches, `None` where there is nothing yet.
    pub slice: Option<Slice>,
}

impl Partition {
    /// Opens the partition whose log is in a directory.
    pub fn open(directory: PathBuf, segment_bytes: u64) -> Result<Self, log::Error> {
        Ok(Self {
            log: Mutex::new(Log::open(directory, segment_bytes)?),
            watchers: Watchers::default(),
            deleted: AtomicBool::new(false),
            syncing: tokio::sync::Mutex::new(()),
        })
    }

    /// Appends one checked batch, wakes who waits, and returns its first offset.
    pub fn append(&self, header: &Header, bytes: &[u8]) -> Result<i64, log::Error> {
        let base_offset = self.log().append(header, bytes)?;
        self.watchers.wake();
        Ok(base_offset)
    }

    /// Returns batches from an offset on.
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

    /// Returns the readable range.
    pub fn offsets(&self) -> Offsets {
        offsets(&self.log())
    }

    /// Makes everything appended so far survive the end of the machine; false if it would have
    /// without.
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

    /// Locks the log for a short operation.
    pub fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the partition out of service.
    pub fn delete(&self) {
        self.deleted.store(true, Ordering::Release);
        self.watchers.wake();
    }

    /// Returns how many fetches wait for it to grow.
    #[cfg(test)]
    pub fn watched(&self) -> usize {
        self.watchers.count()
    }

    /// Whether the partition was taken out of service.
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

/// Wakes its owner when one of several partitions grows.
#[derive(Debug)]
pub struct Watch {
    notify: Arc<Notify>,
    partitions: Vec<Arc<Partition>>,
}

impl Watch {
    /// Watches partitions from now on.
    pub fn start(partitions: Vec<Arc<Partition>>) -> Self {
        let notify = Arc::new(Notify::new());
        for partition in &partitions {
            partition.watchers.add(&notify);
        }
        Self { notify, partitions }
    }

    /// Returns once a partition grew since the start or since the last return.
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
