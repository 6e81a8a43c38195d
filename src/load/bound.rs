//! When a run has emitted enough.

use std::time::Duration;

/// What ends the emission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// So long after the warm-up.
    Duration(Duration),
    /// So many readings after the warm-up.
    Records(u64),
    /// Every row once, the warm-up's included.
    Rows,
}
