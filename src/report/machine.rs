//! Machine and build that a run was measured with. `summary::machine` reads it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Properties of the machine that affect the measurements; `None` if the system does not report one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Operating system.
    pub os: String,
    /// Processor architecture.
    pub architecture: String,
    /// Kernel release.
    pub kernel: Option<String>,
    /// Processor model.
    pub cpu_model: Option<String>,
    /// Cores available to this process.
    pub cores: u32,
    /// Physical memory.
    pub memory_bytes: Option<u64>,
    /// One-minute load average at the start of the run.
    pub load_average: Option<f64>,
    /// Share of CPU time that the hypervisor gave to other guests during the run, 0 to 1.
    pub steal_share: Option<f64>,
    /// Profile of this executable.
    pub build_profile: BuildProfile,
    /// Hash of the boot id: `CLOCK_MONOTONIC` of two reports with the same hash is comparable.
    pub boot: Option<String>,
}

/// Compiler profile of an executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildProfile {
    /// Unoptimised; its measurements are meaningless.
    Debug,
    /// Optimised.
    Release,
}

impl BuildProfile {
    /// Profile of this executable.
    pub const CURRENT: Self = if cfg!(debug_assertions) {
        Self::Debug
    } else {
        Self::Release
    };
}

impl fmt::Display for BuildProfile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Debug => "debug",
            Self::Release => "release",
        })
    }
}
