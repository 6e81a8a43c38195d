//! Lag of the owned partitions: how far their ends are from what is stored.
//!
//! ```text
//!  log of a partition   ├── stored, checkpoint written ──┤── read ──┤── unread ──┤
//!                                                   committed      read          end
//!                                                        └──────── lag ──────────┘
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::pipeline::context::TopicPartition;

/// Offset of an end that no response has named yet.
const UNKNOWN: i64 = -1;

/// Progress of one partition. Its consumer and its writer store into it once per fetch and checkpoint.
#[derive(Debug)]
pub struct PartitionProgress {
    read: AtomicI64,
    committed: AtomicI64,
    end: AtomicI64,
    /// Time of the last response without a record after `read`; 0 before the first.
    exhausted: AtomicU64,
}

impl PartitionProgress {
    /// Starts at a checkpoint.
    pub fn new(position: i64) -> Self {
        Self {
            read: AtomicI64::new(position),
            committed: AtomicI64::new(position),
            end: AtomicI64::new(UNKNOWN),
            exhausted: AtomicU64::new(0),
        }
    }

    /// Records a response to a fetch at a position: the log ends at `end`.
    pub fn answered(&self, position: i64, end: i64, now: u64) {
        self.end.store(end, Ordering::Relaxed);
        if end <= position {
            self.exhausted.store(now, Ordering::Release);
        }
    }

    /// Records that every record before an offset is handed to the writer.
    pub fn read(&self, offset: i64) {
        self.read.store(offset, Ordering::Release);
    }

    /// Records that the checkpoint of an offset is written.
    pub fn committed(&self, offset: i64) {
        self.committed.store(offset, Ordering::Release);
    }

    /// Returns the offset of the last checkpoint.
    pub fn position(&self) -> i64 {
        self.committed.load(Ordering::Acquire)
    }

    /// Returns the number of records after the checkpoint, as of the last response.
    fn lag(&self) -> Option<u64> {
        let end = self.end.load(Ordering::Relaxed);
        let lag = end.saturating_sub(self.position()).max(0).unsigned_abs();
        (end != UNKNOWN).then_some(lag)
    }

    /// Returns whether a response since a time had no record, and all before it are stored.
    fn is_exhausted_since(&self, since: u64) -> bool {
        self.exhausted.load(Ordering::Acquire) >= since
            && self.position() >= self.read.load(Ordering::Acquire)
    }
}

/// Progress of every partition that this process owns.
#[derive(Debug, Default)]
pub struct Lag(Mutex<BTreeMap<TopicPartition, Arc<PartitionProgress>>>);

impl Lag {
    /// Adds a partition at its checkpoint.
    pub fn track(&self, partition: TopicPartition, position: i64) -> Arc<PartitionProgress> {
        let progress = Arc::new(PartitionProgress::new(position));
        self.lock().insert(partition, Arc::clone(&progress));
        progress
    }

    /// Removes a partition that another member reads from now on.
    pub fn forget(&self, partition: TopicPartition) {
        self.lock().remove(&partition);
    }

    /// Returns the checkpoint of each partition.
    pub fn positions(&self) -> BTreeMap<TopicPartition, i64> {
        let partitions = self.lock();
        let positions = partitions.iter();
        positions
            .map(|(partition, progress)| (*partition, progress.position()))
            .collect()
    }

    /// Returns the records after all checkpoints, as of the last responses; `None` before those.
    pub fn total(&self) -> Option<u64> {
        let partitions = self.lock();
        if partitions.is_empty() {
            return None;
        }
        partitions.values().map(|progress| progress.lag()).sum()
    }

    /// Returns whether the broker has said since a time that no partition has a record left, and every
    /// record before is stored.
    ///
    /// A broker, a node or a store that hangs does not say so.
    pub fn is_exhausted_since(&self, since: u64) -> bool {
        let partitions = self.lock();
        let mut partitions = partitions.values();
        partitions.all(|progress| progress.is_exhausted_since(since))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, Arc<PartitionProgress>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTITION: TopicPartition = TopicPartition {
        topic: 0,
        number: 0,
    };

    #[test]
    fn partition_is_exhausted_once_all_is_stored_and_a_later_response_has_no_record() {
        let lag = Lag::default();
        let progress = lag.track(PARTITION, 5);
        assert!(!lag.is_exhausted_since(1), "nothing was answered");
        progress.answered(5, 9, 10);
        progress.read(9);
        assert!(!lag.is_exhausted_since(10), "records are unread");
        progress.answered(9, 9, 20);
        assert!(!lag.is_exhausted_since(20), "records are not stored");
        progress.committed(9);
        assert!(lag.is_exhausted_since(20));
        assert!(
            !lag.is_exhausted_since(21),
            "the broker has not answered since"
        );
    }

    #[test]
    fn one_hung_partition_is_enough() {
        let lag = Lag::default();
        let other = TopicPartition {
            number: 1,
            ..PARTITION
        };
        let (answering, _hung) = (lag.track(PARTITION, 0), lag.track(other, 0));
        answering.answered(0, 0, 30);
        assert!(!lag.is_exhausted_since(30));
        lag.forget(other);
        assert!(lag.is_exhausted_since(30));
    }

    #[test]
    fn lag_counts_from_the_checkpoint_and_is_unknown_before_the_first_response() {
        let lag = Lag::default();
        assert_eq!(lag.total(), None);
        let progress = lag.track(PARTITION, 5);
        assert_eq!(lag.total(), None);
        progress.answered(5, 9, 10);
        progress.read(9);
        assert_eq!(lag.total(), Some(4));
        progress.committed(7);
        assert_eq!(lag.total(), Some(2));
        assert_eq!(lag.positions()[&PARTITION], 7);
    }
}
