//! `convoy consume`: store what is in the topics, sharing the partitions with others.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::Compression;
use crate::command::{run_id, simulate};
use crate::error::{Error, ExitStatus};
use crate::fleet::{self, Key};
use crate::host::roles::{Role, Runtimes};
use crate::host::{interrupt, servers};
use crate::measure::RunClock;
use crate::pipeline::group::{Length, Participation, Timing};
use crate::pipeline::{self, Context, Ends, Observer as _, Phase, Workload};
use crate::report::RunDirectory;
use crate::settings::ConsumeSettings;
use crate::settings::Invocation;
use crate::summary::observer::Display;
use crate::summary::processes::{Half, consumer_report};
use crate::summary::simulate::{Baseline, CpuUse};
use crate::terminal::{Expected, Terminal, logging};

/// What is said when the user interrupts the consumption.
const INTERRUPTED: &str =
    "interrupted: what was read is stored, and the partitions are freed; interrupt again to abort";

/// How old a record may be that is measured: its stamps must not lie before the clock's epoch.
const OLDEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Inserts at once, before the pool of connections makes them wait.
const CONNECTIONS: usize = 8;

/// How much longer than `--dead-after` a living member may take to give up a partition.
const PATIENCE: u32 = 5;

/// Consumes as one member of a group, and reports what it did.
pub fn run(
    settings: &ConsumeSettings,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    let clock = RunClock::reaching_back(OLDEST);
    let started = clock.now();
    let member = run_id::of_start(clock.unix_ms(started), clock.since_boot(started));
    let directory = RunDirectory::create(&settings.report.output, &member)?;
    let log_filter = invocation.log_filter.as_deref();
    logging::start(terminal, Path::new(logging::DIRECTORY), &member, log_filter);
    let context = Arc::new(context(settings, member, clock));
    let runtimes = Runtimes::start(&[Role::Consumer])?;
    let baseline = Baseline::read(clock);
    let log = directory.latency_log(clock.unix_ms(started))?;
    let interrupted = interrupt::listen(&runtimes.handle(Role::Consumer), terminal, INTERRUPTED);
    let expected = settings.duration.map(Expected::Duration);
    let expected = expected.or(settings.records.map(Expected::Records));
    let display = Arc::new(Display::new(
        terminal,
        (Duration::ZERO, expected),
        clock,
        log,
    ));
    display.phase(Phase::Preparing);
    let registry = settings.registry.as_ref();
    let ends = Ends {
        broker: servers::external_endpoint(&settings.broker)?,
        store: settings.store.clone(),
        registry: registry.map(servers::registry_client).transpose()?,
    };
    let observer = Arc::clone(&display);
    let consuming = pipeline::consume(
        Arc::clone(&context),
        ends,
        participation(settings),
        runtimes.handle(Role::Consumer),
        observer,
        interrupted,
    );
    let consumed = runtimes.block_on(consuming);
    let (log, _at_audit) = display.finish();
    let mut consumed = consumed?;
    let cpu = CpuUse::read(clock);
    let half = Half {
        invocation,
        context: &context,
        baseline: &baseline,
        cpu: &cpu,
    };
    if settings.replay_dead_letters {
        let counters = &context.counters;
        terminal.say(format_args!(
            "dead letters: {} stored now, {} kept",
            counters.dead_letters_replayed.get(),
            counters.dead_letters_kept.get()
        ));
    }
    let report = consumer_report(&half, settings, &consumed, started);
    simulate::present(&report, &directory, log, settings.report.format, terminal)?;
    match consumed.done.failure.take() {
        Some(failure) => Err(failure.into()),
        None => Ok(simulate::status(&report)),
    }
}

fn participation(settings: &ConsumeSettings) -> Participation {
    Participation {
        start: settings.from,
        timing: Timing {
            beat: settings.beat,
            dead_after: settings.dead_after,
            patience: settings.dead_after * PATIENCE,
        },
        length: Length {
            duration: settings.duration,
            records: settings.records,
            idle: settings.idle,
        },
    }
}

fn context(settings: &ConsumeSettings, member: String, clock: RunClock) -> Context {
    let creation = settings.creation;
    let pipeline = pipeline::Settings {
        run_id: member,
        fleet: fleet::Settings::idle(),
        key: Key::None,
        topics: settings.topics.clone(),
        group: Some(settings.group.clone()),
        partitions: creation.partitions,
        partitions_required: creation.partitions_required,
        replication_factor: creation.replication_factor,
        compression: Compression::None,
        linger: Duration::ZERO,
        consumers: CONNECTIONS,
        batch_records: settings.writer.batch_records as usize,
        batch_wait: settings.writer.batch_wait,
        database: settings.writer.database.clone(),
        collection: settings.writer.collection.clone(),
        drain_timeout: settings.writer.drain_timeout,
        request_timeout: settings.timeouts.request,
        broker_timeout: settings.timeouts.broker,
        store_timeout: settings.writer.store_timeout,
        replay_dead_letters: settings.replay_dead_letters,
        data_faults: None,
        log_may_be_lost: false,
    };
    Context::new(pipeline, clock, Workload::new(Vec::new()))
}
