//! Turns what a run gave into its report.

use std::time::Duration;

use crate::audit::Verdict;
use crate::host::roles::{CpuTime, Role};
use crate::host::servers::Servers;
use crate::measure::{Recording, RunClock};
use crate::pipeline::{Context, EmissionSettings, Outcome, Workload};
use crate::report::faults::Faults;
use crate::report::value::{FORMAT_VERSION, rfc3339};
use crate::report::{
    BackendKind, CpuPerRecord, Dataset, Durability, Environment, Facts, Report, Run, Status,
    Summary, Topology, Warning,
};
use crate::settings::Invocation;
use crate::settings::SimulateSettings;
use crate::summary::machine;

/// What is read when a run starts and compared when it has ended.
#[derive(Debug)]
pub struct Baseline {
    environment: Environment,
    machine: Option<machine::MachineCpu>,
    cpu: CpuTime,
    at: u64,
}

impl Baseline {
    /// Reads the machine and the CPU time so far.
    pub fn read(clock: RunClock) -> Self {
        Self {
            environment: machine::read(),
            machine: machine::MachineCpu::read(),
            cpu: CpuTime::read(),
            at: clock.now(),
        }
    }

    /// Returns the machine, with the share of time that others took since the baseline.
    pub(crate) fn environment(&self) -> Environment {
        let now = machine::MachineCpu::read();
        let steal_share = match (&now, &self.machine) {
            (Some(now), Some(before)) => now.steal_share_since(before),
            _ => None,
        };
        Environment {
            steal_share,
            ..self.environment.clone()
        }
    }
}

/// What a report says of the run's setting.
#[derive(Debug)]
pub struct Setting<'a> {
    /// How the command was called.
    pub invocation: &'a Invocation,
    /// What it was told.
    pub settings: &'a SimulateSettings,
    /// The run's shared things.
    pub context: &'a Context,
    /// What the run emits.
    pub emission: &'a EmissionSettings,
    /// Machine and CPU time at the start.
    pub baseline: &'a Baseline,
}

/// CPU time of each role while records were under way, before the audit adds to it.
#[derive(Debug)]
pub struct CpuUse {
    cpu: CpuTime,
    at: u64,
}

impl CpuUse {
    /// Reads the CPU time up to now.
    pub fn read(clock: RunClock) -> Self {
        Self {
            cpu: CpuTime::read(),
            at: clock.now(),
        }
    }

    /// Adds the pacing thread, which has ended and is not among the process's threads any more.
    #[must_use]
    pub fn with_generator(mut self, used: Duration) -> Self {
        self.cpu.add(Role::Generator, used);
        self
    }

    /// Returns this process's CPU time since the baseline as a share of all cores.
    pub(crate) fn share(&self, baseline: &Baseline) -> f64 {
        let elapsed_us = self.at.saturating_sub(baseline.at) as f64 / 1e3;
        let available_us = elapsed_us * f64::from(baseline.environment.cores);
        self.cpu.total_since_us(&baseline.cpu) / available_us
    }
}

/// Makes the report of a run through the pipeline.
pub fn pipeline_report(
    setting: &Setting<'_>,
    servers: &Servers,
    outcome: &Outcome,
    cpu: &CpuUse,
    faults: Option<Faults>,
) -> Report {
    let verdict = outcome.verdict.clone().unwrap_or_default();
    let status = match (&outcome.failure, &outcome.verdict) {
        (None, Some(verdict)) => Status::of(verdict, outcome.interrupted),
        _ => Status::Invalid,
    };
    let topology = topology(setting, servers.broker_kind, servers.store_kind);
    let mut report = report(setting, status, topology, &outcome.recording, verdict);
    report.faults = faults;
    report.durability = servers.durability.clone();
    report.summary.readings_emitted = report.verdict.emitted;
    report.summary.startup_to_first_stored_ms = outcome
        .recording
        .first_stored
        .map(|first| first as f64 / 1e6);
    report.cpu = cpu_per_record(setting.baseline, cpu, report.counters["stored"]);
    report.intervals.clone_from(&outcome.intervals);
    finish(report, setting, cpu.share(setting.baseline))
}

