//! What can be told of a run while it goes on: one interval per second.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::context::Context;
use crate::measure::{Histogram, Recorder};

/// Length of an interval.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// What happened in one interval. Counts are of this interval, the backlog is at its end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Begin, seconds after the first reading.
    pub start_s: f64,
    /// Readings emitted.
    pub emitted: u64,
    /// Records acknowledged by the broker.
    pub acked: u64,
    /// Records fetched.
    pub fetched: u64,
    /// Documents stored.
    pub stored: u64,
    /// Readings emitted and not yet stored.
    pub backlog: u64,
    /// Median end-to-end latency of what was stored, microseconds.
    pub end_to_end_p50_us: u64,
    /// 99th percentile of it.
    pub end_to_end_p99_us: u64,
    /// Maximum of it.
    pub end_to_end_max_us: u64,
}

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Topics and collections are made, endpoints probed.
    Preparing,
    /// The fleet emits, and nothing is measured yet.
    WarmingUp,
    /// The fleet emits.
    Running,
    /// The fleet has stopped; the rest is on its way.
    Draining,
    /// Every document is looked at.
    Auditing,
}

/// Hears of a run's progress.
pub trait Observer: Send + Sync {
    /// A phase begins.
    fn phase(&self, phase: Phase);

    /// An interval ended. `emitted` and `stored` are totals.
    fn interval(&self, interval: &Interval, emitted: u64, stored: u64);
}

/// Gathers intervals until cancelled.
pub async fn gather(
    context: Arc<Context>,
    recorders: Vec<Arc<Recorder>>,
    start: u64,
    observer: Arc<dyn Observer>,
    ended: CancellationToken,
) -> Vec<Interval> {
    let mut intervals = Vec::new();
    let mut last = Totals::default();
    loop {
        let due = start + (intervals.len() as u64 + 1) * INTERVAL.as_nanos() as u64;
        let over = tokio::select! {
            () = tokio::time::sleep(context.clock.until(due)) => false,
            () = ended.cancelled() => true,
        };
        let totals = Totals::of(&context);
        let latency = latencies(&recorders);
        let mut interval = totals.since(&last, &latency);
        interval.start_s = intervals.len() as f64 * INTERVAL.as_secs_f64();
        observer.interval(&interval, totals.emitted, totals.stored);
        last = totals;
        intervals.push(interval);
        if over {
            return intervals;
        }
    }
}

fn latencies(recorders: &[Arc<Recorder>]) -> Histogram {
    let mut merged = Histogram::default();
    for recorder in recorders {
        merged.merge(&recorder.take_interval());
    }
    merged
}

#[derive(Debug, Default)]
struct Totals {
    emitted: u64,
    acked: u64,
    fetched: u64,
    stored: u64,
    dead_lettered: u64,
}

impl Totals {
    fn of(context: &Context) -> Self {
        let counters = &context.counters;
        Self {
            emitted: counters.emitted.get(),
            acked: counters.acked.get(),
            fetched: counters.fetched.get(),
            stored: counters.stored.get(),
            dead_lettered: counters.dead_lettered.get(),
        }
    }

    fn since(&self, last: &Self, latency: &Histogram) -> Interval {
        let latency = latency.summary();
        Interval {
            start_s: 0.0,
            emitted: self.emitted - last.emitted,
            acked: self.acked - last.acked,
            fetched: self.fetched - last.fetched,
            stored: self.stored - last.stored,
            backlog: self
                .emitted
                .saturating_sub(self.stored + self.dead_lettered),
            end_to_end_p50_us: latency.p50_us,
            end_to_end_p99_us: latency.p99_us,
            end_to_end_max_us: latency.max_us,
        }
    }
}
