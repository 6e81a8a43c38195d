//! Trying again: pauses that double, up to a deadline.

use std::time::Duration;

use crate::measure::nanos;

/// First pause.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Attempts at one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    failed: u32,
    pause: Duration,
    /// When the first one failed; the deadline counts from there.
    since: u64,
    patience: u64,
}

impl Attempts {
    /// Begins: what is tried may fail for as long as `patience` after its first failure.
    pub fn new(patience: Duration) -> Self {
        Self {
            failed: 0,
            pause: FIRST_PAUSE,
            since: 0,
            patience: nanos(patience),
        }
    }

    /// Notes a failure; returns how long to wait before the next attempt, nothing to give up.
    pub fn failed(&mut self, now: u64) -> Option<Duration> {
        if self.failed == 0 {
            self.since = now;
        }
        self.failed = self.failed.saturating_add(1);
        if now.saturating_sub(self.since) >= self.patience {
            return None;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        Some(pause)
    }

    /// Returns how many have failed.
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
    fn a_clock_that_steps_back_neither_panics_nor_gives_up() {
        let mut attempts = Attempts::new(Duration::from_secs(1));
        assert!(attempts.failed(u64::MAX).is_some());
        assert!(attempts.failed(0).is_some());
    }

    proptest! {
        #[test]
        fn attempts_end_at_the_deadline_and_not_before(patience_ms in 0u64..200_000, calls_ms in 0u64..20_000) {
            let patience = Duration::from_millis(patience_ms);
            let (mut attempts, mut now) = (Attempts::new(patience), 7);
            let started = now;
            while let Some(pause) = attempts.failed(now) {
                prop_assert!(now - started < nanos(patience));
                now += nanos(pause) + calls_ms * 1_000_000;
            }
            prop_assert!(now - started >= nanos(patience));
            // No storm: the pauses alone take most of the time.
            prop_assert!(u64::from(attempts.count()) <= patience_ms / 2_000 + 8);
        }
    }
}
