//! Turns what one half of the pipeline gave into its report.

use serde::Serialize;

use crate::audit::Verdict;
use crate::fleet::{Key, Shard};
use crate::load::Bound;
use crate::measure::{Recording, nanos};
use crate::pipeline::{self, Context, EmissionSettings, Ownership, Workload};
use crate::report::value::{FORMAT_VERSION, rfc3339};
use crate::report::{
    BackendKind, Consumed, Durability, Facts, Produced, Report, Run, Schedule, Status, Stint,
    Topology, Warning,
};
use crate::settings::Invocation;
use crate::settings::{ConsumeSettings, ProduceSettings};
use crate::summary::simulate::{Baseline, CpuUse, cpu_per_record, dataset_of, summary};

/// What a report says of a half's setting.
#[derive(Debug)]
pub struct Half<'a> {
    /// How the command was called.
    pub invocation: &'a Invocation,
    /// What its tasks shared.
    pub context: &'a Context,
    /// What the process emits; `None` for a consumer.
    pub emission: Option<&'a EmissionSettings>,
    /// Machine and CPU time at the start.
    pub baseline: &'a Baseline,
    /// CPU time at the end.
    pub cpu: &'a CpuUse,
}

/// Makes the report of a producer that ran alone.
pub fn producer_report(
    half: &Half<'_>,
    settings: &ProduceSettings,
    produced: &pipeline::Produced,
) -> Report {
    let status = status(produced.failure.is_some(), produced.interrupted);
    let mut report = report(half, settings, status, &produced.recording);
    report.run.seed = settings.load.seed;
    report.durability = Durability {
        broker: "acks=all, as the cluster is configured".to_owned(),
        store: String::new(),
    };
    report.topology.tls = settings.broker.security_protocol.encrypts();
    report.summary.readings_emitted = produced.ledger.emitted;
    report.intervals.clone_from(&produced.intervals);
    report.produced = half
        .emission
        .map(|emission| account(half.context, emission, settings, produced));
    finish(report, half, "acked")
}

/// Makes the report of a consumer that ran alone.
pub fn consumer_report(
    half: &Half<'_>,
    settings: &ConsumeSettings,
    consumed: &pipeline::Consumed,
    started: u64,
) -> Report {
    let (context, recording) = (half.context, &consumed.recording);
    let conflicting = context.counters.conflicting.get() > 0;
    let failed = consumed.session.failure.is_some() || conflicting;
    let status = status(failed, consumed.session.interrupted);
    let mut report = report(half, settings, status, recording);
    report.run.started_at = rfc3339(context.clock.unix_ms(started));
    report.durability = Durability {
        broker: "as the cluster is configured".to_owned(),
        store: "w: majority, j: true".to_owned(),
    };
    report.topology.store = BackendKind::External;
    report.topology.consumers = 1;
    report
        .topology
        .database
        .clone_from(&settings.writer.database);
    report
        .topology
        .collection
        .clone_from(&settings.writer.collection);
    report.topology.tls = settings.broker.security_protocol.encrypts();
    let to_first = recording
        .first_stored
        .map(|first| first.saturating_sub(started));
    report.summary.startup_to_first_stored_ms = to_first.map(|nanos| nanos as f64 / 1e6);
    report.intervals.clone_from(&consumed.intervals);
    let date = |stamp: Option<u64>| stamp.map(|stamp| context.clock.unix_ms(stamp));
    report.consumed = Some(Consumed {
        group: settings.group.clone(),
        runs: consumed.session.runs.clone(),
        stints: consumed
            .session
            .ownerships
            .iter()
            .map(|stint| named(context, stint))
            .collect(),
        first_intended_unix_ms: date(recording.first_intended),
        last_stored_unix_ms: date(recording.last_stored),
    });
    finish(report, half, "stored")
}

fn status(failed: bool, interrupted: bool) -> Status {
    match (failed, interrupted) {
        (true, _) => Status::Invalid,
        (false, true) => Status::Interrupted,
        (false, false) => Status::Complete,
    }
}

