//! The last reading of each vehicle that arrived, for a live view of the fleet.

use std::sync::atomic::{AtomicU64, Ordering};

/// Most vehicles that are followed: 2 MB.
const MOST: u32 = 1 << 18;

/// The last reading of each vehicle that arrived. Writers store into it once per reading.
#[derive(Debug)]
pub struct LastReadings {
    /// Sequence after the last one; 0 before the first.
    next: Box<[AtomicU64]>,
    /// Key of the run that the last batch belongs to.
    run: AtomicU64,
}

impl LastReadings {
    /// Follows the first `vehicles` vehicles, at most 262,144.
    pub fn new(vehicles: u32) -> Self {
        let followed = vehicles.min(MOST) as usize;
        Self {
            next: (0..followed).map(|_| AtomicU64::new(0)).collect(),
            run: AtomicU64::new(0),
        }
    }

    /// Records that a reading arrived. Vehicles beyond those that are followed are ignored.
    pub fn arrived(&self, vehicle: u32, sequence: u64) {
        if let Some(next) = self.next.get(vehicle as usize) {
            next.store(sequence.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Records the run of a batch, by its key.
    pub fn of_run(&self, run: u64) {
        self.run.store(run, Ordering::Relaxed);
    }

    /// Returns the key of the run that the last batch belongs to.
    pub fn run(&self) -> u64 {
        self.run.load(Ordering::Relaxed)
    }

    /// Returns the sequence of the last reading of a vehicle; `None` if none arrived.
    pub fn last(&self, vehicle: u32) -> Option<u64> {
        let next = self.next.get(vehicle as usize)?;
        next.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Returns the sequence after the last one of each vehicle that is followed, 0 if none arrived.
    pub fn next(&self) -> impl ExactSizeIterator<Item = u64> + DoubleEndedIterator + '_ {
        self.next.iter().map(|next| next.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_reading_of_a_vehicle_is_the_one_that_arrived_last() {
        let readings = LastReadings::new(2);
        assert_eq!(readings.last(0), None);
        readings.arrived(0, 0);
        readings.arrived(0, 7);
        readings.arrived(1, u64::MAX);
        assert_eq!(readings.last(0), Some(7));
        assert_eq!(readings.last(1), Some(u64::MAX - 1));
        assert_eq!(readings.next().collect::<Vec<_>>(), [8, u64::MAX]);
    }

    #[test]
    fn vehicles_beyond_the_followed_ones_are_ignored() {
        let readings = LastReadings::new(u32::MAX);
        readings.arrived(u32::MAX, 1);
        assert_eq!(readings.last(u32::MAX), None);
        assert_eq!(readings.next().len(), MOST as usize);
    }
}
