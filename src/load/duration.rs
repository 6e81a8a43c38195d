//! Durations as nanoseconds, and the longest one.

use std::time::Duration;

/// Longest duration that an option takes: one year, longer than any run.
pub const LONGEST_DURATION: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Returns the nanoseconds of a duration, or the largest number if they do not fit.
pub fn saturating_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
