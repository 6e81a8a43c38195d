//! `convoy consume`: store the records of topics as a member of a group.

use std::sync::Arc;
use std::time::Duration;

use crate::command::directory;
use crate::error::{Error, ExitStatus};
use crate::host::roles::{Role, Runtimes};
use crate::host::servers::{external_broker_line, external_store_line};
use crate::host::{external, interrupt};
use crate::measure::{Counters, RunClock};
use crate::pipeline::{
    self, ConsumerSettings, Context, DEAD_LETTER_TOPIC_SUFFIX, Ending, Observer as _, Phase,
    SessionOutcome, StorageSettings, dead_letter_collection,
};
use crate::report::{Notice, Report};
use crate::run_id::run_id_at;
use crate::settings::{ConsumeSettings, Invocation};
use crate::summary::{
    Baseline, CpuUse, Display, ExpectedPhases, LiveView, Process, Screen, UNKNOWN_VEHICLES,
    consumer_report, exit_status, present_report, starting_consumer,
};
use crate::terminal::{Expected, Terminal};

/// Message when the user interrupts the consumption.
const INTERRUPTED: &str =
    "interrupted: storing the records read so far and leaving the group; interrupt again to abort";

/// Message when the user interrupts before the first record.
const INTERRUPTED_EARLY: &str = "interrupted: nothing has been read; stopping";

/// Maximum age of a measured record: its timestamps must not precede the clock's epoch.
const OLDEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Connections for writers. With more owned partitions, inserts wait for a connection.
const CONNECTIONS: usize = 8;

/// Consumes as one member of a group, and writes a report.
pub fn run(
    settings: &ConsumeSettings,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    let clock = RunClock::reaching_back(OLDEST);
    let started = clock.now();
    let member = run_id_at(clock.unix_ms(started), clock.since_boot(started));
    let directory = directory::open(&settings.report.output, &member, invocation, terminal)?;
    let context = Arc::new(context(settings, member, clock));
    let runtimes = Runtimes::start_with_display(&[Role::Consumer], invocation.web.is_some())?;
    let baseline = Baseline::read(clock);
    let log = directory.latency_log(clock.unix_ms(started))?;
    let interrupt = interrupt::listen_in_run(&context, &directory, terminal, notice)?;
    let process = Process {
        invocation,
        settings,
        context: &context,
        workload: None,
        baseline: &baseline,
    };
    let page = LiveView::start(
        invocation.web.as_ref(),
        || starting_consumer(&process, started),
        &context,
        UNKNOWN_VEHICLES,
        &runtimes,
        terminal,
    )?;
    let display = Display::new(terminal, phases(settings), &context, log)
        .showing_lag()
        .with_screen(screen(page.as_ref(), settings));
    let (run_id, line) = (&context.settings.run_id, &invocation.line);
    let display = Arc::new(display.logging_events(&settings.report, run_id, line)?);
    say_servers(settings, terminal);
    display.phase(Phase::Preparing);
    let consumer = consumer(settings)?;
    let observer = Arc::clone(&display);
    let consuming = pipeline::consume(
        Arc::clone(&context),
        consumer,
        runtimes.handle(Role::Consumer),
        observer,
        interrupt.clone(),
    );
    let consumed = runtimes.block_on(consuming);
    let cpu = CpuUse::read(clock);
    let log = display.finish();
    let mut consumed = consumed?;
    if settings.participation.replay_dead_letters {
        say_replayed(&context.counters, terminal);
    }
    let report = consumer_report(&process, &consumed, started, &cpu);
    say_unread(terminal, &report);
    let presented = present_report(&report, &directory, log, &settings.report, terminal);
    if let Some(page) = page {
        page.finish(&directory);
    }
    presented?;
    let within_limit = tell_of_records(settings, &context, terminal);
    match consumed.session.failure.take() {
        Some(failure) => Err(failure.into()),
        None if !within_limit => Ok(ExitStatus::Failed),
        None if left_unread(settings, &consumed.session) => Ok(ExitStatus::Failed),
        None => Ok(exit_status(&report).or_interrupted(interrupt.is_requested())),
    }
}

/// Returns the live page, if there is one, with the collection of its documents.
fn screen(page: Option<&LiveView>, settings: &ConsumeSettings) -> Option<Screen> {
    let screen = page.map(LiveView::screen)?;
    let writer = &settings.writer;
    screen.store_at(settings.store.clone(), &writer.database, &writer.collection);
    Some(screen)
}

