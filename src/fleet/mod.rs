//! Vehicles and the readings they emit: which row, in which order, with which key.
//!
//! ```text
//!  Settings ─▶ Readings ── Reading { vehicle, sequence, row, intended } ─▶ key ─▶ partition
//!              (order of (intended, vehicle); n-th reading of the fleet = row n mod rows)
//! ```
//!
//! Pure: the same settings and seed give the same readings on every machine.

pub mod key;
pub mod partition;
pub mod readings;

pub use key::{Key, KeyBytes};
pub use readings::{Readings, Settings, Shard};

/// One row emitted by one vehicle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Index of the vehicle, from 0.
    pub vehicle: u32,
    /// Number of this reading among its vehicle's, from 0, without gaps.
    pub sequence: u64,
    /// Index of the row in the workload's row space, `0..rows`.
    pub row: u64,
    /// When it should be emitted: nanoseconds after the run's epoch.
    pub intended: u64,
    /// Whether it belongs to the warm-up.
    pub warm_up: bool,
}
