//! `convoy simulate`: provision → warm up → measure → drain → audit → report → tear down.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::command::{null_sink, run_id, workload};
use crate::error::{Error, ExitStatus};
use crate::faults::{DataFaults, Plan};
use crate::host::faults::{self, Injector, Watched};
use crate::host::roles::{Role, Runtimes};
use crate::host::servers::{Servers, Situation};
use crate::host::sweep;
use crate::host::{backend, interrupt};
use crate::measure::RunClock;
use crate::pipeline::{self, Context, Observer, Roles};
use crate::report::{LatencyLog, PartialFile, Report, RunDirectory, Status, json, text};
use crate::settings::Invocation;
use crate::settings::{Format, SimulateSettings, Sink};
use crate::summary::observer::{self, Display};
use crate::summary::simulate::{Baseline, CpuUse, Setting, null_report, pipeline_report};
use crate::terminal::{Terminal, logging};

/// Roles with tasks of their own; the generator is a thread.
const ROLES: [Role; 5] = [
    Role::Producer,
    Role::Consumer,
    Role::Broker,
    Role::Store,
    Role::Registry,
];

/// What is said when the user interrupts a run.
const INTERRUPTED: &str =
    "interrupted: what is on its way is stored and audited; interrupt again to abort";

/// Runs the whole pipeline and reports it.
pub fn run(
    settings: &SimulateSettings,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    backend::adopt_engine(settings, &invocation.surroundings);
    let clock = RunClock::start();
    let run_id = run_id::of_start(clock.epoch_unix_ms(), clock.epoch_monotonic_ns());
    let directory = RunDirectory::create(&settings.output, &run_id)?;
    logging::start(
        terminal,
        Path::new(logging::DIRECTORY),
        &run_id,
        invocation.log_filter.as_deref(),
    );
    sweep::sweep_own_directories();
    let context = Arc::new(context(settings, run_id, clock)?);
    let runtimes = Runtimes::start(&ROLES)?;
    let baseline = Baseline::read(clock);
    let setting = Setting {
        invocation,
        settings,
        context: &context,
        baseline: &baseline,
    };
    let log = directory.latency_log(clock.epoch_unix_ms())?;
    let interrupted = interrupt::listen(&runtimes.handle(Role::Consumer), terminal, INTERRUPTED);
    let ran = match settings.sink {
        Sink::Null => {
            let paced = null_sink::pace(&context, &runtimes, &interrupted);
            let cpu = CpuUse::read(clock).with_generator(paced.generator_cpu);
            let interrupted = interrupted.is_cancelled();
            let report = null_report(&setting, &paced.recording, paced.emitted, interrupted, &cpu);
            Ran {
                report,
                log: None,
                failure: None,
            }
        }
        Sink::Pipeline => {
            let display = Arc::new(Display::new(
                terminal,
                (
                    settings.load.warmup,
                    observer::expected(settings.load.bound),
                ),
                clock,
                log,
            ));
            run_pipeline(
                &setting,
                &context,
                &runtimes,
                &display,
                interrupted,
                terminal,
            )?
        }
    };
    let Ran {
        report,
        log,
        failure,
    } = ran;
    present(&report, &directory, log, settings.format, terminal)?;
    match failure {
        Some(failure) => Err(failure.into()),
        None => Ok(status(&report)),
    }
}

/// A finished run.
struct Ran {
    report: Report,
    log: Option<LatencyLog<PartialFile>>,
    failure: Option<pipeline::Error>,
}

/// Starts the servers, runs the pipeline once, stops the servers.
fn run_pipeline(
    setting: &Setting<'_>,
    context: &Arc<Context>,
    runtimes: &Runtimes,
    display: &Arc<Display>,
    interrupted: CancellationToken,
    terminal: &Terminal,
) -> Result<Ran, Error> {
    display.phase(pipeline::Phase::Preparing);
    let tell = |line: &str| display.tell(line);
    let settings = setting.settings;
    let injector = settings.faults.clone().map(|plan| {
        tell(&format!(
            "faults on purpose; repeat by: {}",
            replay(setting, &plan)
        ));
        Injector::new(plan, settings.load.seed, context.clock)
    });
    let situation = Situation {
        settings,
        run_id: &context.settings.run_id,
        surroundings: &setting.invocation.surroundings,
        injector: injector.as_deref(),
        tell: &tell,
    };
    let mut servers = runtimes.block_on(Servers::start(situation, &interrupted, runtimes))?;
    let outcome = runtimes.block_on(run_on(
        &mut servers,
        context,
        runtimes,
        (display, injector.as_ref()),
        interrupted,
    ));
    let (log, cpu) = display.finish();
    let report = outcome.map(|outcome| {
        let cpu = cpu.unwrap_or_else(|| CpuUse::read(context.clock));
        let cpu = cpu.with_generator(outcome.generator_cpu);
        let faults = injector.map(|injector| {
            let replay = replay(setting, injector.plan());
            faults::section(&injector, replay, &outcome, context)
        });
        (
            pipeline_report(setting, &servers, &outcome, &cpu, faults),
            outcome.failure,
        )
    });
    runtimes.block_on(servers.stop(settings.keep, terminal))?;
    let (report, failure) = report?;
    Ok(Ran {
        report,
        log,
        failure,
    })
}

