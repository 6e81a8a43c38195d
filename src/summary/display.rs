//! Shows the progress of a run on the terminal and writes its latency log.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::Error;
use crate::load::Bound;
use crate::measure::{Histogram, Interval, RunClock, Stages};
use crate::pipeline::{Context, INTERVAL, Observer, Phase, TopicPartition, Totals};
use crate::report::{EventLog, LatencyLog, PartialFile, rfc3339};
use crate::settings::ReportSettings;
use crate::summary::live::Screen;
use crate::terminal::{self, Arrived, Expected, Progress, Snapshot, Terminal, Waiting};

/// Expected lengths of the phases with load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExpectedPhases {
    /// Length of the warm-up.
    pub warm_up: Duration,
    /// End of the measured phase; `None` if unknown.
    pub run: Option<Expected>,
}

impl ExpectedPhases {
    /// Returns the expected lengths for a load with a warm-up and a bound.
    pub fn new(warm_up: Duration, bound: Bound) -> Self {
        let run = match bound {
            Bound::Duration(duration) => Some(Expected::Duration(duration)),
            Bound::Records(records) => Some(Expected::Records(records)),
            Bound::Rows => None,
        };
        Self { warm_up, run }
    }
}

/// Formats the owned partitions: `owns 4 of 8 partitions: sensor 0, 2, 4, 6`.
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

/// Observer of the pipeline that writes to the terminal and to the latency log.
#[derive(Debug)]
pub struct Display {
    state: Mutex<State>,
    clock: RunClock,
    terminal: Terminal,
    expected: ExpectedPhases,
    arrived: Arrived,
    shows_lag: bool,
    /// Counts of the partitions, for the dashboard.
    context: Arc<Context>,
    /// The live page, if there is one.
    screen: Option<Screen>,
}

#[derive(Debug)]
struct State {
    progress: Progress,
    log: Option<LatencyLog<PartialFile>>,
    /// Events for programs that follow the run.
    events: Option<EventLog>,
    phase: Phase,
    phase_began: u64,
    /// Backlog at the start of the phase.
    backlog: u64,
    emitted_before: u64,
    stored_before: u64,
    emitted: u64,
    stored: u64,
}

impl State {
    /// Writes an event. The first failure, as on a full disk, ends the events, not the run.
    fn log_event(&mut self, write: impl FnOnce(&mut EventLog) -> io::Result<()>) {
        let Some(Err(error)) = self.events.as_mut().map(write) else {
            return;
        };
        tracing::warn!(%error, "failed to write an event of the run; no more events are written");
        self.events = None;
    }
}

impl Display {
    /// Prepares for a run with the expected phases.
    pub fn new(
        terminal: &Terminal,
        expected: ExpectedPhases,
        context: &Arc<Context>,
        log: LatencyLog<PartialFile>,
    ) -> Self {
        let clock = context.clock;
        let state = State {
            progress: Progress::new(terminal.clone()),
            log: Some(log),
            events: None,
            phase: Phase::Preparing,
            phase_began: clock.now(),
            backlog: 0,
            emitted_before: 0,
            stored_before: 0,
            emitted: 0,
            stored: 0,
        };
        Self {
            state: Mutex::new(state),
            clock,
            terminal: terminal.clone(),
            expected,
            arrived: Arrived::Stored,
            shows_lag: false,
            context: Arc::clone(context),
            screen: None,
        }
    }

    /// Shows the run on a live page as well.
    #[must_use]
    pub fn with_screen(mut self, screen: Option<Screen>) -> Self {
        self.screen = screen;
        self
    }

    /// Returns the live page, if there is one.
    pub fn screen(&self) -> Option<&Screen> {
        self.screen.as_ref()
    }

    /// Shows the lag instead of the backlog, for a process that does not emit.
    #[must_use]
    pub fn showing_lag(mut self) -> Self {
        self.shows_lag = true;
        self
    }

    /// Shows acknowledged instead of stored records, for a process that does not store.
    #[must_use]
    pub fn counting_acknowledged(mut self) -> Self {
        self.arrived = Arrived::Acknowledged;
        self
    }

    /// Writes events to a file while they happen, if the user wants it. Its first one names the run.
    pub fn logging_events(
        mut self,
        settings: &ReportSettings,
        run_id: &str,
        command: &str,
    ) -> Result<Self, Error> {
        let Some(path) = &settings.events else {
            return Ok(self);
        };
        let started_at = rfc3339(self.clock.unix_ms(self.clock.now()));
        let opened = EventLog::open(path).and_then(|mut events| {
            events.start(run_id, &started_at, command)?;
            Ok(events)
        });
        let state = self.state.get_mut();
        let state = state.unwrap_or_else(PoisonError::into_inner);
        state.events = Some(opened.map_err(|source| Error::WriteFile {
            path: path.clone(),
            source,
        })?);
        Ok(self)
    }

