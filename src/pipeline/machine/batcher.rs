//! Decides when a batch is due: when it is full, or its oldest record has waited long enough.

use std::time::Duration;

use crate::measure::nanos;

/// Limits of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum records.
    pub records: usize,
    /// Maximum bytes.
    pub bytes: usize,
    /// How long the oldest record waits for others.
    pub wait: Duration,
}

/// Counts the records and bytes of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batcher {
    limits: Limits,
    records: usize,
    bytes: usize,
    oldest: Option<u64>,
    /// Whether it takes no more, although no limit is reached.
    filled: bool,
}

impl Batcher {
    /// Starts with an empty batch.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            records: 0,
            bytes: 0,
            oldest: None,
            filled: false,
        }
    }

    /// Makes the batch full: what comes next does not fit.
    pub fn fill(&mut self) {
        self.filled = true;
    }

    /// Adds records that arrived at a time. Their number may be 0.
    pub fn add(&mut self, records: usize, bytes: usize, at: u64) {
        self.oldest.get_or_insert(at);
        self.records += records;
        self.bytes += bytes;
    }

    /// Returns whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.oldest.is_none()
    }

    /// Returns whether a limit is reached, or nothing more fits.
    pub fn is_full(&self) -> bool {
        self.filled || self.records >= self.limits.records || self.bytes >= self.limits.bytes
    }

    /// Returns the time at which the batch is due: 0 if it is full, `None` if it is empty.
    pub fn due(&self) -> Option<u64> {
        let oldest = self.oldest?;
        Some(if self.is_full() {
            0
        } else {
            oldest.saturating_add(nanos(self.limits.wait))
        })
    }

    /// Starts the next batch.
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
    fn empty_batch_is_never_due_and_full_batch_is_due_at_once() {
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
        batcher.clear();
        batcher.add(1, 10, 4_000);
        batcher.fill();
        assert_eq!((batcher.is_full(), batcher.due()), (true, Some(0)));
        batcher.clear();
        assert!(!batcher.is_full());
    }

    #[test]
    fn batch_without_records_is_flushed_on_timeout() {
        let mut batcher = Batcher::new(LIMITS);
        batcher.add(0, 0, 1_000);
        assert_eq!(batcher.due(), Some(1_050));
    }
}
