//! Recorder of one task: locked once per batch of samples, read once per interval.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::measure::histogram::Histogram;
use crate::measure::in_flight::InFlight;
use crate::measure::slowest::Slowest;
use crate::measure::stage::Stages;

/// Recording of one task behind a lock that is taken once per batch, so contention is rare.
#[derive(Debug, Default)]
pub struct Recorder {
    recording: Mutex<Recording>,
}

/// Measurements of one task.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// Every stage of the measured records since the last interval.
    pub stages: Stages<Histogram>,
    /// End-to-end latency of the warm-up's records since the last interval.
    pub warm_up: Histogram,
    /// Records of the last interval that were counted with their latencies.
    pub counted: Counted,
    /// The slowest measured records.
    pub slowest: Slowest,
    /// Records in each stage, sampled over the whole run.
    pub in_flight: InFlight,
    /// Records stored after the warm-up.
    pub stored: u64,
    /// Payload bytes of those records.
    pub stored_bytes: u64,
    /// Earliest intended instant of those records.
    pub first_intended: Option<u64>,
    /// Latest intended instant of those records.
    pub last_intended: Option<u64>,
    /// Earliest fetch of those records.
    pub first_fetched: Option<u64>,
    /// Earliest durable write of those records.
    pub first_measured: Option<u64>,
    /// Latest durable write of those records.
    pub last_stored: Option<u64>,
    /// Earliest durable write of any record, warm-up included.
    pub first_stored: Option<u64>,
}

impl Recorder {
    /// Locks the recording for one batch of samples.
    pub fn lock(&self) -> MutexGuard<'_, Recording> {
        // A panicked task fails the run; its samples are still valid.
        self.recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the histograms of the ending interval to `sums` and clears them.
    pub fn end_interval(&self, sums: &mut IntervalSums) {
        let mut recording = self.lock();
        sums.stages.merge(&recording.stages);
        sums.warm_up.merge(&recording.warm_up);
        sums.counted.add(std::mem::take(&mut recording.counted));
        recording.stages.clear();
        recording.warm_up.clear();
    }
}

/// Histograms of one interval, summed over all tasks.
#[derive(Debug, Clone, Default)]
pub struct IntervalSums {
    /// Every stage of the measured records.
    pub stages: Stages<Histogram>,
    /// End-to-end latency of the warm-up's records.
    pub warm_up: Histogram,
    /// Records that ended a stage.
    pub counted: Counted,
}

/// Records that ended a stage in an interval, warm-up included. They are counted under the lock of
/// their latencies, so that both belong to the same interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Records acknowledged by the broker.
    pub acked: u64,
    /// Documents stored.
    pub stored: u64,
}

impl Counted {
    /// Adds the counts of another task.
    pub fn add(&mut self, other: Self) {
        self.acked += other.acked;
        self.stored += other.stored;
    }
}

impl IntervalSums {
    /// Empties the sums, keeping their memory.
    pub fn clear(&mut self) {
        self.stages.clear();
        self.warm_up.clear();
        self.counted = Counted::default();
    }
}

impl Recording {
    /// Adds the recording of another task.
    pub fn merge(&mut self, other: &Self) {
        self.stages.merge(&other.stages);
        self.warm_up.merge(&other.warm_up);
        self.counted.add(other.counted);
        self.slowest.merge(&other.slowest);
        self.stored += other.stored;
        self.stored_bytes += other.stored_bytes;
        self.first_intended = earlier(self.first_intended, other.first_intended);
        self.last_intended = self.last_intended.max(other.last_intended);
        self.first_fetched = earlier(self.first_fetched, other.first_fetched);
        self.first_measured = earlier(self.first_measured, other.first_measured);
        self.last_stored = self.last_stored.max(other.last_stored);
        self.first_stored = earlier(self.first_stored, other.first_stored);
    }

    /// Returns the time from the first intended instant to the last durable write, in nanoseconds;
    /// `None` if nothing was stored.
    pub fn duration_ns(&self) -> Option<u64> {
        Some(self.last_stored?.saturating_sub(self.first_intended?))
    }

    /// Returns the time from the first fetch to the last durable write, in nanoseconds; `None` if
    /// nothing was stored.
    pub fn consuming_ns(&self) -> Option<u64> {
        Some(self.last_stored?.saturating_sub(self.first_fetched?))
    }

    /// Counts one measured record as stored. Instants are nanoseconds of the run's clock.
    pub fn count_stored(&mut self, intended: u64, fetched: u64, stored: u64, bytes: u64) {
        self.stored += 1;
        self.stored_bytes += bytes;
        self.first_intended = earlier(self.first_intended, Some(intended));
        self.last_intended = self.last_intended.max(Some(intended));
        self.first_fetched = earlier(self.first_fetched, Some(fetched));
        self.first_measured = earlier(self.first_measured, Some(stored));
        self.last_stored = self.last_stored.max(Some(stored));
    }
}

/// Returns the earlier of two instants; `None` only if both are.
fn earlier(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
