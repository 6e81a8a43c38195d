//! `convoy simulate`: provision → warm up → measure → drain → audit → report → tear down.

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
    Baseline, CpuUse, Display, ExpectedPhases, LiveView, Process, describe_servers, exit_status,
    null_sink_report, present_report, simulate_report, starting_simulation,
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
    allow_open_files(settings, terminal)?;
    let (context, simulation) = resolve(settings, run_id, clock, terminal)?;
    let read = &settings.load.read;
    workload::report_bad_rows(
        &simulation.emission.workload,
        read,
        directory.path(),
        terminal,
    )?;
    let runtimes = Runtimes::start_with_display(&ROLES, invocation.web.is_some())?;
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
    let page = LiveView::start(
        invocation.web.as_ref(),
        || starting_simulation(&process),
        &context,
        settings.load.vehicles,
        &runtimes,
        terminal,
    )?;
    let ran = match settings.sink {
        Sink::Null => pace(&process, &simulation.emission, &runtimes, &interrupt)?,
        Sink::Pipeline => {
            let expected = ExpectedPhases::new(settings.load.warmup, settings.load.bound);
            let display = Display::new(terminal, expected, &context, log)
                .with_screen(page.as_ref().map(LiveView::screen));
            let display = Arc::new(display);
            run_pipeline(
                &process,
                &context,
                simulation.clone(),
                &runtimes,
                &display,
                &interrupt,
                terminal,
            )?
        }
    };
    let shown = Shown {
        directory,
        page,
        terminal,
    };
    conclude(ran, settings, shown, &runtimes, &interrupt)
}

/// Where a report is shown.
struct Shown<'a> {
    directory: RunDirectory,
    page: Option<LiveView>,
    terminal: &'a Terminal,
}

/// Raises the limit on open files, which embedded servers need.
fn allow_open_files(settings: &SimulateSettings, terminal: &Terminal) -> Result<(), Error> {
    let external = matches!(settings.broker, BrokerChoice::External(_))
        && matches!(settings.store, StoreChoice::External(_));
    if let Some(warning) = open_files::allow_run(!external)? {
        terminal.say(warning);
    }
    Ok(())
}

/// Presents the report and stops the servers.
fn conclude(
    ran: Ran,
    settings: &SimulateSettings,
    shown: Shown<'_>,
    runtimes: &Runtimes,
    interrupt: &Interrupt,
) -> Result<ExitStatus, Error> {
    let Shown {
        directory,
        page,
        terminal,
    } = shown;
    let Ran {
        report,
        log,
        failure,
        servers,
    } = ran;
    // The servers may fail to stop, so the figures come first.
    let presented = present_report(&report, &directory, log, settings.report.format, terminal);
    if let Some(page) = page {
        page.finish(&directory);
    }
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
    terminal: &Terminal,
) -> Result<Ran, Error> {
    let tell = |line: &str| display.message(line);
    let settings = process.settings;
    let injector = settings.faults.clone();
    let injector = injector.map(|plan| Injector::new(plan, settings.load.seed, context.clock));
    let launch = Launch {
        settings,
        run_id: &context.settings.run_id,
        docker_env: &process.invocation.docker_env,
        fail_points: injector
            .as_ref()
            .map(|injector| Arc::clone(injector.points())),
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
    if let Some(screen) = display.screen() {
        let (uri, writer) = (servers.endpoints.store.clone(), &settings.writer);
        screen.store_at(uri, &writer.database, &writer.collection);
        screen.describe(|report| describe_servers(process, &servers, report));
    }
    let watching = servers.watch_space(|warning| terminal.say(warning));
    let running = Box::pin(run_on(
        &mut servers,
        context,
        simulation,
        runtimes,
        display,
        injector.as_ref(),
        interrupt.clone(),
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
            return Err(error.into());
        }
    };
    let cpu = cpu.with_generator(outcome.generator_cpu);
    let faults = injector.map(|injector| {
        let replay = replay(process, injector.plan());
        faults::section(&injector, replay, &outcome, context, settings.load.key)
    });
    Ok(Ran {
        report: simulate_report(process, &servers, &outcome, &cpu, faults),
        log,
        failure: outcome.failure,
        servers: Some(servers),
    })
}

/// Runs the pipeline and injects the planned faults into its servers.
async fn run_on(
    servers: &mut Servers,
    context: &Arc<Context>,
    simulation: SimulationSettings,
    runtimes: &Runtimes,
    display: &Arc<Display>,
    injector: Option<&Arc<Injector>>,
    interrupt: Interrupt,
) -> Result<pipeline::Outcome, pipeline::Error> {
    let roles = Roles {
        producer: runtimes.handle(Role::Producer),
        consumer: runtimes.handle(Role::Consumer),
    };
    let endpoints = servers.endpoints.clone();
    let display: Arc<dyn Observer> = Arc::<Display>::clone(display);
    let Some(injector) = injector else {
        let context = Arc::clone(context);
        let terminated = Arc::clone(&context);
        let running = pipeline::run(context, simulation, endpoints, roles, display, interrupt);
        return tokio::select! {
            outcome = Box::pin(running) => outcome,
            () = servers.watch(&terminated.terminated_servers) => unreachable!("the watch never ends"),
        };
    };
    let observer = Arc::new(Watched::new(display, Arc::clone(injector)));
    let running = async {
        let context = Arc::clone(context);
        let running = pipeline::run(context, simulation, endpoints, roles, observer, interrupt);
        let outcome = Box::pin(running).await;
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
    let emission = EmissionSettings {
        fleet: settings.load.fleet(rows.workload.rows(), None),
        workload: Arc::new(rows.workload),
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
