//! The one builder of reports: fills in what every command has in common.

use serde::Serialize;

use crate::measure::{Histogram, InFlight, Recording, Stages};
use crate::pipeline::{Context, Workload};
use crate::record::HASHES_CONTENT;
use crate::report::{
    CpuPerRecord, Durability, FORMAT_VERSION, Facts, Pace, Report, Run, Status, Tail, TailOrigin,
    Topology, Warning, add_bounds, findings, rfc3339,
};
use crate::settings::Invocation;
use crate::store::Checkouts;
use crate::summary::cpu::{Baseline, CpuUse};
use crate::summary::dataset::describe_dataset;
use crate::summary::measurements::summarize;

/// Inputs of a report that a process has before it runs.
#[derive(Debug)]
pub struct Process<'a, S> {
    /// How the command was called.
    pub invocation: &'a Invocation,
    /// Settings of the command.
    pub settings: &'a S,
    /// State shared by the tasks of the pipeline.
    pub context: &'a Context,
    /// Rows to emit; `None` for a consumer.
    pub workload: Option<&'a Workload>,
    /// Machine and CPU time at the start.
    pub baseline: &'a Baseline,
}

/// A report under construction.
#[derive(Debug)]
pub(super) struct ReportBuilder<'a> {
    /// The report so far. Commands set the fields that the others do not have.
    pub(super) report: Report,
    /// Whether the load has no schedule.
    pub(super) unlimited_rate: bool,
    /// How the stored records compare with the schedule; `None` without a schedule.
    pub(super) pace: Option<Pace>,
    /// Use of the connections to the store.
    pub(super) checkouts: Checkouts,
    /// Histograms of the measured records.
    stages: Stages<Histogram>,
    in_flight: InFlight,
    baseline: &'a Baseline,
}

impl<'a> ReportBuilder<'a> {
    /// Starts a report of a process that has ended.
    pub(super) fn new<S: Serialize>(
        process: &Process<'a, S>,
        status: Status,
        topology: Topology,
        recording: &Recording,
    ) -> Self {
        let Process {
            invocation,
            settings,
            context,
            workload,
            baseline,
        } = process;
        let report = Report {
            format_version: FORMAT_VERSION,
            status,
            run: Run {
                id: context.settings.run_id.clone(),
                seed: None,
                command: invocation.line.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                options: invocation.options.clone(),
                started_at: rfc3339(context.clock.epoch_unix_ms()),
            },
            settings: serde_json::to_value(settings).unwrap_or_default(),
            machine: baseline.machine(),
            durability: Durability::default(),
            topology,
            dataset: workload.map(describe_dataset),
            summary: summarize(recording),
            counters: context.counters.snapshot(),
            cpu: CpuPerRecord::default(),
            verdict: None,
            faults: None,
            findings: Vec::new(),
            thresholds: Vec::new(),
            warnings: Vec::new(),
            outages: Vec::new(),
            partitions: context.partition_loads(),
            tail: None,
            intervals: Vec::new(),
            produced: None,
            consumed: None,
            external_consumer: None,
            merged: None,
        };
        Self {
            report,
            unlimited_rate: false,
            pace: None,
            checkouts: Checkouts::default(),
            stages: recording.stages.clone(),
            in_flight: recording.in_flight,
            baseline,
        }
    }

    /// Adds the bounds of percentiles, CPU time per record, and the warnings, which depend on all other fields.
    pub(super) fn finish(mut self, cpu: &CpuUse, records: u64) -> Report {
        if !self.unlimited_rate {
            let summary = &mut self.report.summary.stages;
            add_bounds(summary, &self.stages, &self.report.intervals);
        }
        self.report.cpu = cpu.per_record(self.baseline, records);
        let facts = Facts {
            unlimited_rate: self.unlimited_rate,
            pace: self.pace,
            client_cpu_share: Some(cpu.share(self.baseline)),
            mongo_pool_wait_share: pool_wait_share(self.checkouts),
            unaudited: !HASHES_CONTENT,
            in_flight: self.in_flight,
        };
        self.report.warnings = Warning::find(&self.report, &facts)
            .iter()
            .map(Warning::notice)
            .collect();
        self.report.findings = findings(&self.report);
        self.report
    }
}

/// Summarizes the slowest records of a run whose schedule began at `start`.
pub(super) fn tail(recording: &Recording, context: &Context, start: u64) -> Option<Tail> {
    let measured = recording.stages.end_to_end_latency.count();
    let origin = TailOrigin {
        start,
        topics: &context.settings.topics,
    };
    Tail::new(&recording.slowest.sorted(), measured, origin)
}

/// Returns the share of store commands that waited for a connection, if it is significant.
fn pool_wait_share(checkouts: Checkouts) -> Option<f64> {
    checkouts
        .saturated()
        .then(|| checkouts.waited as f64 / checkouts.all as f64)
}
