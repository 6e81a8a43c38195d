//! When a run has emitted enough.

use std::time::Duration;

/// Limit of the emission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// This long after the warm-up.
    Duration(Duration),
    /// This many readings after the warm-up.
    Records(u64),
    /// Every row once, the warm-up's included.
    Rows,
}
