//! Identity of a reading in its run.

use serde::{Deserialize, Serialize};

/// A reading of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReadingId {
    /// Index of the vehicle.
    pub vehicle: u32,
    /// Number of the reading among those of its vehicle.
    pub sequence: u64,
}
