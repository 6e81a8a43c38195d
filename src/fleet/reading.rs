//! One reading.

/// One row emitted by one vehicle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Index of the vehicle, from 0.
    pub vehicle: u32,
    /// Number of this reading among those of its vehicle, from 0, without gaps.
    pub sequence: u64,
    /// Index of the row in the workload, `0..rows`.
    pub row: u64,
    /// Intended instant of emission: nanoseconds after the run's epoch.
    pub intended: u64,
    /// Whether it belongs to the warm-up.
    pub warm_up: bool,
}
