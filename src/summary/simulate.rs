//! Reports of `convoy simulate`: of a run through the pipeline, and of the pacer alone.

use crate::audit::Verdict;
use crate::host::servers::Servers;
use crate::measure::Recording;
use crate::pipeline::Outcome;
use crate::report::faults::Faults;
use crate::report::{BackendKind, External, Report, Status, Topology};
use crate::settings::SimulateSettings;
use crate::summary::builder::{Process, ReportBuilder, tail};
use crate::summary::cpu::CpuUse;
use crate::summary::{measurements, topology};

/// Sections of a run that has them.
#[derive(Debug, Default)]
pub struct Sections {
    /// Injected faults.
    pub faults: Option<Faults>,
    /// A consumer that was another program.
    pub external: Option<External>,
}

/// Returns the report of a run that has not started, for its live page.
pub fn starting_simulation(process: &Process<'_, SimulateSettings>) -> Report {
    let none = BackendKind::None;
    let topology = topology::simulate(process.context, process.settings, none, none);
    let nothing = Recording::default();
    start(process, Status::Complete, topology, &nothing, None).report
}

/// Builds the report of a run through the pipeline.
pub fn simulate_report(
    process: &Process<'_, SimulateSettings>,
    servers: &Servers,
    outcome: &Outcome,
    cpu: &CpuUse,
    sections: Sections,
) -> Report {
    let verdict = outcome.verdict.clone();
    let emitted = match &outcome.verdict {
        Some(verdict) => verdict.emitted,
        None => process.context.counters.snapshot().emitted,
    };
    let status = match (&outcome.failure, &outcome.verdict) {
        (None, Some(verdict)) => Status::new(verdict, outcome.interrupted),
        (None, None) if outcome.interrupted => Status::Interrupted,
        _ => Status::Invalid,
    };
    let recording = &outcome.recording;
    let none = BackendKind::None;
    let topology = topology::simulate(process.context, process.settings, none, none);
    let mut builder = start(process, status, topology, recording, verdict);
    builder.checkouts = outcome.checkouts;
    let report = &mut builder.report;
    report.faults = sections.faults;
    describe_servers(process, servers, report);
    report.external_consumer = sections.external;
    if report.external_consumer.is_some() {
        // Another program writes, as it likes.
        "write concern of the external consumer".clone_into(&mut report.durability.store);
        report.topology.consumers = 0;
    }
    report.summary.readings_emitted = emitted;
    report.summary.startup_to_first_stored_ms =
        recording.first_stored.map(|first| first as f64 / 1e6);
    report.intervals.clone_from(&outcome.intervals);
    report.outages.clone_from(&outcome.outages);
    report.tail = tail(recording, process.context, outcome.start);
    let stored = report.counters.stored;
    builder.finish(cpu, stored)
}

/// Adds what is known of the servers to a report.
pub fn describe_servers(
    process: &Process<'_, SimulateSettings>,
    servers: &Servers,
    report: &mut Report,
) {
    let kinds = (servers.broker_kind, servers.store_kind);
    let addresses = servers.addresses.clone();
    report.topology = Topology {
        broker_address: Some(addresses.broker),
        broker_origin: Some(addresses.broker_origin),
        store_address: Some(addresses.store),
        store_origin: Some(addresses.store_origin),
        ..topology::simulate(process.context, process.settings, kinds.0, kinds.1)
    };
    report.durability = servers.durability.clone();
}

/// Builds the report of a fleet that was paced without servers.
pub fn null_sink_report(
    process: &Process<'_, SimulateSettings>,
    recording: &Recording,
    emitted: u64,
    interrupted: bool,
    cpu: &CpuUse,
) -> Report {
    let status = if interrupted {
        Status::Interrupted
    } else {
        Status::Complete
    };
    let none = BackendKind::None;
    let topology = topology::simulate(process.context, process.settings, none, none);
    let mut builder = start(process, status, topology, recording, None);
    // Of the measured part, as the rest of the summary.
    builder.report.summary.readings_emitted = recording.stored;
    builder.finish(cpu, emitted)
}

fn start<'a>(
    process: &Process<'a, SimulateSettings>,
    status: Status,
    topology: Topology,
    recording: &Recording,
    verdict: Option<Verdict>,
) -> ReportBuilder<'a> {
    let load = &process.settings.load;
    let mut builder = ReportBuilder::new(process, status, topology, recording);
    builder.unlimited_rate = load.target_rate().is_none();
    builder.pace = measurements::pace(recording).filter(|_| !builder.unlimited_rate);
    let report = &mut builder.report;
    report.run.seed = Some(load.seed);
    let settings = process.settings;
    report.thresholds = settings.thresholds(&report.summary, verdict.as_ref());
    report.verdict = verdict;
    builder
}
