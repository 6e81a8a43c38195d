//! Settings of `convoy capacity`.

use std::time::Duration;

use crate::load::Vary;
use crate::settings::simulate::SimulateSettings;

/// Settings of `convoy capacity`.
#[derive(Debug, Clone, PartialEq)]
pub struct CapacitySettings {
    /// Settings of each trial. Its vehicles are the smallest fleet.
    pub simulate: SimulateSettings,
    /// What is varied.
    pub vary: Vary,
    /// Smallest load.
    pub from: u32,
    /// Readings per second for each unit of the load.
    pub rate: f64,
    /// Limit of the end-to-end p99.
    pub max_end_to_end_p99: Duration,
    /// Largest load.
    pub max_vehicles: u32,
    /// Width at which the search ends, as a share.
    pub precision: f64,
    /// Time for all trials.
    pub budget: Duration,
}
