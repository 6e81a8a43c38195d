//! One measured run of the pipeline, from its settings to its report.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;
use crate::faults::{DataFaults, Plan};
use crate::host::faults::{self, Injector, Watched};
use crate::host::roles::{Role, Runtimes};
use crate::host::servers::Servers;
use crate::measure::{Histogram, Interval, RunClock, Stages};
use crate::pipeline::{
    self, Context, EmissionSettings, Interrupt, Observer, Phase, Roles, SimulationSettings, Totals,
    Workload,
};
use crate::report::Report;
use crate::settings::{Invocation, SimulateSettings};
use crate::summary::{Baseline, CpuUse, Process, Sections, simulate_report};
use crate::trial::external::{Consumer, ExternalParts};
use crate::trial::testbed::{Tell, Testbed};

/// Rows to emit, and the topic of each dataset.
#[derive(Debug, Clone)]
pub struct Rows {
    /// Rows of all topics.
    pub workload: Arc<Workload>,
    /// Names of the topics.
    pub topics: Vec<String>,
}

/// Resolves the settings of the pipeline.
pub fn resolve(
    settings: &SimulateSettings,
    rows: &Rows,
    run_id: String,
    clock: RunClock,
) -> (Arc<Context>, SimulationSettings) {
    let faults = settings.faults.as_ref();
    let emission = EmissionSettings {
        fleet: settings.load.fleet(rows.workload.rows(), None),
        workload: Arc::clone(&rows.workload),
        key: settings.load.key,
        compression: settings.producer.compression,
        linger: settings.producer.linger,
        data_faults: faults.and_then(|plan| DataFaults::from_plan(plan, settings.load.seed)),
    };
    let storage = settings.writer.storage(None, settings.consumers as usize);
    let shared = pipeline::Settings {
        run_id,
        topics: rows.topics.clone(),
        creation: settings.creation,
        timeouts: settings.timeouts,
    };
    let simulation = SimulationSettings {
        emission: Arc::new(emission),
        storage: Arc::new(storage),
        log_may_be_lost: faults.is_some_and(Plan::may_lose_a_log),
    };
    (Arc::new(Context::new(shared, clock)), simulation)
}

/// Returns the command that repeats a run with a plan, spelled out.
pub fn replay(invocation: &Invocation, settings: &SimulateSettings, plan: &Plan) -> String {
    let mut line = format!("{} --faults={plan}", invocation.line_without_faults);
    if !line.contains("--seed") {
        let _ = write!(line, " --seed={}", settings.load.seed);
    }
    line
}

/// A run of the pipeline that is to be measured.
#[derive(Debug)]
pub struct PipelineRun<'a> {
    /// Settings, as the report has them.
    pub settings: &'a SimulateSettings,
    /// Run id, topics, clock and counters.
    pub context: &'a Arc<Context>,
    /// What is emitted and stored.
    pub simulation: SimulationSettings,
    /// Machine and CPU time from which the run is counted.
    pub baseline: &'a Baseline,
    /// Receives the progress.
    pub observer: Arc<dyn Observer>,
    /// Ends the run early.
    pub interrupt: &'a Interrupt,
    /// Receives warnings about the disk.
    pub warn: Tell<'a>,
}

/// A finished run.
#[derive(Debug)]
pub struct Measured {
    /// Its report.
    pub report: Report,
    /// Latencies of the measured records.
    pub latencies: Stages<Histogram>,
    /// Error that ended the run early.
    pub failure: Option<pipeline::Error>,
}

impl Testbed {
    /// Runs the pipeline once: prepare, warm up, measure, drain, audit. Nothing is cleaned up.
    pub fn measure(&mut self, run: PipelineRun<'_>) -> Result<Measured, Error> {
        self.measure_with(run, None)
    }

