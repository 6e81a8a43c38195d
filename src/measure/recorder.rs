//! What a task records: one recorder per task, locked once per batch and read once per interval.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::histogram::Histogram;
use super::stage::Stages;

/// Samples of one task. The lock is taken per batch, so it is practically never contended.
#[derive(Debug, Default)]
pub struct Recorder {
    recording: Mutex<Recording>,
}

/// Everything one task has measured.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// Every stage since the warm-up ended.
    pub stages: Stages<Histogram>,
    /// End-to-end latency since the last interval, warm-up included.
    pub interval: Histogram,
    /// Records stored after the warm-up.
    pub stored: u64,
    /// Payload bytes of those records.
    pub stored_bytes: u64,
    /// Earliest intended instant of those records.
    pub first_intended: Option<u64>,
    /// Latest durable write of those records.
    pub last_stored: Option<u64>,
    /// Earliest durable write of any record, warm-up included.
    pub first_stored: Option<u64>,
}

impl Recorder {
    /// Locks the recording for one batch of samples.
    pub fn lock(&self) -> MutexGuard<'_, Recording> {
        // A task that panicked fails the run; what it had recorded is still true.
        self.recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the interval's end-to-end latencies and begins a new interval.
    pub fn take_interval(&self) -> Histogram {
        let mut recording = self.lock();
        let taken = recording.interval.clone();
        recording.interval.clear();
        taken
    }
}

impl Recording {
    /// Adds what another task has recorded.
    pub fn merge(&mut self, other: &Self) {
        self.stages.merge(&other.stages);
        self.interval.merge(&other.interval);
        self.stored += other.stored;
        self.stored_bytes += other.stored_bytes;
        self.first_intended = earlier(self.first_intended, other.first_intended);
        self.last_stored = self.last_stored.max(other.last_stored);
        self.first_stored = earlier(self.first_stored, other.first_stored);
    }

    /// Returns nanoseconds from the first intended instant to the last durable write.
    pub fn duration_ns(&self) -> u64 {
        match (self.first_intended, self.last_stored) {
            (Some(first), Some(last)) => last.saturating_sub(first),
            _ => 0,
        }
    }

    /// Counts one measured record as stored.
    pub fn count_stored(&mut self, intended: u64, stored: u64, bytes: u64) {
        self.stored += 1;
        self.stored_bytes += bytes;
        self.first_intended = earlier(self.first_intended, Some(intended));
        self.last_stored = self.last_stored.max(Some(stored));
    }
}

/// Returns the earlier of two instants, if there is any.
pub fn earlier(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
