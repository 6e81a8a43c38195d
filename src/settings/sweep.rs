//! Settings of `convoy sweep`.

use std::time::Duration;

use crate::settings::simulate::SimulateSettings;
use crate::sweep::Objective;

/// One combination of the settings that are varied.
#[derive(Debug, Clone, PartialEq)]
pub struct Combination {
    /// Names and values of these settings.
    pub varied: Vec<(String, String)>,
    /// All settings of its trials.
    pub simulate: SimulateSettings,
}

/// Settings of `convoy sweep`.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepSettings {
    /// Every combination, at least one.
    pub combinations: Vec<Combination>,
    /// Trials of each combination.
    pub repeats: u32,
    /// Time for all trials.
    pub budget: Duration,
    /// What is compared, the most important first; at least one.
    pub objectives: Vec<Objective>,
}
