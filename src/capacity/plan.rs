//! How long the parts of a search take.

use std::time::Duration;

use crate::load::Vary;
use crate::text::quantity;

/// Longest trial that confirms a load.
const LONGEST_CONFIRMATION: Duration = Duration::from_secs(60);

/// Longest time for the last records of a trial, if the limit allows no longer.
const LONGEST_DRAIN: Duration = Duration::from_secs(10);

/// Shortest measured part of any trial.
const SHORTEST: Duration = Duration::from_secs(2);

/// Shortest measured part of a trial that confirms a load.
const SHORTEST_CONFIRMATION: Duration = Duration::from_secs(3);

/// Returns a load with its unit: `4,090 vehicles`.
pub fn amount(vary: Vary, load: u32) -> String {
    let load = quantity::count(u64::from(load));
    match vary {
        Vary::Vehicles => format!("{load} vehicles"),
        Vary::Rate => format!("{load} readings/s"),
    }
}

/// Bounds and durations of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What is varied.
    pub vary: Vary,
    /// Smallest load.
    pub from: u32,
    /// Largest load.
    pub to: u32,
    /// Readings per second for each unit of the load.
    pub rate: f64,
    /// Width at which the search ends, as a share of its upper end.
    pub precision: f64,
    /// Time for the whole search.
    pub budget: Duration,
    /// Warm-up of each trial.
    pub warm_up: Duration,
}

impl Plan {
    /// Returns the measured part of the first trials.
    pub fn short(&self) -> Duration {
        (self.budget / 48).clamp(SHORTEST, Duration::from_secs(5))
    }

    /// Returns the measured part of the trial at an unlimited rate, which fills the broker faster than
    /// the store is filled.
    pub fn ceiling(&self) -> Duration {
        self.short() / 2
    }

    /// Returns the longest time that a trial that confirms nothing may take.
    pub fn patience(&self) -> Duration {
        self.budget / 4
    }

    /// Returns how long a trial waits for its last records, with this limit of the p99.
    pub fn drain(&self, limit: Duration) -> Duration {
        (self.budget / 16)
            .clamp(SHORTEST, LONGEST_DRAIN)
            .max(limit * 2)
    }

    /// Returns the measured part of trials near the limit.
    pub fn long(&self) -> Duration {
        self.short() * 2
    }

    /// Returns the measured part that a confirmation should have.
    pub fn confirmation(&self) -> Duration {
        (self.budget / 6).clamp(SHORTEST_CONFIRMATION, LONGEST_CONFIRMATION)
    }

    /// Returns the measured part of a confirmation below which it is not worth to be made.
    pub fn least_confirmation(&self) -> Duration {
        (self.budget / 16).clamp(SHORTEST_CONFIRMATION, LONGEST_CONFIRMATION)
    }
}
