//! Progress of a run: its phases, and one interval per second.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::measure::{
    Flow, Histogram, InFlight, Interval, IntervalPhase, IntervalSums, Outage, OutageDetector,
    Recorder, Stages, nanos,
};
use crate::pipeline::context::Context;
use crate::pipeline::topic_partition::TopicPartition;

/// Length of an interval.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// Time between two samples of the records in each stage: no divisor of an interval, so that a load
/// with a rhythm is met at all of its moments.
const SAMPLE: Duration = Duration::from_millis(97);

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

impl Phase {
    /// Returns its name in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preparing => "prepare",
            Self::WarmingUp => "warm_up",
            Self::Running => "run",
            Self::Draining => "drain",
            Self::Auditing => "audit",
        }
    }
}

/// Receives the progress of a run.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A phase has begun.
    fn phase(&self, phase: Phase);

    /// An interval has ended, with the latencies of its measured records and the run's totals.
    fn interval(&self, interval: &Interval, stages: &Stages<Histogram>, totals: &Totals);

    /// The counts at the end of a phase, before the next one begins; whether it reached its end.
    fn totals(&self, _totals: &Totals, _complete: bool) {}

    /// The audit has read this many of the stored documents.
    fn audited(&self, _read: u64, _stored: u64) {}

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
    /// Outages of the servers.
    pub outages: Vec<Outage>,
    /// Records in each stage.
    pub in_flight: InFlight,
}

/// Phases of an emission, and how long its clients gather records. Times are in nanoseconds.
#[derive(Debug)]
pub struct Timeline {
    /// Start of the schedule, or of a consumer, on the run's clock.
    pub start: u64,
    /// Length of the warm-up.
    pub warm_up: u64,
    /// Longest time for which a producer gathers records.
    pub linger: u64,
    /// Longest time for which a writer gathers documents.
    pub batch_wait: u64,
    /// End of the emission on the run's clock.
    emission_end: AtomicU64,
}

impl Timeline {
    /// A process that has started and emits until further notice.
    pub fn new(start: u64, warm_up: Duration, linger: Duration, batch_wait: Duration) -> Self {
        Self {
            start,
            warm_up: nanos(warm_up),
            linger: nanos(linger),
            batch_wait: nanos(batch_wait),
            emission_end: AtomicU64::new(u64::MAX),
        }
    }

    /// Ends the emission.
    pub fn end_emission(&self, now: u64) {
        self.emission_end.store(now, Ordering::Relaxed);
    }

    /// Returns the phase at an instant of the run's clock.
    fn phase(&self, at: u64) -> IntervalPhase {
        if at >= self.emission_end.load(Ordering::Relaxed) {
            IntervalPhase::Drain
        } else if at < self.start.saturating_add(self.warm_up) {
            IntervalPhase::WarmUp
        } else {
            IntervalPhase::Run
        }
    }
}

/// Gathers intervals until cancelled.
pub async fn gather(
    context: Arc<Context>,
    recorders: Vec<Arc<Recorder>>,
    destination: Destination,
    timeline: Arc<Timeline>,
    observer: Arc<dyn Observer>,
    ended: CancellationToken,
) -> Gathered {
    let mut gathered = Gathered::default();
    let mut last = Totals::default();
    let mut sums = IntervalSums::default();
    let mut outages = OutageDetector::new(timeline.linger, timeline.batch_wait);
    loop {
        let begun = gathered.intervals.len() as u64;
        let started = timeline.start + begun * nanos(INTERVAL);
        let due = started + nanos(INTERVAL);
        let over = wait(&context, &timeline, due, &ended, &mut gathered.in_flight).await;
        for recorder in &recorders {
            recorder.end_interval(&mut sums);
        }
        outages.second(flow(&context));
        let mut totals = Totals::new(&context, destination);
        totals.outages = outages.so_far();
        let mut interval = totals.since(&last, &sums);
        interval.start_s = begun as f64 * INTERVAL.as_secs_f64();
        interval.phase = Some(timeline.phase(started));
        observer.interval(&interval, &sums.stages, &totals);
        gathered.stages.merge(&sums.stages);
        gathered.intervals.push(interval);
        last = totals;
        sums.clear();
        if over {
            gathered.outages = outages.finish();
            return gathered;
        }
    }
}

/// Waits until an instant, and samples how many records are in each stage meanwhile. Returns whether
/// the run has ended before.
async fn wait(
    context: &Context,
    timeline: &Timeline,
    due: u64,
    ended: &CancellationToken,
    in_flight: &mut InFlight,
) -> bool {
    loop {
        let now = context.clock.now();
        let next = due.min(now + nanos(SAMPLE));
        tokio::select! {
            () = tokio::time::sleep(context.clock.until(next)) => {}
            () = ended.cancelled() => return true,
        }
        if next == due {
            return false;
        }
        if timeline.phase(context.clock.now()) == IntervalPhase::Run {
            let counters = &context.counters;
            in_flight.add(
                counters.emitted.get(),
                counters.acked.get(),
                counters.fetched.get(),
                counters.stored.get(),
            );
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
    /// Outages of the servers, at the end of an interval.
    pub outages: Vec<Outage>,
}

impl Totals {
    /// Reads the counters.
    pub fn new(context: &Context, destination: Destination) -> Self {
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
            outages: Vec::new(),
        }
    }

    fn since(&self, last: &Self, sums: &IntervalSums) -> Interval {
        let mut stages = sums.stages.map(Histogram::interval);
        let mut latency = sums.warm_up.clone();
        latency.merge(&sums.stages.end_to_end_latency);
        stages.end_to_end_latency = latency.interval();
        Interval {
            start_s: 0.0,
            phase: None,
            emitted: self.emitted - last.emitted,
            // Counted with their latencies; the totals are read a little later.
            acked: sums.counted.acked,
            fetched: self.fetched - last.fetched,
            stored: sums.counted.stored,
            backlog: self.emitted.saturating_sub(self.arrived),
            lag: self.lag,
            stages,
        }
    }
}

/// Returns the counts from which outages are seen.
fn flow(context: &Context) -> Flow {
    let counts = context.counters.snapshot();
    let stored_before = counts.replayed + counts.producer_duplicated + counts.conflicting;
    Flow {
        emitted: counts.emitted,
        published: counts.acked + counts.dead_lettered,
        served: counts.acked + counts.fetched,
        fetched: counts.fetched,
        settled: counts.stored + counts.dead_lettered + stored_before,
        broker_failures: counts.produce_unknown + counts.produce_rejected + counts.fetches_failed,
        store_failures: counts.inserts_unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phase_of_a_second_is_that_at_its_start() {
        let second = |seconds: f64| nanos(Duration::from_secs_f64(seconds));
        let no_wait = Duration::ZERO;
        let timeline = Timeline::new(second(5.0), Duration::from_secs(2), no_wait, no_wait);
        assert_eq!(timeline.phase(second(6.0)), IntervalPhase::WarmUp);
        assert_eq!(timeline.phase(second(7.0)), IntervalPhase::Run);
        timeline.end_emission(second(9.5));
        assert_eq!(timeline.phase(second(9.0)), IntervalPhase::Run);
        assert_eq!(timeline.phase(second(10.0)), IntervalPhase::Drain);
    }
}
