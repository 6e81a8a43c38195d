//! A partition, shared by connections: its log, locked, and the fetches that wait for it to grow.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::batch::Header;
use crate::log::{self, Aborted, Bounds, Log, Marker, Slice};
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
    /// Offset before which every transaction has ended.
    pub stable: i64,
}

/// Which records a client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// All records.
    ReadUncommitted,
    /// Records before the last stable offset; the client skips those of aborted transactions.
    ReadCommitted,
}

impl Isolation {
    /// Reads the isolation level of a request.
    pub fn from_level(level: i8) -> Self {
        if level == 1 {
            Self::ReadCommitted
        } else {
            Self::ReadUncommitted
        }
    }

    /// Returns the end of what can be read.
    pub fn end(self, offsets: Offsets) -> i64 {
        match self {
            Self::ReadUncommitted => offsets.next,
            Self::ReadCommitted => offsets.stable,
        }
    }
}

/// How much a client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    pub max_bytes: usize,
    /// Whether the first batch is returned whatever its size.
    pub first_regardless: bool,
    pub isolation: Isolation,
}

/// The result of reading a partition.
#[derive(Debug)]
pub struct Found {
    pub offsets: Offsets,
    /// `None` at the end of what can be read.
    pub slice: Option<Slice>,
    /// Aborted transactions with records in the slice; `None` unless only committed ones are read.
    pub aborted: Option<Vec<Aborted>>,
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
    pub fn find(&self, offset: i64, reading: Reading) -> Result<Found, log::Error> {
        let log = self.log();
        let offsets = offsets(&log);
        let bounds = Bounds {
            max_bytes: reading.max_bytes,
            first_regardless: reading.first_regardless,
            before: reading.isolation.end(offsets),
        };
        let slice = log.slice(offset, bounds)?;
        let aborted = match (reading.isolation, &slice) {
            (Isolation::ReadUncommitted, _) => None,
            (Isolation::ReadCommitted, None) => Some(Vec::new()),
            (Isolation::ReadCommitted, Some(slice)) => {
                let end = slice.end_offset.min(bounds.before);
                Some(log.history().transactions.aborted_between(offset, end))
            }
        };
        Ok(Found {
            offsets,
            slice,
            aborted,
        })
    }

    /// Ends the transaction of a producer, unless it was not admitted or has ended already.
    pub fn end_transaction(&self, marker: &Marker) -> Result<(), log::Error> {
        let mut log = self.log();
        if log.history().transactions.is_admitted(marker.producer_id) {
            log.append_marker(marker)?;
            self.watchers.wake();
        }
        Ok(())
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
        stable: log.stable_offset(),
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
