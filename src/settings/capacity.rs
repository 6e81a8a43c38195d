//! Settings of `convoy capacity`.

use std::time::Duration;

use crate::settings::simulate::SimulateSettings;

/// Settings of `convoy capacity`.
#[derive(Debug, Clone, PartialEq)]
pub struct CapacitySettings {
    /// Settings of each trial. Its vehicles are the smallest fleet.
    pub simulate: SimulateSettings,
    /// Readings per second and vehicle.
    pub rate: f64,
    /// Limit of the end-to-end p99.
    pub max_end_to_end_p99: Duration,
    /// Largest fleet.
    pub max_vehicles: u32,
    /// Width at which the search ends, as a share.
    pub precision: f64,
    /// Time for all trials.
    pub budget: Duration,
}