/// Makes the report of a fleet that was paced into nothing.
pub fn null_report(
    setting: &Setting<'_>,
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
    let topology = topology(setting, BackendKind::None, BackendKind::None);
    let verdict = Verdict {
        emitted,
        ..Verdict::default()
    };
    let mut report = report(setting, status, topology, recording, verdict);
    // Over the measured time, as the rest of the summary.
    report.summary.readings_emitted = recording.stored;
    report.cpu = cpu_per_record(setting.baseline, cpu, emitted);
    finish(report, setting, cpu.share(setting.baseline))
}

fn report(
    setting: &Setting<'_>,
    status: Status,
    topology: Topology,
    recording: &Recording,
    verdict: Verdict,
) -> Report {
    let Setting {
        invocation,
        settings,
        context,
        emission,
        baseline,
    } = setting;
    Report {
        format_version: FORMAT_VERSION,
        status,
        run: Run {
            id: context.settings.run_id.clone(),
            seed: settings.load.seed,
            command: invocation.line.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: rfc3339(context.clock.epoch_unix_ms()),
        },
        settings: serde_json::to_value(settings).unwrap_or_default(),
        environment: baseline.environment(),
        durability: Durability::default(),
        topology,
        dataset: dataset_of(&emission.workload),
        summary: summary(recording),
        counters: context.counters.values(),
        cpu: CpuPerRecord::default(),
        verdict,
        faults: None,
        thresholds: Vec::new(),
        warnings: Vec::new(),
        intervals: Vec::new(),
        produced: None,
        consumed: None,
        merged: None,
    }
}

/// Adds what depends on everything else.
fn finish(mut report: Report, setting: &Setting<'_>, cpu_share: f64) -> Report {
    report.thresholds = setting
        .settings
        .thresholds(&report.summary, &report.verdict);
    let facts = Facts {
        target_rate: setting.settings.load.target_rate(),
        client_cpu_share: Some(cpu_share),
        mongo_pool_saturated: false,
    };
    report.warnings = Warning::find(&report, &facts)
        .iter()
        .map(Warning::notice)
        .collect();
    report
}

pub(crate) fn summary(recording: &Recording) -> Summary {
    let duration = Duration::from_nanos(recording.duration_ns()).as_secs_f64();
    let per_second = |count: u64| {
        if duration > 0.0 {
            count as f64 / duration
        } else {
            0.0
        }
    };
    Summary {
        readings_emitted: 0,
        records_stored: recording.stored,
        throughput_records_per_second: per_second(recording.stored),
        throughput_bytes_per_second: per_second(recording.stored_bytes),
        duration_s: duration,
        startup_to_first_stored_ms: None,
        peak_resident_bytes: machine::peak_resident_bytes(),
        stages: recording.stages.summary(),
    }
}

fn topology(setting: &Setting<'_>, broker: BackendKind, store: BackendKind) -> Topology {
    let (settings, pipeline) = (setting.settings, &setting.context.settings);
    Topology {
        broker,
        store,
        topics: pipeline.topics.clone(),
        partitions: settings.creation.partitions,
        consumers: settings.consumers,
        database: settings.writer.database.clone(),
        collection: settings.writer.collection.clone(),
        key: setting.emission.key.to_string(),
        tls: false,
    }
}

/// Says what a workload replays.
pub(crate) fn dataset_of(workload: &Workload) -> Dataset {
    let datasets = || workload.datasets();
    let hash = datasets().fold(0, |hash: u64, dataset| hash.rotate_left(1) ^ dataset.hash());
    Dataset {
        files: datasets()
            .flat_map(crate::dataset::Dataset::files)
            .map(|file| file.display().to_string())
            .collect(),
        rows: workload.rows(),
        columns: datasets()
            .map(|dataset| dataset.schema().columns.len())
            .max()
            .and_then(|columns| u32::try_from(columns).ok())
            .unwrap_or_default(),
        hash: format!("{hash:016x}"),
    }
}

pub(crate) fn cpu_per_record(baseline: &Baseline, cpu: &CpuUse, records: u64) -> CpuPerRecord {
    let per_record = |role| {
        let used = cpu.cpu.since_us(&baseline.cpu, role)?;
        (records > 0).then(|| used / records as f64)
    };
    CpuPerRecord {
        generator_us: per_record(Role::Generator),
        producer_us: per_record(Role::Producer),
        consumer_us: per_record(Role::Consumer),
        broker_us: per_record(Role::Broker),
        store_us: per_record(Role::Store),
    }
}
