//! Report of `convoy produce`.

use crate::fleet::Shard;
use crate::load::Bound;
use crate::measure::{Recording, nanos};
use crate::pipeline::{self, Context, Workload};
use crate::report::{Durability, Produced, Report, Schedule, Status};
use crate::settings::{LoadSettings, ProduceSettings};
use crate::summary::builder::{Process, ReportBuilder};
use crate::summary::cpu::CpuUse;
use crate::summary::topology;

/// Returns the report of a process that has not started, for its live page.
pub fn starting_producer(process: &Process<'_, ProduceSettings>) -> Report {
    let topology = topology::produce(process.context, process.settings);
    let nothing = Recording::default();
    ReportBuilder::new(process, Status::Complete, topology, &nothing).report
}

/// Builds the report of a producer process.
pub fn producer_report(
    process: &Process<'_, ProduceSettings>,
    produced: &pipeline::Produced,
    cpu: &CpuUse,
) -> Report {
    let settings = process.settings;
    let status = match (&produced.failure, produced.interrupted) {
        (Some(_), _) => Status::Invalid,
        (None, true) => Status::Interrupted,
        (None, false) => Status::Complete,
    };
    let topology = topology::produce(process.context, settings);
    let mut builder = ReportBuilder::new(process, status, topology, &produced.recording);
    builder.unlimited_rate = settings.load.target_rate().is_none();
    let report = &mut builder.report;
    report.run.seed = Some(settings.load.seed);
    report.durability = Durability {
        broker: "acks=all, as the cluster is configured".to_owned(),
        store: String::new(),
    };
    report.summary.readings_emitted = produced.ledger.emitted;
    report.intervals.clone_from(&produced.intervals);
    report.outages.clone_from(&produced.outages);
    report.produced = process
        .workload
        .map(|workload| account(process.context, workload, settings, produced));
    let acked = report.counters.acked;
    builder.finish(cpu, acked)
}

fn account(
    context: &Context,
    workload: &Workload,
    settings: &ProduceSettings,
    produced: &pipeline::Produced,
) -> Produced {
    let ledger = &produced.ledger;
    let shard = settings.shard.unwrap_or(Shard { index: 0, count: 1 });
    let topics = context.settings.topics.iter().enumerate();
    Produced {
        shard: shard.index,
        shards: shard.count,
        schedule: schedule(&settings.load, workload.rows()),
        emitted: ledger.emitted,
        messages: ledger.messages.count,
        fingerprints: format!("{:032x}", ledger.messages.sum),
        labels: ledger.labels.clone(),
        label_column: workload.label_column().map(str::to_owned),
        not_acked: ledger.not_acked,
        dead_lettered: context.counters.dead_lettered.get(),
        topics: topics
            .map(|(topic, name)| (name.clone(), context.partitions_of(topic)))
            .collect(),
        epoch_unix_ms: context.clock.epoch_unix_ms(),
        start_ns: produced.start,
    }
}

fn schedule(load: &LoadSettings, rows: u64) -> Schedule {
    let (duration_ns, records) = match load.bound {
        Bound::Duration(duration) => (Some(nanos(duration)), None),
        Bound::Records(records) => (None, Some(records)),
        Bound::Rows => (None, None),
    };
    Schedule {
        vehicles: load.vehicles,
        rate: load.rate.to_string(),
        total_rate: load.total_rate.map(|rate| rate.to_string()),
        arrival: load.arrival.to_string(),
        seed: load.seed,
        warm_up_ns: nanos(load.warmup),
        duration_ns,
        records,
        rows,
        dataset: load.dataset.display().to_string(),
    }
}