/// Runs the pipeline, and beside it whatever is to go wrong with its servers.
async fn run_on(
    servers: &mut Servers,
    context: &Arc<Context>,
    runtimes: &Runtimes,
    (display, injector): (&Arc<Display>, Option<&Arc<Injector>>),
    interrupted: CancellationToken,
) -> Result<pipeline::Outcome, pipeline::Error> {
    let roles = Roles {
        producer: runtimes.handle(Role::Producer),
        consumer: runtimes.handle(Role::Consumer),
    };
    let endpoints = servers.endpoints.clone();
    let display: Arc<dyn Observer> = Arc::<Display>::clone(display);
    let Some(injector) = injector else {
        let running = pipeline::run(Arc::clone(context), endpoints, roles, display, interrupted);
        return tokio::select! {
            outcome = Box::pin(running) => outcome,
            () = servers.watch(&context.lost) => unreachable!("the watch never ends"),
        };
    };
    let observer = Arc::new(Watched::new(display, Arc::clone(injector)));
    let running = async {
        let running = pipeline::run(Arc::clone(context), endpoints, roles, observer, interrupted);
        let outcome = Box::pin(running).await;
        injector.end();
        outcome
    };
    let injecting = Box::pin(injector.run(servers, runtimes, context));
    let (outcome, ()) = tokio::join!(running, injecting);
    outcome
}

/// The command that repeats a run with a plan, spelled out.
fn replay(setting: &Setting<'_>, plan: &Plan) -> String {
    let mut line = format!("{} --faults={plan}", setting.invocation.line_without_faults);
    if !line.contains("--seed") {
        let _ = write!(line, " --seed={}", setting.settings.load.seed);
    }
    line
}

/// Writes the report's files and shows it on stdout.
pub(super) fn present(
    report: &Report,
    directory: &RunDirectory,
    log: Option<LatencyLog<PartialFile>>,
    format: Format,
    terminal: &Terminal,
) -> Result<(), Error> {
    let files = directory.write(report, log)?;
    terminal
        .data(|stdout| match format {
            Format::Text => text::write(report, &files, stdout),
            Format::Json => json::write(report, stdout),
        })
        .map_err(Error::Stdout)
}

/// Returns the exit status that a report asks for.
pub(super) fn status(report: &Report) -> ExitStatus {
    if !report.passed() {
        ExitStatus::Failed
    } else if report.status == Status::Interrupted {
        ExitStatus::Interrupted
    } else {
        ExitStatus::Success
    }
}

/// Reads the dataset and puts everything together that the tasks of the run share.
fn context(settings: &SimulateSettings, run_id: String, clock: RunClock) -> Result<Context, Error> {
    let (workload, topics) = workload::open(&settings.load, settings.topic.as_deref())?;
    let faults = settings.faults.as_ref();
    let pipeline = pipeline::Settings {
        run_id,
        fleet: workload::fleet(&settings.load, &workload, None),
        key: settings.load.key,
        topics,
        group: None,
        partitions: settings.partitions,
        partitions_required: settings.partitions_required,
        replication_factor: settings.replication_factor,
        compression: settings.compression,
        linger: settings.linger,
        consumers: settings.consumers as usize,
        batch_records: settings.batch_records as usize,
        batch_wait: settings.batch_wait,
        database: settings.database.clone(),
        collection: settings.collection.clone(),
        drain_timeout: settings.drain_timeout,
        replay_dead_letters: false,
        data_faults: faults.and_then(|plan| DataFaults::from_plan(plan, settings.load.seed)),
        log_may_be_lost: faults.is_some_and(Plan::may_lose_a_log),
        request_timeout: settings.request_timeout,
        broker_timeout: settings.broker_timeout,
        store_timeout: settings.store_timeout,
    };
    Ok(Context::new(pipeline, clock, workload))
}
