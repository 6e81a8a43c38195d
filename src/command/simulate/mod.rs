//! `convoy simulate`: provision → warm up → measure → drain → audit → report → tear down.

mod external;
mod null_sink;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use crate::command::workload;
use crate::error::{Error, ExitStatus};
use crate::faults::{DataFaults, Plan};
use crate::host::faults::{self, Injector, Watched};
use crate::host::interrupt;
use crate::host::launch::Launch;
use crate::host::open_files;
use crate::host::roles::{Role, Runtimes};
use crate::host::servers::Servers;
use crate::host::sweep;
use crate::measure::RunClock;
use crate::pipeline::{
    self, Context, EmissionSettings, Interrupt, Observer, Roles, SimulationSettings,
};
use crate::report::{LatencyLog, PartialFile, Report, RunDirectory};
use crate::run_id::new_run_id;
use crate::settings::{BrokerChoice, Invocation, SimulateSettings, Sink, StoreChoice};
use crate::summary::{
    Baseline, CpuUse, Display, ExpectedPhases, Process, Sections, exit_status, null_sink_report,
    present_report, simulate_report,
};
use crate::terminal::{LOG_DIRECTORY, Terminal, start_logging};

/// Roles with tasks of their own; the generator is a thread.
const ROLES: [Role; 5] = [
    Role::Producer,
    Role::Consumer,
    Role::Broker,
    Role::Store,
    Role::Registry,
];

/// Message when the user interrupts a run.
const INTERRUPTED: &str =
    "interrupted: storing and auditing the emitted readings; interrupt again to abort";

/// Message when the user interrupts before the first reading.
const INTERRUPTED_EARLY: &str = "interrupted: nothing has been emitted; stopping";

/// Runs the whole pipeline and reports it.
pub fn run(
    settings: &SimulateSettings,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    external::check_files(settings)?;
    let clock = RunClock::start();
    let run_id = new_run_id(clock.epoch_unix_ms(), clock.epoch_monotonic_ns());
    let directory = RunDirectory::create(&settings.report.output, &run_id)?;
    start_logging(
        terminal,
        Path::new(LOG_DIRECTORY),
        &run_id,
        invocation.log_filter.as_deref(),
    );
    sweep::sweep_own_directories();
    let external = matches!(settings.broker, BrokerChoice::External(_))
        && matches!(settings.store, StoreChoice::External(_));
    if let Some(warning) = open_files::allow_run(!external)? {
        terminal.say(warning);
    }
    let (context, simulation) = resolve(settings, run_id, clock, terminal)?;
    let read = &settings.load.read;
    workload::report_bad_rows(
        &simulation.emission.workload,
        read,
        directory.path(),
        terminal,
    )?;
    let runtimes = Runtimes::start(&ROLES)?;
    let baseline = Baseline::read(clock);
    let process = Process {
        invocation,
        settings,
        context: &context,
        workload: Some(&simulation.emission.workload),
        baseline: &baseline,
    };
    let log = directory.latency_log(clock.epoch_unix_ms())?;
    let paced = settings.sink == Sink::Null;
    let interrupt = interrupt::listen_in_run(&context, &directory, terminal, move |counters| {
        if paced || counters.emitted.get() > 0 {
            INTERRUPTED
        } else {
            INTERRUPTED_EARLY
        }
    })?;
    let ran = match settings.sink {
        Sink::Null => pace(&process, &simulation.emission, &runtimes, &interrupt)?,
        Sink::Pipeline => {
            let display = Arc::new(Display::new(
                terminal,
                ExpectedPhases::new(settings.load.warmup, settings.load.bound),
                clock,
                log,
            ));
            run_pipeline(
                &process,
                &context,
                simulation.clone(),
                &runtimes,
                &display,
                &interrupt,
                Place {
                    directory: &directory,
                    terminal,
                },
            )?
        }
    };
    conclude(ran, settings, &directory, &runtimes, &interrupt, terminal)
}

