//! One monotonic clock per run, and the wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// The clock of a run: nanoseconds of `CLOCK_MONOTONIC` since the run's epoch, called stamps.
///
/// The epoch is read once from the monotonic and once from the wall clock, so that a stamp can be
/// shown as a date although no duration is measured with a clock that steps. Copies share the
/// epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunClock {
    epoch_monotonic_ns: u64,
    epoch_unix_ms: u64,
}

impl RunClock {
    /// Starts a clock whose epoch is now.
    pub fn start() -> Self {
        Self {
            epoch_monotonic_ns: monotonic_ns(),
            epoch_unix_ms: unix_ms(),
        }
    }

    /// Starts a clock whose epoch lies in the past, so that it has stamps for events before this
    /// process started. The epoch may lie before the machine's boot.
    pub fn reaching_back(past: Duration) -> Self {
        let past_ms = u64::try_from(past.as_millis()).unwrap_or(u64::MAX);
        Self {
            epoch_monotonic_ns: monotonic_ns().wrapping_sub(nanos(past)),
            epoch_unix_ms: unix_ms().saturating_sub(past_ms),
        }
    }

    /// Returns nanoseconds since the epoch.
    pub fn now(&self) -> u64 {
        monotonic_ns().wrapping_sub(self.epoch_monotonic_ns)
    }

    /// Returns a stamp as nanoseconds since the machine's boot, which all its processes share.
    pub fn since_boot(&self, stamp: u64) -> u64 {
        self.epoch_monotonic_ns.wrapping_add(stamp)
    }

    /// Returns the stamp of an instant given as nanoseconds since the machine's boot.
    pub fn of_boot(&self, since_boot_ns: u64) -> u64 {
        since_boot_ns.wrapping_sub(self.epoch_monotonic_ns)
    }

    /// Returns the stamp of a wall-clock time; zero if it lies before the epoch.
    pub fn of_unix_ms(&self, unix_ms: i64) -> u64 {
        let since_ms = u64::try_from(unix_ms)
            .unwrap_or_default()
            .saturating_sub(self.epoch_unix_ms);
        since_ms.saturating_mul(1_000_000)
    }

    /// Returns the epoch in nanoseconds since the machine's boot.
    pub fn epoch_monotonic_ns(&self) -> u64 {
        self.epoch_monotonic_ns
    }

    /// Returns the epoch in milliseconds since 1970.
    pub fn epoch_unix_ms(&self) -> u64 {
        self.epoch_unix_ms
    }

    /// Returns the wall-clock time of a stamp in milliseconds since 1970.
    pub fn unix_ms(&self, stamp: u64) -> u64 {
        self.epoch_unix_ms + stamp / 1_000_000
    }

    /// Returns the time from now until `stamp`; zero if it has passed.
    pub fn until(&self, stamp: u64) -> Duration {
        Duration::from_nanos(stamp.saturating_sub(self.now()))
    }
}

/// Returns a duration in nanoseconds, the unit of stamps; at most 584 years.
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the CPU time that the calling thread has used.
pub fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

fn monotonic_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    // Both fields are non-negative on CLOCK_MONOTONIC; 2^64 ns are 584 years.
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Returns the wall-clock time in milliseconds since 1970.
pub fn unix_ms() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |elapsed| {
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_convert_between_processes_of_one_boot() {
        let emitter = RunClock::start();
        let stamp = emitter.now();
        let reader = RunClock::reaching_back(Duration::from_secs(365 * 24 * 60 * 60));
        let read = reader.of_boot(emitter.since_boot(stamp));
        assert!(read <= reader.now());
        assert!(reader.now() - read < 1_000_000_000);
        assert!(reader.unix_ms(read).abs_diff(emitter.unix_ms(stamp)) <= 2);
        let date = emitter.unix_ms(stamp).cast_signed();
        assert!(reader.of_unix_ms(date).abs_diff(read) < 10_000_000);
        assert_eq!(reader.of_unix_ms(-1), 0);
    }
}
