//! A warning as the report carries it.

use serde::{Deserialize, Serialize};

/// Code of the warning of a build that does not hash payloads and documents.
pub(super) const UNAUDITED_BUILD: &str = "unaudited_build";

/// Code of the warning of a load without a schedule.
pub(super) const UNLIMITED_RATE: &str = "unlimited_rate";

/// A warning in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Stable name for programs.
    pub code: String,
    /// Observation.
    pub message: String,
    /// Recommended action.
    pub advice: String,
}