/// Presents the report and stops the servers.
fn conclude(
    ran: Ran,
    settings: &SimulateSettings,
    directory: &RunDirectory,
    runtimes: &Runtimes,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    let Ran {
        report,
        log,
        failure,
        servers,
    } = ran;
    // The servers may fail to stop, so the figures come first.
    let presented = present_report(&report, directory, log, settings.report.format, terminal);
    let stopped = match servers {
        Some(servers) => stop(servers, settings, runtimes, interrupt, terminal),
        None => Ok(()),
    };
    let failure = failure.map_or(Ok(()), |failure| Err(failure.into()));
    let mut failures = [failure, presented, stopped]
        .into_iter()
        .filter_map(Result::err);
    let Some(first) = failures.next() else {
        return Ok(exit_status(&report).or_interrupted(interrupt.is_requested()));
    };
    for other in failures {
        terminal.error(&other, other.hint().as_deref());
    }
    Err(first)
}

/// Stops the servers in order, unless the user no longer waits for it.
fn stop(
    servers: Servers,
    settings: &SimulateSettings,
    runtimes: &Runtimes,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<(), Error> {
    let stopping = Box::pin(servers.stop(settings.keep, terminal));
    let stopping = interrupt.stop_over.run_until_cancelled(stopping);
    runtimes.block_on(stopping).unwrap_or_else(|| {
        terminal.say("warning: the servers did not stop in time; `convoy clean` removes what is left of them");
        Ok(())
    })
}

/// Where a run writes.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    directory: &'a RunDirectory,
    terminal: &'a Terminal,
}

/// A finished run.
struct Ran {
    report: Report,
    log: Option<LatencyLog<PartialFile>>,
    failure: Option<pipeline::Error>,
    /// Running servers.
    servers: Option<Servers>,
}

/// Paces the fleet without a pipeline.
fn pace(
    process: &Process<'_, SimulateSettings>,
    emission: &EmissionSettings,
    runtimes: &Runtimes,
    interrupt: &Interrupt,
) -> Result<Ran, Error> {
    let clock = process.context.clock;
    let paced = null_sink::pace(clock, &emission.fleet, runtimes, &interrupt.requested)?;
    let cpu = CpuUse::read(clock).with_generator(paced.generator_cpu);
    let interrupted = interrupt.is_requested();
    let report = null_sink_report(process, &paced.recording, paced.emitted, interrupted, &cpu);
    Ok(Ran {
        report,
        log: None,
        failure: None,
        servers: None,
    })
}

/// Starts the servers and runs the pipeline once. The servers are stopped only if it fails.
fn run_pipeline(
    process: &Process<'_, SimulateSettings>,
    context: &Arc<Context>,
    simulation: SimulationSettings,
    runtimes: &Runtimes,
    display: &Arc<Display>,
    interrupt: &Interrupt,
    place: Place<'_>,
) -> Result<Ran, Error> {
    let terminal = place.terminal;
    let tell = |line: &str| display.message(line);
    let settings = process.settings;
    let injector = settings.faults.clone();
    let injector = injector.map(|plan| Injector::new(plan, settings.load.seed, context.clock));
    let is_external = settings.consumer.is_external();
    let watch = is_external.then(|| external::watch(context, settings, injector.as_ref()));
    let launch = Launch {
        settings,
        run_id: &context.settings.run_id,
        docker_env: &process.invocation.docker_env,
        fail_points: injector
            .as_ref()
            .map(|injector| Arc::clone(injector.points())),
        watch: watch.as_ref(),
        progress: &tell,
        announce: &|line| terminal.say(line),
        runtimes,
    };
    let backends = runtimes.block_on(launch.decide(&interrupt.requested))?;
    display.phase(pipeline::Phase::Preparing);
    if let Some(plan) = &settings.faults {
        tell(&format!(
            "injecting faults; repeat them with: {}",
            replay(process, plan)
        ));
    }
    let mut servers = runtimes.block_on(launch.start(backends, &interrupt.requested))?;
    let consumer = watch.map(|watch| {
        let directory = place.directory;
        external::Consumer::new(settings, context, &servers, watch, directory, terminal)
    });
    let watching = servers.watch_space(|warning| terminal.say(warning));
    let running = Box::pin(run_on(
        &mut servers,
        context,
        simulation,
        runtimes,
        display,
        Work {
            injector: injector.as_ref(),
            consumer: consumer.as_ref(),
            interrupt: interrupt.clone(),
        },
    ));
    let outcome = runtimes.block_on(async {
        tokio::select! {
            outcome = running => outcome,
            () = watching => unreachable!("the watch never ends"),
        }
    });
    let (log, cpu) = display.finish();
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            stop(servers, settings, runtimes, interrupt, terminal)?;
            return Err(error);
        }
    };
    let cpu = cpu.unwrap_or_else(|| CpuUse::read(context.clock));
    let cpu = cpu.with_generator(outcome.generator_cpu);
    let faults = injector.map(|injector| {
        let replay = replay(process, injector.plan());
        faults::section(&injector, replay, &outcome, context, settings.load.key)
    });
    let external = consumer.and_then(|consumer| consumer.section(&outcome));
    let parts = Sections { faults, external };
    Ok(Ran {
        report: simulate_report(process, &servers, &outcome, &cpu, parts),
        log,
        failure: outcome.failure,
        servers: Some(servers),
    })
}

