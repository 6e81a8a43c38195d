//! The pacing thread: hands each reading over at its intended instant, and never waits for what
//! becomes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::fleet::{self, Reading};
use crate::load::{Bound, Rate};
use crate::measure::{RunClock, nanos};

/// Shortest sleep: events that lie closer are handed over together, at most this much late.
///
/// Waking for each of 50,000 events per second would cost half a core.
const LEAST_SLEEP: Duration = Duration::from_micros(200);

/// Longest sleep, after which the thread looks whether the run was stopped.
const LOOK_AROUND: Duration = Duration::from_millis(50);

/// Readings of an unlimited rate that share one look at the clock.
const BURST: usize = 64;

/// Takes readings from the pacing thread.
pub trait Sink {
    /// Takes one reading, whose intended instant has come.
    fn push(&mut self, reading: Reading);

    /// Passes on what was held back, before the thread sleeps.
    fn flush(&mut self);
}

/// Says whether the fleet goes on, and is told to stop from other threads.
#[derive(Debug, Clone, Default)]
pub struct Throttle {
    stopped: Arc<AtomicBool>,
}

impl Throttle {
    /// Ends the fleet's emission.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Returns whether the fleet still emits.
    pub fn open(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
    }
}

/// Hands over the readings of a fleet, on its schedule or as fast as they are taken.
///
/// Instants count from `start` on the run's clock. Returns the number handed over.
pub fn emit(
    readings: impl Iterator<Item = Reading>,
    sink: &mut impl Sink,
    clock: RunClock,
    start: u64,
    fleet: &fleet::Settings,
    throttle: &Throttle,
) -> u64 {
    if fleet.total_rate.unwrap_or(fleet.rate) == Rate::Max {
        // Readings of others' shards count as theirs.
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
        emit_unlimited(readings, sink, clock, limits, throttle)
    } else {
        emit_on_schedule(readings, sink, clock, start, throttle)
    }
}

/// Hands over readings that have a schedule. Instants count from `start` on the run's clock.
///
/// Returns the number handed over.
fn emit_on_schedule(
    readings: impl Iterator<Item = Reading>,
    sink: &mut impl Sink,
    clock: RunClock,
    start: u64,
    throttle: &Throttle,
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
            now = sleep_until(reading.intended, clock, throttle);
        }
        if !throttle.open() {
            break;
        }
        sink.push(reading);
        emitted += 1;
    }
    sink.flush();
    emitted
}

/// When an unlimited fleet stops, and what of it is warm-up.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Length of the warm-up.
    warm_up: Duration,
    /// Measured readings, at most.
    most: u64,
    /// Measured time, if that is limited.
    duration: Option<Duration>,
}

/// Hands over readings as fast as the sink takes them; each is intended when its turn comes.
///
/// Returns the number handed over.
fn emit_unlimited(
    readings: impl Iterator<Item = Reading>,
    sink: &mut impl Sink,
    clock: RunClock,
    limits: Limits,
    throttle: &Throttle,
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
        if measured == most || now >= end || !throttle.open() {
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

fn sleep_until(instant: u64, clock: RunClock, throttle: &Throttle) -> u64 {
    loop {
        let left = clock.until(instant);
        if left.is_zero() || !throttle.open() {
            return clock.now();
        }
        std::thread::sleep(left.clamp(LEAST_SLEEP, LOOK_AROUND));
    }
}