    /// Does the same with an external consumer instead of convoy's own, if there is one.
    pub fn measure_with(
        &mut self,
        run: PipelineRun<'_>,
        external: Option<ExternalParts<'_>>,
    ) -> Result<Measured, Error> {
        let (settings, context) = (run.settings, run.context);
        let process = Process {
            invocation: &self.invocation,
            settings,
            context,
            workload: Some(&Arc::clone(&run.simulation.emission.workload)),
            baseline: run.baseline,
        };
        let injector = settings.faults.clone();
        let injector = injector.map(|plan| Injector::new(plan, settings.load.seed, context.clock));
        if let Some(faults) = &self.faults {
            faults.set(injector.as_ref().map(|it| Arc::clone(it.points())));
        }
        let consumer = external.map(|parts| Consumer::new(settings, context, &self.servers, parts));
        let observer = Arc::new(CpuAtAudit::new(run.observer, context.clock));
        let watching = self.servers.watch_space(run.warn.0);
        let terminated = &context.terminated_servers;
        let watching_file_sizes = self.servers.watch_file_sizes(terminated);
        let running = Box::pin(run_on(
            &mut self.servers,
            context,
            run.simulation,
            &self.runtimes,
            Arc::<CpuAtAudit>::clone(&observer),
            Work {
                injector: injector.as_ref(),
                consumer: consumer.as_ref(),
                interrupt: run.interrupt.clone(),
            },
        ));
        let outcome = self.runtimes.block_on(async {
            tokio::select! {
                outcome = running => outcome,
                () = watching => unreachable!("the watch never ends"),
                () = watching_file_sizes => unreachable!("the watch never ends"),
            }
        });
        if let Some(faults) = &self.faults {
            faults.set(None);
        }
        let outcome = outcome?;
        let cpu = observer.cpu().with_generator(outcome.generator_cpu);
        let faults = injector.map(|injector| {
            let replay = replay(&self.invocation, settings, injector.plan());
            faults::section(&injector, replay, &outcome, context, settings.load.key)
        });
        let sections = Sections {
            external: consumer.and_then(|consumer| consumer.section(&outcome, &self.servers)),
            faults,
        };
        Ok(Measured {
            report: simulate_report(&process, &self.servers, &outcome, &cpu, sections),
            latencies: outcome.recording.stages,
            failure: outcome.failure,
        })
    }
}

/// What happens to running servers.
struct Work<'a> {
    injector: Option<&'a Arc<Injector>>,
    /// `None` if convoy itself consumes.
    consumer: Option<&'a Consumer<'a>>,
    interrupt: Interrupt,
}

/// Runs the pipeline and injects the planned faults into its servers.
async fn run_on(
    servers: &mut Servers,
    context: &Arc<Context>,
    simulation: SimulationSettings,
    runtimes: &Runtimes,
    observer: Arc<dyn Observer>,
    work: Work<'_>,
) -> Result<pipeline::Outcome, Error> {
    let roles = Roles {
        producer: runtimes.handle(Role::Producer),
        consumer: runtimes.handle(Role::Consumer),
    };
    let Work {
        injector,
        consumer,
        interrupt,
    } = work;
    let endpoints = servers.endpoints.clone();
    let start = async |observer| {
        if let Some(consumer) = consumer {
            let running = consumer.run(simulation, endpoints, roles, observer, interrupt);
            Box::pin(running).await
        } else {
            let context = Arc::clone(context);
            let running = pipeline::run(context, simulation, endpoints, roles, observer, interrupt);
            Ok(Box::pin(running).await?)
        }
    };
    let Some(injector) = injector else {
        return tokio::select! {
            outcome = start(observer) => outcome,
            () = servers.watch(&context.terminated_servers) => unreachable!("the watch never ends"),
        };
    };
    if let Some(command) = consumer.and_then(Consumer::command) {
        injector.set_command(Arc::clone(command));
    }
    let observer = Arc::new(Watched::new(observer, Arc::clone(injector)));
    let running = async {
        let outcome = start(observer).await;
        injector.end();
        outcome
    };
    let injecting = Box::pin(injector.run(servers, runtimes, context));
    let (outcome, ()) = tokio::join!(running, injecting);
    outcome
}

/// Forwards the progress, and reads the CPU time before the audit adds to it.
#[derive(Debug)]
struct CpuAtAudit {
    observer: Arc<dyn Observer>,
    clock: RunClock,
    read: Mutex<Option<CpuUse>>,
}

impl CpuAtAudit {
    fn new(observer: Arc<dyn Observer>, clock: RunClock) -> Self {
        Self {
            observer,
            clock,
            read: Mutex::default(),
        }
    }

    /// Returns the CPU time at the start of the audit, or now without one.
    fn cpu(&self) -> CpuUse {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.clone().unwrap_or_else(|| CpuUse::read(self.clock))
    }
}

impl Observer for CpuAtAudit {
    fn phase(&self, phase: Phase) {
        if phase == Phase::Auditing {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            *read = Some(CpuUse::read(self.clock));
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
