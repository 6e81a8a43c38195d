//! Retries with pauses that double, until a timeout.

use std::time::Duration;

use crate::measure::nanos;

/// First pause.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Attempts of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    failed: u32,
    pause: Duration,
    /// Time of the first failure, at which the timeout starts.
    since: u64,
    timeout: u64,
}

impl Attempts {
    /// `timeout` counts from the first failure.
    pub fn new(timeout: Duration) -> Self {
        Self {
            failed: 0,
            pause: FIRST_PAUSE,
            since: 0,
            timeout: nanos(timeout),
        }
    }

    /// Records a failure. Returns the pause before the next attempt, or `None` to give up.
    pub fn failed(&mut self, now: u64) -> Option<Duration> {
        if self.failed == 0 {
            self.since = now;
        }
        self.failed = self.failed.saturating_add(1);
        if now.saturating_sub(self.since) >= self.timeout {
            return None;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        Some(pause)
    }

    /// Returns the number of failed attempts.
    pub fn count(&self) -> u32 {
        self.failed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut attempts = Attempts::new(Duration::from_secs(60));
        let pauses: Vec<_> = (0..8)
            .map(|_| attempts.failed(0).unwrap().as_millis())
            .collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
        assert_eq!(attempts.count(), 8);
    }

    #[test]
    fn clock_stepping_back_neither_panics_nor_gives_up() {
        let mut attempts = Attempts::new(Duration::from_secs(1));
        assert!(attempts.failed(u64::MAX).is_some());
        assert!(attempts.failed(0).is_some());
    }

    proptest! {
        #[test]
        fn attempts_end_at_the_timeout_and_not_before(timeout_ms in 0u64..200_000, calls_ms in 0u64..20_000) {
            let timeout = Duration::from_millis(timeout_ms);
            let (mut attempts, mut now) = (Attempts::new(timeout), 7);
            let started = now;
            while let Some(pause) = attempts.failed(now) {
                prop_assert!(now - started < nanos(timeout));
                now += nanos(pause) + calls_ms * 1_000_000;
            }
            prop_assert!(now - started >= nanos(timeout));
            // No storm: the pauses alone take most of the time.
            prop_assert!(u64::from(attempts.count()) <= timeout_ms / 2_000 + 8);
        }
    }
}
