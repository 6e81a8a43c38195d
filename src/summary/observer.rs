//! Shows a run's progress and logs its latencies while it goes on.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::load::Bound;
use crate::measure::{Histogram, Interval, RunClock, Stages};
use crate::pipeline::{Context, INTERVAL, Observer, Phase, TopicPartition, Totals};
use crate::report::{LatencyLog, PartialFile};
use crate::summary::simulate::CpuUse;
use crate::terminal::progress::{Arrived, Expected, Progress, Snapshot};
use crate::terminal::{self, Terminal};

/// Returns how the measured part of a run is expected to end.
pub fn expected(bound: Bound) -> Option<Expected> {
    match bound {
        Bound::Duration(duration) => Some(Expected::Duration(duration)),
        Bound::Records(records) => Some(Expected::Records(records)),
        Bound::Rows => None,
    }
}

/// Says which partitions are owned: `owns 4 of 8 partitions: sensor 0, 2, 4, 6`.
fn ownership(context: &Context, owned: &BTreeSet<TopicPartition>) -> String {
    let all = context.partitions().count();
    let mut text = format!("owns {} of {all} partitions", owned.len());
    for (topic, name) in context.settings.topics.iter().enumerate() {
        let numbers = owned.iter().filter(|partition| partition.topic == topic);
        let numbers: Vec<String> = numbers.map(|owned| owned.number.to_string()).collect();
        if !numbers.is_empty() {
            let _ = write!(text, ": {name} {}", numbers.join(", "));
        }
    }
    text
}

/// Passes what the pipeline tells on to the terminal and to the latency log.
#[derive(Debug)]
pub struct Display {
    state: Mutex<State>,
    clock: RunClock,
    terminal: Terminal,
    warm_up: Duration,
    run: Option<Expected>,
    arrived: Arrived,
}

#[derive(Debug)]
struct State {
    progress: Progress,
    log: Option<LatencyLog<PartialFile>>,
    /// CPU time when the audit began.
    cpu: Option<CpuUse>,
    phase_began: u64,
    emitted_before: u64,
    stored_before: u64,
    emitted: u64,
    stored: u64,
}

impl Display {
    /// Prepares to show a run on a terminal and to log it. The warm-up is expected to take so long,
    /// and the run behind it to end so.
    pub fn new(
        terminal: &Terminal,
        (warm_up, run): (Duration, Option<Expected>),
        clock: RunClock,
        log: LatencyLog<PartialFile>,
    ) -> Self {
        let state = State {
            progress: terminal.progress(),
            log: Some(log),
            cpu: None,
            phase_began: clock.now(),
            emitted_before: 0,
            stored_before: 0,
            emitted: 0,
            stored: 0,
        };
        Self {
            state: Mutex::new(state),
            clock,
            terminal: terminal.clone(),
            warm_up,
            run,
            arrived: Arrived::Stored,
        }
    }

    /// Counts what the broker has acknowledged, where other processes store it.
    #[must_use]
    pub fn up_to_the_broker(mut self) -> Self {
        self.arrived = Arrived::Acknowledged;
        self
    }

    /// Shows what is going on in words.
    pub fn tell(&self, line: &str) {
        self.lock().progress.message(line);
    }

    /// Ends the display; hands over the latency log and the CPU time up to the audit.
    pub fn finish(&self) -> (Option<LatencyLog<PartialFile>>, Option<CpuUse>) {
        let mut state = self.lock();
        state.progress.finish();
        (state.log.take(), state.cpu.take())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Display {
    fn phase(&self, phase: Phase) {
        let (shown, expected) = match phase {
            Phase::Preparing => (terminal::progress::Phase::Provisioning, None),
            Phase::WarmingUp => (
                terminal::progress::Phase::WarmUp,
                Some(Expected::Duration(self.warm_up)),
            ),
            Phase::Running => (terminal::progress::Phase::Run, self.run),
            Phase::Draining => (terminal::progress::Phase::Drain, None),
            Phase::Auditing => (terminal::progress::Phase::Audit, None),
        };
        let mut state = self.lock();
        if phase == Phase::Auditing {
            state.cpu = Some(CpuUse::read(self.clock));
        }
        state.phase_began = self.clock.now();
        state.emitted_before = state.emitted;
        state.stored_before = state.stored;
        state.progress.phase(shown, expected);
    }

    fn owned(&self, context: &Context, owned: &BTreeSet<TopicPartition>) {
        self.terminal.say(ownership(context, owned));
    }

    fn interval(&self, interval: &Interval, stages: &Stages<Histogram>, totals: &Totals) {
        let mut state = self.lock();
        state.emitted = totals.emitted;
        let (total, lately) = match self.arrived {
            Arrived::Stored => (totals.stored, interval.stored),
            Arrived::Acknowledged => (totals.acked, interval.acked),
        };
        state.stored = total;
        let snapshot = Snapshot {
            elapsed: Duration::from_nanos(self.clock.now().saturating_sub(state.phase_began)),
            emitted: totals.emitted - state.emitted_before,
            stored: total - state.stored_before,
            arrived: self.arrived,
            backlog: interval.backlog,
            rate: lately as f64 / INTERVAL.as_secs_f64(),
            end_to_end_p99_us: interval.end_to_end_latency_p99_us,
        };
        state.progress.update(&snapshot);
        if let Some(log) = &mut state.log {
            let start = Duration::from_secs_f64(interval.start_s);
            if let Err(error) = log.write(start, INTERVAL, stages) {
                tracing::warn!(%error, "failed to log the latencies of an interval");
            }
        }
    }
}