/// What happens to running servers.
struct Work<'a> {
    injector: Option<&'a Arc<Injector>>,
    consumer: Option<&'a external::Consumer<'a>>,
    interrupt: Interrupt,
}

/// Runs the pipeline and injects the planned faults into its servers.
async fn run_on(
    servers: &mut Servers,
    context: &Arc<Context>,
    simulation: SimulationSettings,
    runtimes: &Runtimes,
    display: &Arc<Display>,
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
    let display: Arc<dyn Observer> = Arc::<Display>::clone(display);
    let start = async |observer| match consumer {
        Some(consumer) => {
            let running = consumer.run(simulation, endpoints, roles, observer, interrupt);
            Box::pin(running).await
        }
        None => {
            let context = Arc::clone(context);
            let running = pipeline::run(context, simulation, endpoints, roles, observer, interrupt);
            Ok(Box::pin(running).await?)
        }
    };
    let Some(injector) = injector else {
        return tokio::select! {
            outcome = start(display) => outcome,
            () = servers.watch(&context.terminated_servers) => unreachable!("the watch never ends"),
        };
    };
    if let Some(command) = consumer.and_then(external::Consumer::command) {
        injector.set_command(Arc::clone(command));
    }
    let observer = Arc::new(Watched::new(display, Arc::clone(injector)));
    let running = async {
        let outcome = start(observer).await;
        injector.end();
        outcome
    };
    let injecting = Box::pin(injector.run(servers, runtimes, context));
    let (outcome, ()) = tokio::join!(running, injecting);
    outcome
}

/// The command that repeats a run with a plan, spelled out.
fn replay(process: &Process<'_, SimulateSettings>, plan: &Plan) -> String {
    let mut line = format!("{} --faults={plan}", process.invocation.line_without_faults);
    if !line.contains("--seed") {
        let _ = write!(line, " --seed={}", process.settings.load.seed);
    }
    line
}

/// Opens the dataset and resolves the settings of the pipeline.
fn resolve(
    settings: &SimulateSettings,
    run_id: String,
    clock: RunClock,
    terminal: &Terminal,
) -> Result<(Arc<Context>, SimulationSettings), Error> {
    let rows = workload::open(&settings.load, settings.topic.as_deref(), terminal)?;
    let faults = settings.faults.as_ref();
    let mut workload = rows.workload;
    if settings.consumer.payload_identity {
        workload = workload.with_payload_identity()?;
    }
    let emission = EmissionSettings {
        fleet: settings.load.fleet(workload.rows(), None),
        workload: Arc::new(workload),
        key: settings.load.key,
        compression: settings.producer.compression,
        linger: settings.producer.linger,
        data_faults: faults.and_then(|plan| DataFaults::from_plan(plan, settings.load.seed)),
    };
    let storage = settings.writer.storage(None, settings.consumers as usize);
    let shared = pipeline::Settings {
        run_id,
        topics: rows.topics,
        creation: settings.creation,
        timeouts: settings.timeouts,
    };
    let simulation = SimulationSettings {
        emission: Arc::new(emission),
        storage: Arc::new(storage),
        log_may_be_lost: faults.is_some_and(Plan::may_lose_a_log),
    };
    Ok((Arc::new(Context::new(shared, clock)), simulation))
}
