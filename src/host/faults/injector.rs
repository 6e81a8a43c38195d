//! Injects the scheduled faults of a run, and records what happened.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::faults::{Plan, Scheduled, Target};
use crate::host::fail_points::FailPoints;
use crate::host::roles::Runtimes;
use crate::host::servers::Servers;
use crate::measure::{Histogram, InjectedFault, Interval, RunClock, Stages, nanos};
use crate::pipeline::{Context, Observer, Phase, Totals};
use crate::report::faults::Sample;

/// Interval between samples of the run's counters.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// Maximum number of samples. When it is reached, every second one is dropped and the interval doubles.
const MAX_SAMPLES: usize = 36_000;

/// Injects the planned faults into a run's servers.
#[derive(Debug)]
pub struct Injector {
    clock: RunClock,
    points: Arc<FailPoints>,
    begun: watch::Sender<Option<u64>>,
    over: CancellationToken,
    record: Mutex<Record>,
}

/// Injected faults, and the run's counters over time.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Scheduled faults, in the order of injection.
    pub events: Vec<Happened>,
    /// Samples of the counters.
    pub samples: Vec<Sample>,
}

/// An injected fault.
#[derive(Debug, Clone)]
pub struct Happened {
    /// Fault as scheduled.
    pub what: Scheduled,
    /// Begin, in seconds after the begin of the emission.
    pub at_s: f64,
    /// Duration in seconds.
    pub duration_s: f64,
    /// Outcome in words, if there is more to say.
    pub outcome: Option<String>,
}

impl Injector {
    /// Prepares a plan. Injection begins with the run's warm-up.
    pub fn new(plan: Plan, seed: u64, clock: RunClock) -> Arc<Self> {
        Arc::new(Self {
            clock,
            points: Arc::new(FailPoints::new(plan, seed, clock)),
            begun: watch::Sender::new(None),
            over: CancellationToken::new(),
            record: Mutex::default(),
        })
    }

    /// Returns the plan.
    pub fn plan(&self) -> &Plan {
        self.points.plan()
    }

    /// Returns the fail points for the servers.
    pub fn points(&self) -> &Arc<FailPoints> {
        &self.points
    }

    /// Returns the injected faults and samples so far.
    pub fn record(&self) -> Record {
        self.lock().clone()
    }

    /// Injects scheduled faults when they are due, until the run is over.
    pub async fn run(&self, servers: &mut Servers, runtimes: &Runtimes, context: &Context) {
        let Some(begun) = self.wait_for_begin().await else {
            return;
        };
        tokio::join!(
            self.inject_all(begun, servers, runtimes, context),
            self.sample_all(begun, context)
        );
    }

    /// Ends the injection; a fault in progress is completed.
    pub fn end(&self) {
        self.points.end();
        self.over.cancel();
    }

    async fn wait_for_begin(&self) -> Option<u64> {
        let mut begun = self.begun.subscribe();
        tokio::select! {
            begun = begun.wait_for(Option::is_some) => *begun.ok()?,
            () = self.over.cancelled() => None,
        }
    }

    async fn inject_all(
        &self,
        begun: u64,
        servers: &mut Servers,
        runtimes: &Runtimes,
        context: &Context,
    ) {
        let mut scheduled = self.plan().scheduled.clone();
        scheduled.sort_by_key(|scheduled| scheduled.at());
        for what in scheduled {
            let due = begun + nanos(what.at());
            tokio::select! {
                () = tokio::time::sleep(self.clock.until(due)) => {}
                () = self.over.cancelled() => return,
            }
            let began = self.clock.now();
            tracing::info!(fault = %what, "injecting a fault");
            let injected = self.inject(&what, servers, runtimes).await;
            let took = if what.lasting().is_zero() {
                Duration::from_nanos(self.clock.now() - began)
            } else {
                what.lasting()
            };
            let at_s = seconds(began.saturating_sub(begun));
            context.injected.add(InjectedFault {
                kind: what.name(),
                at_s,
                duration_s: took.as_secs_f64(),
            });
            self.lock().events.push(Happened {
                what,
                at_s,
                duration_s: took.as_secs_f64(),
                outcome: injected.unwrap_or_else(|error| {
                    tracing::error!(%error, fault = %what, "failed to inject a fault");
                    Some(format!("failed: {error}"))
                }),
            });
        }
    }

    /// Injects one fault; returns its outcome in words, if there is more to say.
    async fn inject(
        &self,
        what: &Scheduled,
        servers: &mut Servers,
        runtimes: &Runtimes,
    ) -> Result<Option<String>, Error> {
        match what {
            Scheduled::Restart { target, .. } => match target {
                Target::Broker => servers.restart_broker(runtimes).await?,
                Target::Store => servers.restart_store(runtimes).await?,
            },
            Scheduled::Crash { .. } => {
                let lost = servers.crash_broker(runtimes).await?;
                return Ok(lost.map(|lost| format!("{lost} acknowledged records lost")));
            }
            Scheduled::Hang {
                target, lasting, ..
            } => servers.pause_for(*target, self.sleep(*lasting)).await?,
            // Embedded servers and proxies delay by their fail points.
            Scheduled::Slow { .. } => {}
        }
        Ok(None)
    }

    /// Sleeps until the time has passed or the run is over.
    async fn sleep(&self, duration: Duration) {
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            () = self.over.cancelled() => {}
        }
    }

    async fn sample_all(&self, begun: u64, context: &Context) {
        let mut interval = SAMPLE_INTERVAL;
        let mut due = begun;
        loop {
            due += nanos(interval);
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
            if record.samples.len() == MAX_SAMPLES {
                let mut keep = false;
                record.samples.retain(|_| {
                    keep = !keep;
                    keep
                });
                interval *= 2;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seconds(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64()
}

/// Forwards a run's progress to an observer, and begins and ends the injection.
#[derive(Debug)]
pub(crate) struct Watched {
    observer: Arc<dyn Observer>,
    injector: Arc<Injector>,
}

impl Watched {
    /// Returns an observer that drives the injector and forwards to another one.
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

    fn totals(&self, totals: &Totals, complete: bool) {
        self.observer.totals(totals, complete);
    }

    fn audited(&self, read: u64, stored: u64) {
        self.observer.audited(read, stored);
    }
}