/// Makes a report with what both halves have.
fn report(
    half: &Half<'_>,
    settings: &impl Serialize,
    status: Status,
    recording: &Recording,
) -> Report {
    let context = half.context;
    let pipeline = &context.settings;
    let partitions = (0..pipeline.topics.len()).map(|topic| context.partitions_of(topic));
    Report {
        format_version: FORMAT_VERSION,
        status,
        run: Run {
            id: pipeline.run_id.clone(),
            seed: 0,
            command: half.invocation.line.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: rfc3339(context.clock.epoch_unix_ms()),
        },
        settings: serde_json::to_value(settings).unwrap_or_default(),
        environment: half.baseline.environment(),
        durability: Durability::default(),
        topology: Topology {
            broker: BackendKind::External,
            store: BackendKind::None,
            topics: pipeline.topics.clone(),
            partitions: partitions.max().unwrap_or_default(),
            consumers: 0,
            database: String::new(),
            collection: String::new(),
            key: half.emission.map_or(Key::None, |it| it.key).to_string(),
            tls: false,
        },
        dataset: match half.emission {
            Some(emission) => dataset_of(&emission.workload),
            None => dataset_of(&Workload::new(Vec::new())),
        },
        summary: summary(recording),
        counters: context.counters.values(),
        cpu: crate::report::CpuPerRecord::default(),
        verdict: Verdict::default(),
        faults: None,
        thresholds: Vec::new(),
        warnings: Vec::new(),
        intervals: Vec::new(),
        produced: None,
        consumed: None,
        merged: None,
    }
}

/// Adds what depends on everything else. `per` names the counter that CPU time is divided by.
fn finish(mut report: Report, half: &Half<'_>, per: &str) -> Report {
    report.cpu = cpu_per_record(half.baseline, half.cpu, report.counters[per]);
    let facts = Facts {
        target_rate: None,
        client_cpu_share: Some(half.cpu.share(half.baseline)),
        mongo_pool_saturated: false,
    };
    report.warnings = Warning::find(&report, &facts)
        .iter()
        .map(Warning::notice)
        .collect();
    report
}

fn account(
    context: &Context,
    emission: &EmissionSettings,
    settings: &ProduceSettings,
    produced: &pipeline::Produced,
) -> Produced {
    let (load, ledger) = (&settings.load, &produced.ledger);
    let shard = settings.shard.unwrap_or(Shard { index: 0, count: 1 });
    let (duration_ns, records) = match load.bound {
        Bound::Duration(duration) => (Some(nanos(duration)), None),
        Bound::Records(records) => (None, Some(records)),
        Bound::Rows => (None, None),
    };
    let topics = context.settings.topics.iter().enumerate();
    Produced {
        shard: shard.index,
        shards: shard.count,
        schedule: Schedule {
            vehicles: load.vehicles,
            rate: load.rate.to_string(),
            total_rate: load.total_rate.map(|rate| rate.to_string()),
            arrival: load.arrival.to_string(),
            seed: load.seed,
            warm_up_ns: nanos(load.warmup),
            duration_ns,
            records,
            rows: emission.workload.rows(),
            dataset: load.dataset.display().to_string(),
        },
        emitted: ledger.emitted,
        messages: ledger.messages.count,
        fingerprints: format!("{:032x}", ledger.messages.sum),
        labels: ledger.labels.clone(),
        label_column: emission.workload.label_column().map(str::to_owned),
        not_acked: ledger.not_acked,
        dead_lettered: context.counters.dead_lettered.get(),
        topics: topics
            .map(|(topic, name)| (name.clone(), context.partitions_of(topic)))
            .collect(),
        epoch_unix_ms: context.clock.epoch_unix_ms(),
        start_ns: produced.start,
    }
}

fn named(context: &Context, stint: &Ownership) -> Stint {
    Stint {
        topic: context.topic(stint.partition).to_owned(),
        partition: stint.partition.number,
        epoch: stint.epoch,
        from: stint.from,
        to: stint.to,
        taken: stint.taken,
    }
}
