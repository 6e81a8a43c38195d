//! Watches a trial: its seconds, its backlog, and the rule that ends it early.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::measure::{Histogram, Interval, IntervalPhase, Stages, nanos};
use crate::pipeline::{Context, Observer, Phase, Totals};

/// Time between two samples of the backlog.
const SAMPLE: Duration = Duration::from_millis(250);

/// Most samples of the backlog: of more than an hour.
const MOST_SAMPLES: usize = 20_000;

/// Backlog at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BacklogSample {
    /// Seconds on the trial's clock.
    pub at_s: f64,
    /// Readings emitted but not stored.
    pub records: u64,
}

/// What a trial has shown so far.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Seconds of the emission, warm-up included.
    pub intervals: Vec<Interval>,
    /// Backlog, four times a second.
    pub backlog: Vec<BacklogSample>,
}

/// Ends an emission early.
pub struct StopRule(Box<dyn FnMut(&Seen) -> bool + Send>);

impl StopRule {
    /// Creates a rule from a function that is called after each second of the emission; `true` ends
    /// the emission.
    pub fn new(ends: impl FnMut(&Seen) -> bool + Send + 'static) -> Self {
        Self(Box::new(ends))
    }
}

impl fmt::Debug for StopRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("StopRule").finish_non_exhaustive()
    }
}

/// Forwards the progress, keeps what was seen, and applies the stop rule.
#[derive(Debug)]
pub struct Watch {
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    seen: Seen,
    rule: Option<StopRule>,
    stopped: bool,
}

impl Watch {
    /// Watches with a rule that cancels `stop`.
    pub fn new(
        observer: Arc<dyn Observer>,
        rule: Option<StopRule>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            observer,
            stop,
            state: Mutex::new(State {
                rule,
                ..State::default()
            }),
        }
    }

    /// Samples the backlog until cancelled.
    pub async fn sample(&self, context: &Context, over: CancellationToken) {
        let mut due = context.clock.now();
        loop {
            due += nanos(SAMPLE);
            tokio::select! {
                () = tokio::time::sleep(context.clock.until(due)) => {}
                () = over.cancelled() => return,
            }
            let counters = &context.counters;
            let arrived = counters.stored.get() + counters.dead_lettered.get();
            let emitted = counters.emitted.get();
            let mut state = self.lock();
            if emitted > 0 && state.seen.backlog.len() < MOST_SAMPLES {
                state.seen.backlog.push(BacklogSample {
                    at_s: Duration::from_nanos(context.clock.now()).as_secs_f64(),
                    records: emitted.saturating_sub(arrived),
                });
            }
        }
    }

    /// Returns the samples of the backlog, and whether the rule ended the emission.
    pub fn finish(&self) -> (Vec<BacklogSample>, bool) {
        let mut state = self.lock();
        (std::mem::take(&mut state.seen.backlog), state.stopped)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Watch {
    fn phase(&self, phase: Phase) {
        self.observer.phase(phase);
    }

    fn interval(&self, interval: &Interval, stages: &Stages<Histogram>, totals: &Totals) {
        if interval.phase != Some(IntervalPhase::Drain) {
            let mut state = self.lock();
            let State {
                seen,
                rule,
                stopped,
            } = &mut *state;
            seen.intervals.push(interval.clone());
            if let Some(rule) = rule
                && !*stopped
                && (rule.0)(seen)
            {
                *stopped = true;
                self.stop.cancel();
            }
        }
        self.observer.interval(interval, stages, totals);
    }

    fn totals(&self, totals: &Totals, complete: bool) {
        self.observer.totals(totals, complete);
    }

    fn audited(&self, read: u64, stored: u64) {
        self.observer.audited(read, stored);
    }
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoDisplay;

impl Observer for NoDisplay {
    fn phase(&self, _phase: Phase) {}

    fn interval(&self, _interval: &Interval, _stages: &Stages<Histogram>, _totals: &Totals) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(phase: IntervalPhase, backlog: u64) -> Interval {
        Interval {
            phase: Some(phase),
            backlog,
            ..Interval::default()
        }
    }

    #[test]
    fn rule_is_asked_in_each_second_of_the_emission_until_it_stops() {
        let stop = CancellationToken::new();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let rule = StopRule::new(move |seen| {
            log.lock().unwrap().push(seen.intervals.len());
            seen.intervals.last().is_some_and(|last| last.backlog > 10)
        });
        let watch = Watch::new(Arc::new(NoDisplay), Some(rule), stop.clone());
        let interval = |phase, backlog| {
            watch.interval(
                &second(phase, backlog),
                &Stages::default(),
                &Totals::default(),
            );
        };
        interval(IntervalPhase::WarmUp, 1);
        assert!(!stop.is_cancelled());
        interval(IntervalPhase::Run, 11);
        assert!(stop.is_cancelled());
        interval(IntervalPhase::Run, 12);
        interval(IntervalPhase::Drain, 13);
        assert_eq!(*asked.lock().unwrap(), [1, 2]);
        assert!(watch.finish().1);
    }
}