    /// Shows a message about the current phase.
    pub fn message(&self, line: &str) {
        self.lock().progress.message(line);
    }

    /// Ends the display and returns the latency log.
    pub fn finish(&self) -> Option<LatencyLog<PartialFile>> {
        let mut state = self.lock();
        state.progress.close();
        state.log.take()
    }

    /// Returns how many records have reached their last step in this process.
    fn arrived(&self, totals: &Totals) -> u64 {
        match self.arrived {
            Arrived::Stored => totals.stored,
            Arrived::Acknowledged => totals.acked,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Display {
    fn phase(&self, phase: Phase) {
        let (shown, expected) = match phase {
            Phase::Preparing => (terminal::Phase::Provisioning, None),
            Phase::WarmingUp => (
                terminal::Phase::WarmUp,
                Some(Expected::Duration(self.expected.warm_up)),
            ),
            Phase::Running => (terminal::Phase::Run, self.expected.run),
            Phase::Draining => (terminal::Phase::Drain, None),
            Phase::Auditing => (terminal::Phase::Audit, None),
        };
        let mut state = self.lock();
        let at = rfc3339(self.clock.unix_ms(self.clock.now()));
        state.log_event(|events| events.phase(phase.name(), &at));
        state.phase = phase;
        state.phase_began = self.clock.now();
        state.emitted_before = state.emitted;
        state.stored_before = state.stored;
        state.progress.phase(shown, expected);
        if let Some(screen) = &self.screen {
            screen.state(vec![shown.to_string()]);
        }
    }

    fn owned(&self, context: &Context, owned: &BTreeSet<TopicPartition>) {
        self.terminal.say(ownership(context, owned));
    }

    fn totals(&self, totals: &Totals, complete: bool) {
        let mut state = self.lock();
        state.emitted = totals.emitted;
        state.stored = self.arrived(totals);
        state.backlog = totals.emitted.saturating_sub(totals.arrived);
        let stored = state.stored.saturating_sub(state.stored_before);
        state.progress.settle(stored, complete);
    }

    fn audited(&self, read: u64, stored: u64) {
        let of = stored.max(read);
        self.lock().progress.done(read, of, "documents read");
    }

    fn interval(&self, interval: &Interval, stages: &Stages<Histogram>, totals: &Totals) {
        let mut state = self.lock();
        state.emitted = totals.emitted;
        let total = self.arrived(totals);
        let last_second = match self.arrived {
            Arrived::Stored => interval.stored,
            Arrived::Acknowledged => interval.acked,
        };
        state.stored = total;
        // The totals may have been read before the phase changed.
        let snapshot = Snapshot {
            elapsed: Duration::from_nanos(self.clock.now().saturating_sub(state.phase_began)),
            emitted: totals.emitted.saturating_sub(state.emitted_before),
            stored: total.saturating_sub(state.stored_before),
            arrived: self.arrived,
            waiting: if self.shows_lag {
                Waiting::Lag(interval.lag)
            } else {
                Waiting::Backlog(interval.backlog)
            },
            rate: last_second as f64 / INTERVAL.as_secs_f64(),
            end_to_end_p99_us: interval.stages.end_to_end_latency.p99_us,
        };
        match state.phase {
            Phase::Draining => {
                let done = state.backlog.saturating_sub(interval.backlog);
                let (of, things) = (state.backlog, self.arrived.to_string());
                state.progress.done(done, of, &things);
            }
            _ => state.progress.update(&snapshot),
        }
        if let Some(screen) = &self.screen {
            screen.interval(interval, stages, totals);
            let expected = match state.phase {
                Phase::WarmingUp => Some(Expected::Duration(self.expected.warm_up)),
                Phase::Running => self.expected.run,
                _ => None,
            };
            screen.state(state.progress.state(expected, &snapshot));
        }
        let partitions = || self.context.partition_loads();
        let progress = &state.progress;
        progress.second(interval, stages, partitions, self.shows_lag);
        state.log_event(|events| events.interval(interval));
        if let Some(log) = &mut state.log {
            let start = Duration::from_secs_f64(interval.start_s);
            if let Err(error) = log.write(start, INTERVAL, stages) {
                tracing::warn!(%error, "failed to write an interval to the latency log");
            }
        }
    }
}
