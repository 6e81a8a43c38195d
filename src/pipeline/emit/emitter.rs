//! The pacing thread: emits each reading at its intended time and never waits for a response.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::fleet::{self, Reading};
use crate::load::{Bound, Rate};
use crate::measure::{RunClock, nanos};

/// Shortest sleep. Closer readings are emitted together, at most this much late.
///
/// Waking up for each of 50,000 readings per second would cost half a core.
const LEAST_SLEEP: Duration = Duration::from_micros(200);

/// Longest sleep, after which the thread checks the stop flag.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Readings of an unlimited rate that share one reading of the clock.
const BURST: usize = 64;

/// Takes readings from the pacing thread.
pub trait Sink {
    /// Takes one reading at its intended time.
    fn push(&mut self, reading: Reading);

    /// Passes buffered readings on, before the thread sleeps.
    fn flush(&mut self);
}

/// Stops the emission from other threads.
#[derive(Debug, Clone, Default)]
pub struct StopFlag {
    stopped: Arc<AtomicBool>,
}

impl StopFlag {
    /// Stops the emission.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Returns whether the fleet still emits.
    pub fn is_running(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
    }
}

/// Emits the readings of a fleet into `sink`, on schedule or as fast as the sink takes them.
///
/// Intended times count from `start` on the run's clock. Returns the number of readings.
pub fn emit(
    readings: impl Iterator<Item = Reading>,
    sink: &mut impl Sink,
    clock: RunClock,
    start: u64,
    fleet: &fleet::Settings,
    stop: &StopFlag,
) -> u64 {
    if fleet.total_rate.unwrap_or(fleet.rate) == Rate::Max {
        // The bound counts the readings of the whole fleet.
        let (most, duration) = match fleet.bound {
            Bound::Records(records) => (fleet.share(records), None),
            Bound::Rows => (fleet.share(fleet.rows), None),
            Bound::Duration(duration) => (u64::MAX, Some(duration)),
        };
        let limits = Limits {
            warm_up: fleet.warm_up,
            most,
            duration,
        };
        emit_unlimited(readings, sink, clock, limits, stop)
    } else {
        emit_on_schedule(readings, sink, clock, start, stop)
    }
}

/// Emits readings that have intended times.
fn emit_on_schedule(
    readings: impl Iterator<Item = Reading>,
    sink: &mut impl Sink,
    clock: RunClock,
    start: u64,
    stop: &StopFlag,
) -> u64 {
    let mut emitted = 0;
    let mut now = clock.now();
    for mut reading in readings {
        reading.intended += start;
        if reading.intended > now {
            now = clock.now();
        }
        if reading.intended > now {
            sink.flush();
            now = sleep_until(reading.intended, clock, stop);
        }
        if !stop.is_running() {
            break;
        }
        sink.push(reading);
        emitted += 1;
    }
    sink.flush();
    emitted
}

/// Warm-up and end of an unlimited emission.
#[derive(Debug, Clone, Copy)]
struct Limits {
    warm_up: Duration,
    /// Maximum number of measured readings.
    most: u64,
    /// Length of the measured phase, if limited.
    duration: Option<Duration>,
}

/// Emits readings as fast as the sink takes them. The intended time of each is when it is emitted.
fn emit_unlimited(
    readings: impl Iterator<Item = Reading>,
    sink: &mut impl Sink,
    clock: RunClock,
    limits: Limits,
    stop: &StopFlag,
) -> u64 {
    let start = clock.now();
    let warm_up_end = start + nanos(limits.warm_up);
    let most = limits.most;
    let end = limits
        .duration
        .map_or(u64::MAX, |duration| warm_up_end + nanos(duration));
    let (mut emitted, mut measured) = (0, 0);
    let mut now = start;
    for mut reading in readings {
        if emitted % BURST as u64 == 0 {
            now = clock.now();
        }
        if measured == most || now >= end || !stop.is_running() {
            break;
        }
        reading.intended = now;
        reading.warm_up = now < warm_up_end;
        measured += u64::from(!reading.warm_up);
        sink.push(reading);
        emitted += 1;
    }
    sink.flush();
    emitted
}

fn sleep_until(instant: u64, clock: RunClock, stop: &StopFlag) -> u64 {
    loop {
        let left = clock.until(instant);
        if left.is_zero() || !stop.is_running() {
            return clock.now();
        }
        std::thread::sleep(left.clamp(LEAST_SLEEP, POLL_INTERVAL));
    }
}
