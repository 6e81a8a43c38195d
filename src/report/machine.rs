//! The machine a run was measured on. Reading it is the commands' business; this is the value.

use serde::{Deserialize, Serialize};

/// What about the machine decides the numbers. Absent where the system does not say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Operating system.
    pub os: String,
    /// Processor architecture.
    pub architecture: String,
    /// Kernel release.
    pub kernel: Option<String>,
    /// Processor's name.
    pub cpu_model: Option<String>,
    /// Cores this process may use.
    pub cores: u32,
    /// Memory of the machine.
    pub memory_bytes: Option<u64>,
    /// One-minute load average when the run started.
    pub load_average: Option<f64>,
    /// Share of CPU time that the hypervisor gave to others during the run, 0 to 1.
    pub steal_share: Option<f64>,
    /// How convoy was compiled.
    pub build_profile: BuildProfile,
    /// Hash of the boot id: equal where `CLOCK_MONOTONIC` of two reports compares.
    pub boot: Option<String>,
}

/// How convoy was compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildProfile {
    /// Unoptimised; its numbers say nothing.
    Debug,
    /// Optimised.
    Release,
}

impl BuildProfile {
    /// The profile of this executable.
    pub const CURRENT: Self = if cfg!(debug_assertions) {
        Self::Debug
    } else {
        Self::Release
    };
}
