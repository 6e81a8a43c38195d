//! Progress of a run: its phases, and one interval per second.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::measure::{Histogram, Interval, IntervalSums, Recorder, Stage, Stages, nanos};
use crate::pipeline::context::{Context, TopicPartition};

/// Length of an interval.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// Phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Topics, collections and connections are created.
    Preparing,
    /// The fleet emits, and nothing is measured.
    WarmingUp,
    /// The fleet emits, and everything is measured.
    Running,
    /// The fleet has stopped; the last records are sent and stored.
    Draining,
    /// Documents are compared with the readings.
    Auditing,
}

/// Receives the progress of a run.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A phase has begun.
    fn phase(&self, phase: Phase);

    /// An interval has ended, with the latencies of its measured records and the run's totals.
    fn interval(&self, interval: &Interval, stages: &Stages<Histogram>, totals: &Totals);

    /// The group member owns exactly these partitions now.
    fn owned(&self, _context: &Context, _owned: &BTreeSet<TopicPartition>) {}
}

/// Where the records of a process end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// Other processes consume them.
    Broker,
    /// This process stores them.
    Store,
}

/// Sum of all intervals.
#[derive(Debug, Default)]
pub struct Gathered {
    pub intervals: Vec<Interval>,
    /// Latencies of the measured records.
    pub stages: Stages<Histogram>,
}

/// Gathers intervals until cancelled.
pub async fn gather(
    context: Arc<Context>,
    recorders: Vec<Arc<Recorder>>,
    destination: Destination,
    start: u64,
    observer: Arc<dyn Observer>,
    ended: CancellationToken,
) -> Gathered {
    let mut gathered = Gathered::default();
    let mut last = Totals::default();
    let mut sums = IntervalSums::default();
    loop {
        let begun = gathered.intervals.len() as u64;
        let due = start + (begun + 1) * nanos(INTERVAL);
        let over = tokio::select! {
            () = tokio::time::sleep(context.clock.until(due)) => false,
            () = ended.cancelled() => true,
        };
        for recorder in &recorders {
            recorder.end_interval(&mut sums);
        }
        let totals = Totals::new(&context, destination);
        let mut interval = totals.since(&last, &sums);
        interval.start_s = begun as f64 * INTERVAL.as_secs_f64();
        observer.interval(&interval, &sums.stages, &totals);
        gathered.stages.merge(&sums.stages);
        gathered.intervals.push(interval);
        last = totals;
        sums.stages.clear();
        sums.warm_up.clear();
        if over {
            return gathered;
        }
    }
}

/// Counts since the start of the run.
#[derive(Debug, Default)]
pub struct Totals {
    /// Readings emitted.
    pub emitted: u64,
    /// Records acknowledged.
    pub acked: u64,
    /// Records fetched.
    pub fetched: u64,
    /// Documents stored.
    pub stored: u64,
    /// Dead letters.
    pub dead_lettered: u64,
    /// Records of the owned partitions that are not stored, if it is known.
    pub lag: Option<u64>,
    /// Readings that have reached their destination, or are dead letters.
    pub arrived: u64,
}

impl Totals {
    fn new(context: &Context, destination: Destination) -> Self {
        let counters = &context.counters;
        let (stored, dead_lettered) = (counters.stored.get(), counters.dead_lettered.get());
        let arrived = match destination {
            Destination::Broker => counters.acked.get(),
            Destination::Store => stored,
        };
        Self {
            emitted: counters.emitted.get(),
            acked: counters.acked.get(),
            fetched: counters.fetched.get(),
            stored,
            dead_lettered,
            lag: context.lag.total(),
            arrived: arrived + dead_lettered,
        }
    }

    fn since(&self, last: &Self, sums: &IntervalSums) -> Interval {
        let mut latency = sums.warm_up.clone();
        latency.merge(sums.stages.get(Stage::EndToEndLatency));
        let latency = latency.summary();
        Interval {
            start_s: 0.0,
            emitted: self.emitted - last.emitted,
            acked: self.acked - last.acked,
            fetched: self.fetched - last.fetched,
            stored: self.stored - last.stored,
            backlog: self.emitted.saturating_sub(self.arrived),
            lag: self.lag,
            end_to_end_latency_p50_us: latency.p50_us,
            end_to_end_latency_p99_us: latency.p99_us,
            end_to_end_latency_max_us: latency.max_us,
        }
    }
}