fn consumer(settings: &ConsumeSettings) -> Result<ConsumerSettings, Error> {
    let registry = settings.registry.as_ref();
    Ok(ConsumerSettings {
        storage: Arc::new(storage(settings)),
        participation: settings.participation.clone(),
        broker: external::external_endpoint(&settings.broker)?,
        store: settings.store.clone(),
        registry: registry.map(external::registry_client).transpose()?,
    })
}

/// Says what became of the dead letters of earlier runs.
fn say_replayed(counters: &Counters, terminal: &Terminal) {
    terminal.say(format_args!(
        "dead letters: {} stored now, {} kept",
        counters.dead_letters_replayed.get(),
        counters.dead_letters_kept.get()
    ));
}

/// Returns what an interruption does, which depends on whether anything was read.
fn notice(counters: &Counters) -> &'static str {
    if counters.fetched.get() > 0 {
        INTERRUPTED
    } else {
        INTERRUPTED_EARLY
    }
}

/// Says which servers are used, and what named them.
fn say_servers(settings: &ConsumeSettings, terminal: &Terminal) {
    let origins = &settings.origins;
    terminal.say(external_broker_line(&settings.broker, &origins.broker));
    terminal.say(external_store_line(&settings.store, &origins.store));
}

/// Returns how long the consumption is expected to take.
fn phases(settings: &ConsumeSettings) -> ExpectedPhases {
    let length = settings.participation.length;
    let duration = length.duration.map(Expected::Duration);
    ExpectedPhases {
        warm_up: Duration::ZERO,
        run: duration.or(length.records.map(Expected::Records)),
    }
}

fn storage(settings: &ConsumeSettings) -> StorageSettings {
    let group = Some(settings.group.clone());
    StorageSettings {
        extended_json: settings.extended_json,
        on_error: settings.on_error,
        ..settings.writer.storage(group, CONNECTIONS)
    }
}

/// Tells of records that are not stored as they were sent. Returns whether the number of dead letters
/// is within its limit.
fn tell_of_records(settings: &ConsumeSettings, context: &Context, terminal: &Terminal) -> bool {
    let as_text = context.numbers_as_text.get();
    if as_text > 0 {
        let verb = if as_text == 1 {
            "number is"
        } else {
            "numbers are"
        };
        terminal.say(format_args!(
            "{as_text} {verb} stored as text: no type keeps more than 34 digits"
        ));
    }
    let letters = context.counters.dead_lettered.get();
    if letters == 0 {
        return true;
    }
    let (database, collection) = (&settings.writer.database, &settings.writer.collection);
    let records = if letters == 1 {
        "record is a dead letter"
    } else {
        "records are dead letters"
    };
    let topics: Vec<String> = settings
        .topics
        .iter()
        .map(|topic| format!("`{topic}{DEAD_LETTER_TOPIC_SUFFIX}`"))
        .collect();
    terminal.say(format_args!(
        "{letters} {records}, with reasons: in the collection `{database}.{}` and the topic {}",
        dead_letter_collection(collection),
        topics.join(" or "),
    ));
    let limit = settings.max_dead_letters.unwrap_or(0);
    if letters > limit {
        terminal.say(format_args!(
            "hint: fix their cause and pass `--replay-dead-letters`, or allow them by `--max-dead-letters {letters}`"
        ));
    }
    letters <= limit
}

/// Returns whether the process was to store everything that is there, and ended before.
fn left_unread(settings: &ConsumeSettings, session: &SessionOutcome) -> bool {
    let everything = settings.participation.length.idle.is_some();
    let limited = session.interrupted || session.ending == Ending::Records;
    let unread = |left: &pipeline::PartitionLag| left.records() != Some(0);
    everything && !limited && session.lag.iter().any(unread)
}

/// Warns of records of the owned partitions that are not stored.
fn say_unread(terminal: &Terminal, report: &Report) {
    let unread = |warning: &&Notice| warning.code == "unread_records";
    if let Some(warning) = report.warnings.iter().find(unread) {
        terminal.say(format_args!(
            "warning: {}; {}",
            warning.message, warning.advice
        ));
    }
}

fn context(settings: &ConsumeSettings, member: String, clock: RunClock) -> Context {
    let shared = pipeline::Settings {
        run_id: member,
        topics: settings.topics.clone(),
        creation: settings.creation,
        timeouts: settings.timeouts,
    };
    Context::new(shared, clock)
}
