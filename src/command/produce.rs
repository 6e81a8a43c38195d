//! `convoy produce`: emit a fleet, or one shard of it, into an existing broker.

use std::sync::Arc;

use crate::broker::Endpoint;
use crate::command::{directory, workload};
use crate::error::{Error, ExitStatus};
use crate::host::roles::{Role, Runtimes};
use crate::host::servers::external_broker_line;
use crate::host::{external, interrupt};
use crate::measure::{Counters, RunClock};
use crate::pipeline::{self, Context, EmissionSettings, Observer as _, Phase, ProducerSettings};
use crate::registry::Client;
use crate::report::Report;
use crate::run_id::new_run_id;
use crate::settings::{Encoding, Invocation, ProduceSettings};
use crate::summary::{
    Baseline, CpuUse, Display, ExpectedPhases, LiveView, Process, exit_status, present_report,
    producer_report, starting_producer,
};
use crate::terminal::Terminal;

/// Message when the user interrupts the emission.
const INTERRUPTED: &str = "interrupted: sending the emitted readings; interrupt again to abort";

/// Message when the user interrupts before the first reading.
const INTERRUPTED_EARLY: &str = "interrupted: nothing has been emitted; stopping";

/// Emits, and writes a report for a later audit.
pub fn run(
    settings: &ProduceSettings,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    let clock = RunClock::start();
    let run_id = settings.run_id.clone();
    let run_id = run_id.unwrap_or_else(|| new_run_id(clock));
    let name = directory_name(&run_id, settings);
    let directory = directory::open(&settings.report.output, &name, invocation, terminal)?;
    let (context, emission) = resolve(settings, run_id, clock, terminal)?;
    let read = &settings.load.read;
    workload::report_bad_rows(&emission.workload, read, directory.path(), terminal)?;
    let runtimes = Runtimes::start_with_display(&[Role::Producer], invocation.web.is_some())?;
    let baseline = Baseline::read(clock);
    let log = directory.latency_log(clock.epoch_unix_ms())?;
    let interrupt = interrupt::listen_in_run(&context, &directory, terminal, notice)?;
    let load = &settings.load;
    let expected = ExpectedPhases::new(load.warmup, load.bound);
    let process = Process {
        invocation,
        settings,
        context: &context,
        workload: Some(&emission.workload),
        baseline: &baseline,
    };
    let page = LiveView::start(
        invocation.web.as_ref(),
        || starting_producer(&process),
        &context,
        load.vehicles,
        &runtimes,
        terminal,
    )?;
    let display = Display::new(terminal, expected, &context, log)
        .counting_acknowledged()
        .with_screen(page.as_ref().map(LiveView::screen));
    let (run_id, line) = (&context.settings.run_id, &invocation.line);
    let display = Arc::new(display.logging_events(&settings.report, run_id, line)?);
    terminal.say(external_broker_line(
        &settings.broker,
        &settings.origins.broker,
    ));
    display.phase(Phase::Preparing);
    let (broker, registry) = servers(settings)?;
    let observer = Arc::clone(&display);
    let producing = pipeline::produce(
        Arc::clone(&context),
        ProducerSettings {
            emission: Arc::clone(&emission),
            broker,
            registry,
        },
        runtimes.handle(Role::Producer),
        observer,
        interrupt.clone(),
    );
    let produced = runtimes.block_on(producing);
    let cpu = CpuUse::read(clock);
    let log = display.finish();
    let produced = produced?;
    let cpu = cpu.with_generator(produced.generator_cpu);
    let report = producer_report(&process, &produced, &cpu);
    let presented = present_report(&report, &directory, log, &settings.report, terminal);
    if let Some(page) = page {
        page.finish(&directory);
    }
    presented?;
    match produced.failure {
        Some(failure) => Err(failure.into()),
        None => Ok(status(&report).or_interrupted(interrupt.is_requested())),
    }
}

/// Returns the broker, and the Schema Registry if messages need one.
fn servers(settings: &ProduceSettings) -> Result<(Endpoint, Option<Client>), Error> {
    let broker = external::external_endpoint(&settings.broker)?;
    let registry = match (settings.producer.encoding, &settings.registry) {
        (Encoding::Confluent, Some(registry)) => Some(external::registry_client(registry)?),
        _ => None,
    };
    Ok((broker, registry))
}

/// Returns what an interruption does, which depends on whether anything was emitted.
fn notice(counters: &Counters) -> &'static str {
    if counters.emitted.get() > 0 {
        INTERRUPTED
    } else {
        INTERRUPTED_EARLY
    }
}

/// Returns the name of the run's directory. Each shard has its own, because several may run here.
fn directory_name(run_id: &str, settings: &ProduceSettings) -> String {
    match settings.shard {
        Some(shard) => format!("{run_id}-{}of{}", shard.index + 1, shard.count),
        None => run_id.to_owned(),
    }
}

/// A producer succeeds if the broker has acknowledged every reading.
fn status(report: &Report) -> ExitStatus {
    let produced = report.produced.as_ref();
    if produced.is_some_and(|produced| produced.not_acked + produced.dead_lettered > 0) {
        ExitStatus::Failed
    } else {
        exit_status(report)
    }
}

/// Opens the dataset and resolves the settings of the pipeline.
fn resolve(
    settings: &ProduceSettings,
    run_id: String,
    clock: RunClock,
    terminal: &Terminal,
) -> Result<(Arc<Context>, Arc<EmissionSettings>), Error> {
    let rows = workload::open(&settings.load, settings.topic.as_deref(), terminal)?;
    let emission = EmissionSettings {
        fleet: settings.load.fleet(rows.workload.rows(), settings.shard),
        workload: rows.workload,
        key: settings.load.key,
        compression: settings.producer.compression,
        linger: settings.producer.linger,
        data_faults: None,
    };
    let shared = pipeline::Settings {
        run_id,
        topics: rows.topics,
        creation: settings.creation,
        timeouts: settings.timeouts,
    };
    Ok((Arc::new(Context::new(shared, clock)), Arc::new(emission)))
}
