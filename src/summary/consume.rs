//! Report of `convoy consume`.

use crate::measure::Recording;
use crate::pipeline::{self, Context};
use crate::report::{Consumed, Durability, Lag, Ownership, PartitionLag, Report, Status, rfc3339};
use crate::settings::ConsumeSettings;
use crate::summary::builder::{Process, ReportBuilder, tail};
use crate::summary::cpu::CpuUse;
use crate::summary::measurements::summarize_consumer;
use crate::summary::topology;

/// Returns the report of a process that has not started, for its live page.
pub fn starting_consumer(process: &Process<'_, ConsumeSettings>, started: u64) -> Report {
    let (context, settings) = (process.context, process.settings);
    let topology = topology::consume(context, settings);
    let nothing = Recording::default();
    let mut report = ReportBuilder::new(process, Status::Complete, topology, &nothing).report;
    report.run.started_at = rfc3339(context.clock.unix_ms(started));
    report.consumed = Some(Consumed {
        group: settings.group.clone(),
        ..Consumed::default()
    });
    report
}

/// Builds the report of a consumer process that started at an instant of the run's clock.
pub fn consumer_report(
    process: &Process<'_, ConsumeSettings>,
    consumed: &pipeline::Consumed,
    started: u64,
    cpu: &CpuUse,
) -> Report {
    let (context, settings) = (process.context, process.settings);
    let (session, recording) = (&consumed.session, &consumed.recording);
    let failed = session.failure.is_some() || context.counters.conflicting.get() > 0;
    let status = match (failed, session.interrupted) {
        (true, _) => Status::Invalid,
        (false, true) => Status::Interrupted,
        (false, false) => Status::Complete,
    };
    let topology = topology::consume(context, settings);
    let mut builder = ReportBuilder::new(process, status, topology, recording);
    builder.checkouts = consumed.checkouts;
    let report = &mut builder.report;
    report.summary = summarize_consumer(recording);
    report.run.started_at = rfc3339(context.clock.unix_ms(started));
    report.durability = Durability {
        broker: "as the cluster is configured".to_owned(),
        store: "w: majority, j: true requested".to_owned(),
    };
    let to_first = recording
        .first_stored
        .map(|first| first.saturating_sub(started));
    report.summary.startup_to_first_stored_ms = to_first.map(|nanos| nanos as f64 / 1e6);
    report.intervals.clone_from(&consumed.intervals);
    report.outages.clone_from(&consumed.outages);
    report.tail = tail(recording, context, started);
    let date = |stamp: Option<u64>| stamp.map(|stamp| context.clock.unix_ms(stamp));
    report.consumed = Some(Consumed {
        group: settings.group.clone(),
        runs: session.runs.clone(),
        ownerships: session
            .ownerships
            .iter()
            .map(|owned| ownership(context, owned))
            .collect(),
        lag: Some(lag(context, session)),
        first_intended_unix_ms: date(recording.first_intended),
        last_stored_unix_ms: date(recording.last_stored),
    });
    let stored = report.counters.stored;
    builder.finish(cpu, stored)
}

fn lag(context: &Context, session: &pipeline::SessionOutcome) -> Lag {
    let partition = |left: &pipeline::PartitionLag| PartitionLag {
        topic: context.topic(left.partition).to_owned(),
        partition: left.partition.number,
        committed: left.committed,
        end: left.end,
        records: left.records(),
    };
    Lag {
        records: session
            .lag
            .iter()
            .map(pipeline::PartitionLag::records)
            .sum(),
        partitions: session.lag.iter().map(partition).collect(),
    }
}

fn ownership(context: &Context, owned: &pipeline::Ownership) -> Ownership {
    Ownership {
        topic: context.topic(owned.partition).to_owned(),
        partition: owned.partition.number,
        epoch: owned.epoch,
        from: owned.from,
        to: owned.to,
        taken: owned.taken,
    }
}
