//! `convoy produce`: emit the fleet, or a part of it, into an existing broker.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::command::{run_id, simulate, workload};
use crate::error::{Error, ExitStatus};
use crate::host::roles::{Role, Runtimes};
use crate::host::{interrupt, servers};
use crate::measure::RunClock;
use crate::pipeline::{self, Context, Observer as _, Phase, Roles};
use crate::report::{Report, RunDirectory};
use crate::settings::Invocation;
use crate::settings::{Encoding, ProduceSettings};
use crate::summary::observer::{self, Display};
use crate::summary::processes::{Half, producer_report};
use crate::summary::simulate::{Baseline, CpuUse};
use crate::terminal::{Terminal, logging};

/// What is said when the user interrupts the emission.
const INTERRUPTED: &str =
    "interrupted: what was handed over is still sent; interrupt again to abort";

/// Emits, and reports what was emitted so that others can audit it.
pub fn run(
    settings: &ProduceSettings,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    let clock = RunClock::start();
    let run_id = settings.run_id.clone();
    let run_id = run_id
        .unwrap_or_else(|| run_id::of_start(clock.epoch_unix_ms(), clock.epoch_monotonic_ns()));
    let name = directory_name(&run_id, settings);
    let report = settings.report.output.join(&name).join("report.json");
    if report.exists() {
        return Err(Error::RunTaken {
            run_id,
            path: report,
        });
    }
    let directory = RunDirectory::create(&settings.report.output, &name)?;
    let log_filter = invocation.log_filter.as_deref();
    logging::start(terminal, Path::new(logging::DIRECTORY), &name, log_filter);
    let context = Arc::new(context(settings, run_id, clock)?);
    let runtimes = Runtimes::start(&[Role::Producer])?;
    let baseline = Baseline::read(clock);
    let log = directory.latency_log(clock.epoch_unix_ms())?;
    let interrupted = interrupt::listen(&runtimes.handle(Role::Producer), terminal, INTERRUPTED);
    let load = &settings.load;
    let expected = (load.warmup, observer::expected(load.bound));
    let display = Display::new(terminal, expected, clock, log).up_to_the_broker();
    let display = Arc::new(display);
    display.phase(Phase::Preparing);
    let broker = servers::external_endpoint(&settings.broker)?;
    let registry = match (settings.producer.encoding, &settings.registry) {
        (Encoding::Confluent, Some(registry)) => Some(servers::registry_client(registry)?),
        _ => None,
    };
    let roles = Roles {
        producer: runtimes.handle(Role::Producer),
        consumer: runtimes.handle(Role::Producer),
    };
    let observer = Arc::clone(&display);
    let producing = pipeline::produce(
        Arc::clone(&context),
        broker,
        registry,
        roles,
        observer,
        interrupted,
    );
    let produced = runtimes.block_on(producing);
    let (log, _at_audit) = display.finish();
    let produced = produced?;
    let cpu = CpuUse::read(clock).with_generator(produced.generator_cpu);
    let half = Half {
        invocation,
        context: &context,
        baseline: &baseline,
        cpu: &cpu,
    };
    let report = producer_report(&half, settings, &produced);
    simulate::present(&report, &directory, log, settings.report.format, terminal)?;
    match produced.failure {
        Some(failure) => Err(failure.into()),
        None => Ok(status(&report)),
    }
}

/// A part of a run has a directory of its own, since several may be on this host.
fn directory_name(run_id: &str, settings: &ProduceSettings) -> String {
    match settings.shard {
        Some(shard) => format!("{run_id}-{}of{}", shard.index + 1, shard.count),
        None => run_id.to_owned(),
    }
}

/// A producer alone passes when the broker has everything that it emitted.
fn status(report: &Report) -> ExitStatus {
    let produced = report.produced.as_ref();
    if produced.is_some_and(|produced| produced.not_acked + produced.dead_lettered > 0) {
        ExitStatus::Failed
    } else {
        simulate::status(report)
    }
}

fn context(settings: &ProduceSettings, run_id: String, clock: RunClock) -> Result<Context, Error> {
    let (workload, topics) = workload::open(&settings.load, settings.topic.as_deref())?;
    let creation = settings.creation;
    let pipeline = pipeline::Settings {
        run_id,
        fleet: workload::fleet(&settings.load, &workload, settings.shard),
        key: settings.load.key,
        topics,
        group: None,
        partitions: creation.partitions,
        partitions_required: creation.partitions_required,
        replication_factor: creation.replication_factor,
        compression: settings.producer.compression,
        linger: settings.producer.linger,
        consumers: 0,
        batch_records: 0,
        batch_wait: Duration::ZERO,
        database: String::new(),
        collection: String::new(),
        drain_timeout: Duration::ZERO,
        request_timeout: settings.timeouts.request,
        broker_timeout: settings.timeouts.broker,
        store_timeout: Duration::ZERO,
        replay_dead_letters: false,
        data_faults: None,
        log_may_be_lost: false,
    };
    Ok(Context::new(pipeline, clock, workload))
}
