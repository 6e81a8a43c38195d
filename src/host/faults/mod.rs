//! Faults on purpose while a run goes on: the schedule, what is done to the servers, and the record
//! of it.
//!
//! ```text
//!  Plan ─┬▶ FailPoints: asked by embedded servers at every request (chances, hangs, delays)
//!        │             … and by the proxies before other servers
//!        └▶ Injector: restarts, crashes and pauses servers when their time has come
//!                └▶ Record ─▶ report
//! ```

mod detour;
mod perform;
mod points;
mod section;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::faults::{Plan, Reach, Scheduled};
use crate::host::roles::Runtimes;
use crate::host::servers::Servers;
use crate::measure::{Histogram, Interval, RunClock, Stages, nanos};
use crate::pipeline::{Context, Observer, Phase, Totals};
use crate::report::BackendKind;
use crate::report::faults::Sample;

pub use detour::through_proxies;
pub use points::FailPoints;
pub use section::section;

/// Distance of two looks at a run's counts.
const SAMPLING: Duration = Duration::from_millis(100);

/// Samples kept at most; from there on every second one is dropped, and they come half as often.
const MOST_SAMPLES: usize = 36_000;

/// Makes a run's servers fail as planned.
#[derive(Debug)]
pub struct Injector {
    plan: Plan,
    clock: RunClock,
    /// Asked by embedded servers.
    pub points: Arc<FailPoints>,
    begun: watch::Sender<Option<u64>>,
    over: CancellationToken,
    record: Mutex<Record>,
}

/// What happened when, and what the run's counts were meanwhile.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// What was done, in order.
    pub events: Vec<Happened>,
    /// Counts of the run.
    pub samples: Vec<Sample>,
}

/// Something that was done to a server.
#[derive(Debug, Clone)]
pub struct Happened {
    /// What.
    pub what: Scheduled,
    /// When it began, seconds after the emission's begin.
    pub at_s: f64,
    /// How long it took.
    pub duration_s: f64,
    /// What came of it, in words.
    pub outcome: Option<String>,
}

impl Injector {
    /// Prepares a plan; nothing happens before the run tells its phases.
    pub fn new(plan: Plan, seed: u64, clock: RunClock) -> Arc<Self> {
        let points = FailPoints::new(plan.clone(), seed, clock);
        Arc::new(Self {
            plan,
            clock,
            points: Arc::new(points),
            begun: watch::Sender::new(None),
            over: CancellationToken::new(),
            record: Mutex::default(),
        })
    }

    /// Returns the plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Checks that everything planned can be done to servers of such kinds.
    pub fn check_reach(&self, broker: BackendKind, store: BackendKind) -> Result<(), Error> {
        match self.plan.first_beyond(reach(broker), reach(store)) {
            None => Ok(()),
            Some((fault, server)) => Err(Error::FaultOutOfReach { fault, server }),
        }
    }

    /// Returns what has happened so far.
    pub fn record(&self) -> Record {
        self.lock().clone()
    }

    /// Does what is planned when it is due, until the run is over.
    pub async fn run(&self, servers: &mut Servers, runtimes: &Runtimes, context: &Context) {
        let Some(begun) = self.wait_for_the_begin().await else {
            return;
        };
        tokio::join!(
            self.perform_all(begun, servers, runtimes),
            self.sample_all(begun, context)
        );
    }

    /// Ends the injection; what is under way is finished.
    pub fn end(&self) {
        self.points.end();
        self.over.cancel();
    }

    async fn wait_for_the_begin(&self) -> Option<u64> {
        let mut begun = self.begun.subscribe();
        tokio::select! {
            begun = begun.wait_for(Option::is_some) => *begun.ok()?,
            () = self.over.cancelled() => None,
        }
    }

    async fn perform_all(&self, begun: u64, servers: &mut Servers, runtimes: &Runtimes) {
        let mut scheduled = self.plan.scheduled.clone();
        scheduled.sort_by_key(|scheduled| scheduled.at());
        for what in scheduled {
            let due = begun + nanos(what.at());
            tokio::select! {
                () = tokio::time::sleep(self.clock.until(due)) => {}
                () = self.over.cancelled() => return,
            }
            let began = self.clock.now();
            tracing::info!(fault = %what, "fault on purpose");
            let performed = perform::perform(what, servers, runtimes, &self.over).await;
            let took = if what.lasting().is_zero() {
                Duration::from_nanos(self.clock.now() - began)
            } else {
                what.lasting()
            };
            self.lock().events.push(Happened {
                what,
                at_s: seconds(began.saturating_sub(begun)),
                duration_s: took.as_secs_f64(),
                outcome: performed.unwrap_or_else(|error| {
                    tracing::error!(%error, fault = %what, "a fault on purpose failed");
                    Some(format!("failed: {error}"))
                }),
            });
        }
    }

    async fn sample_all(&self, begun: u64, context: &Context) {
        let mut distance = SAMPLING;
        let mut due = begun;
        loop {
            due += nanos(distance);
            tokio::select! {
                () = tokio::time::sleep(self.clock.until(due)) => {}
                () = self.over.cancelled() => return,
            }
            let counters = &context.counters;
            let (emitted, stored) = (counters.emitted.get(), counters.stored.get());
            let done = stored + counters.dead_lettered.get();
            let mut record = self.lock();
            record.samples.push(Sample {
                at_s: seconds(self.clock.now().saturating_sub(begun)),
                emitted,
                stored,
                backlog: emitted.saturating_sub(done),
            });
            if record.samples.len() == MOST_SAMPLES {
                let mut keep = false;
                record.samples.retain(|_| {
                    keep = !keep;
                    keep
                });
                distance *= 2;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reach(kind: BackendKind) -> Reach {
    match kind {
        BackendKind::Embedded => Reach::Embedded,
        BackendKind::Container => Reach::Container,
        BackendKind::External | BackendKind::None => Reach::External,
    }
}

fn seconds(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64()
}

/// Passes a run's progress on, and lets the injector know when to begin and to end.
#[derive(Debug)]
pub(crate) struct Watched {
    observer: Arc<dyn Observer>,
    injector: Arc<Injector>,
}

impl Watched {
    /// Puts an injector before an observer.
    pub(crate) fn new(observer: Arc<dyn Observer>, injector: Arc<Injector>) -> Self {
        Self { observer, injector }
    }
}

impl Observer for Watched {
    fn phase(&self, phase: Phase) {
        match phase {
            Phase::WarmingUp => {
                let now = self.injector.clock.now();
                self.injector.points.begin(now);
                self.injector.begun.send_replace(Some(now));
            }
            Phase::Auditing => self.injector.end(),
            Phase::Preparing | Phase::Running | Phase::Draining => {}
        }
        self.observer.phase(phase);
    }

    fn interval(&self, interval: &Interval, stages: &Stages<Histogram>, totals: &Totals) {
        self.observer.interval(interval, stages, totals);
    }
}
