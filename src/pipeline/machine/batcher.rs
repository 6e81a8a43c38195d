//! When a batch is due: once it is full, or its first part has waited long enough.

use std::time::Duration;

use crate::measure::nanos;

/// How large a batch may grow and how long it may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Records after which it is full.
    pub records: usize,
    /// Bytes after which it is full.
    pub bytes: usize,
    /// How long its first part waits for others.
    pub wait: Duration,
}

/// Counts what is in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batcher {
    limits: Limits,
    records: usize,
    bytes: usize,
    oldest: Option<u64>,
}

impl Batcher {
    /// Begins with an empty batch.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            records: 0,
            bytes: 0,
            oldest: None,
        }
    }

    /// Notes that something was put in which came `at` a time; it need not hold any record.
    pub fn add(&mut self, records: usize, bytes: usize, at: u64) {
        self.oldest.get_or_insert(at);
        self.records += records;
        self.bytes += bytes;
    }

    /// Returns whether nothing was put in.
    pub fn is_empty(&self) -> bool {
        self.oldest.is_none()
    }

    /// Returns whether it takes no more.
    pub fn is_full(&self) -> bool {
        self.records >= self.limits.records || self.bytes >= self.limits.bytes
    }

    /// Returns when the batch is due at the latest; at once if it is full, never if it is empty.
    pub fn due(&self) -> Option<u64> {
        let oldest = self.oldest?;
        Some(if self.is_full() {
            0
        } else {
            oldest.saturating_add(nanos(self.limits.wait))
        })
    }

    /// Begins the next batch.
    pub fn clear(&mut self) {
        *self = Self::new(self.limits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        records: 3,
        bytes: 100,
        wait: Duration::from_nanos(50),
    };

    #[test]
    fn an_empty_batch_is_never_due_and_a_full_one_at_once() {
        let mut batcher = Batcher::new(LIMITS);
        assert_eq!(batcher.due(), None);
        batcher.add(1, 10, 1_000);
        batcher.add(1, 10, 2_000);
        assert_eq!(batcher.due(), Some(1_050));
        batcher.add(1, 10, 2_010);
        assert_eq!((batcher.is_full(), batcher.due()), (true, Some(0)));
        batcher.clear();
        assert!(batcher.is_empty());
        batcher.add(1, 100, 3_000);
        assert!(batcher.is_full());
    }

    #[test]
    fn what_holds_no_record_is_due_all_the_same() {
        let mut batcher = Batcher::new(LIMITS);
        batcher.add(0, 0, 1_000);
        assert_eq!(batcher.due(), Some(1_050));
    }
}
