//! `convoy simulate`: provision → warm up → measure → drain → audit → report → tear down.

mod null_sink;

use std::sync::Arc;

use crate::command::directory;
use crate::command::open_files::allow_open_files;
use crate::command::workload;
use crate::error::{Error, ExitStatus};
use crate::faults::Plan;
use crate::host::backend::Backends;
use crate::host::interrupt;
use crate::host::roles::Runtimes;
use crate::host::sweep;
use crate::measure::RunClock;
use crate::pipeline::{
    self, Context, EmissionSettings, Interrupt, Observer as _, SimulationSettings,
};
use crate::report::{LatencyLog, PartialFile, Report, RunDirectory};
use crate::run_id::new_run_id;
use crate::settings::{Invocation, SimulateSettings, Sink};
use crate::summary::{
    Baseline, CpuUse, Display, ExpectedPhases, LiveView, Process, describe_servers, exit_status,
    null_sink_report, present_report, starting_simulation,
};
use crate::terminal::Terminal;
use crate::trial::{
    ExternalParts, PipelineRun, Rows, Start, Tell, Testbed, check_consumer_files, replay, resolve,
    watch_consumer,
};

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
    check_consumer_files(settings)?;
    let clock = RunClock::start();
    let run_id = settings.run_id.clone();
    let run_id = run_id.unwrap_or_else(|| new_run_id(clock));
    let directory = directory::open(&settings.report.output, &run_id, invocation, terminal)?;
    sweep::sweep_own_directories();
    allow_open_files(&[settings], terminal)?;
    let rows = open_rows(settings, terminal)?;
    let (context, simulation) = resolve(settings, &rows, run_id, clock);
    let (workload, read) = (&simulation.emission.workload, &settings.load.read);
    workload::report_bad_rows(workload, read, directory.path(), terminal)?;
    let runtimes = Testbed::runtimes(invocation.web.is_some())?;
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
            let (run_id, line) = (&context.settings.run_id, &invocation.line);
            let display = Arc::new(display.logging_events(&settings.report, run_id, line)?);
            run_pipeline(
                &process,
                &context,
                simulation.clone(),
                runtimes,
                &display,
                &interrupt,
                Place {
                    directory: &directory,
                    terminal,
                },
            )?
        }
    };
    let shown = Shown {
        directory,
        page,
        terminal,
    };
    conclude(ran, settings, shown, &interrupt)
}

/// Opens the dataset, with the identity of each reading in its payload if it is wanted.
fn open_rows(settings: &SimulateSettings, terminal: &Terminal) -> Result<Rows, Error> {
    let mut rows = workload::open(&settings.load, settings.topic.as_deref(), terminal)?;
    if settings.consumer.payload_identity
        && let Some(workload) = Arc::get_mut(&mut rows.workload)
    {
        workload.add_payload_identity()?;
    }
    Ok(rows)
}

/// Where a report is shown.
struct Shown<'a> {
    directory: RunDirectory,
    page: Option<LiveView>,
    terminal: &'a Terminal,
}

/// Presents the report and stops the servers.
fn conclude(
    ran: Ran,
    settings: &SimulateSettings,
    shown: Shown<'_>,
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
        testbed,
    } = ran;
    // The servers may fail to stop, so the figures come first.
    let presented = present_report(&report, &directory, log, &settings.report, terminal);
    if let Some(page) = page {
        page.finish(&directory);
    }
    let stopped = match testbed {
        Some(testbed) => testbed.stop(settings, interrupt, terminal),
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
    testbed: Option<Testbed>,
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
        testbed: None,
    })
}

/// Starts the servers and runs the pipeline once. The servers are stopped only if it fails.
fn run_pipeline(
    process: &Process<'_, SimulateSettings>,
    context: &Arc<Context>,
    simulation: SimulationSettings,
    runtimes: Runtimes,
    display: &Arc<Display>,
    interrupt: &Interrupt,
    place: Place<'_>,
) -> Result<Ran, Error> {
    let terminal = place.terminal;
    let tell = |line: &str| display.message(line);
    let say = |line: &str| terminal.say(line);
    let settings = process.settings;
    let start = Start {
        invocation: process.invocation,
        settings,
        run_id: &context.settings.run_id,
        progress: Tell(&tell),
        announce: Tell(&say),
    };
    let plans: Vec<Plan> = settings.faults.iter().cloned().collect();
    let external = settings.consumer.is_external();
    let watch = external.then(|| watch_consumer(context, settings));
    let decided = |_: &Backends| {
        display.phase(pipeline::Phase::Preparing);
        if let Some(plan) = &settings.faults {
            let command = replay(process.invocation, settings, plan);
            tell(&format!("injecting faults; repeat them with: {command}"));
        }
    };
    let watching = watch.as_ref();
    let started = Testbed::start_watched(&start, plans, runtimes, interrupt, decided, watching);
    let mut testbed = started?;
    if let Some(screen) = display.screen() {
        let (servers, writer) = (testbed.servers(), &settings.writer);
        let uri = servers.endpoints.store.clone();
        screen.store_at(uri, &writer.database, &writer.collection);
        screen.describe(|report| describe_servers(process, servers, report));
    }
    let external = watching.map(|watch| ExternalParts {
        watch,
        directory: place.directory.path(),
        terminal,
    });
    let run = PipelineRun {
        settings,
        context,
        simulation,
        baseline: process.baseline,
        observer: Arc::<Display>::clone(display),
        interrupt,
        warn: Tell(&say),
    };
    let measured = testbed.measure_with(run, external);
    let log = display.finish();
    match measured {
        Ok(measured) => Ok(Ran {
            report: measured.report,
            log,
            failure: measured.failure,
            testbed: Some(testbed),
        }),
        Err(error) => {
            testbed.stop(settings, interrupt, terminal)?;
            Err(error)
        }
    }
}
