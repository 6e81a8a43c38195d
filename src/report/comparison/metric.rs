//! Metrics of a run that a comparison takes from its report.

use crate::measure::{Bounds, StageSummary};
use crate::report::value::Report;
use crate::string_enum::string_enum;
use crate::text::quantity;

string_enum! {
    /// A metric of one run.
    Metric {
        /// Records stored per second.
        Throughput = "throughput",
        /// Median of the end-to-end latency.
        EndToEndP50 = "end_to_end_latency_p50",
        /// 99th percentile of the end-to-end latency.
        EndToEndP99 = "end_to_end_latency_p99",
        /// CPU time of all roles of this process per stored record.
        CpuPerRecord = "cpu_per_record",
        /// Mean of the end-to-end latency.
        EndToEndMean = "end_to_end_latency_mean",
        /// Largest end-to-end latency.
        EndToEndMax = "end_to_end_latency_max",
        /// 99th percentile of the publish delay.
        PublishDelayP99 = "publish_delay_p99",
        /// Median of the publish latency.
        PublishP50 = "publish_latency_p50",
        /// 99th percentile of the publish latency.
        PublishP99 = "publish_latency_p99",
        /// Median of the fetch latency.
        FetchP50 = "fetch_latency_p50",
        /// 99th percentile of the fetch latency.
        FetchP99 = "fetch_latency_p99",
        /// Median of the store latency.
        StoreP50 = "store_latency_p50",
        /// 99th percentile of the store latency.
        StoreP99 = "store_latency_p99",
        /// Peak resident memory of the process.
        PeakMemory = "peak_resident_memory",
    }
}

impl Metric {
    /// Metrics that are judged. Few, because each further one makes a false alarm likelier.
    pub const JUDGED: [Self; 4] = [
        Self::Throughput,
        Self::EndToEndP50,
        Self::EndToEndP99,
        Self::CpuPerRecord,
    ];

    /// Metrics that are shown only.
    pub const SHOWN: [Self; 10] = [
        Self::EndToEndMean,
        Self::EndToEndMax,
        Self::PublishDelayP99,
        Self::PublishP50,
        Self::PublishP99,
        Self::FetchP50,
        Self::FetchP99,
        Self::StoreP50,
        Self::StoreP99,
        Self::PeakMemory,
    ];

    /// Returns its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::EndToEndP50 => "end-to-end p50",
            Self::EndToEndP99 => "end-to-end p99",
            Self::CpuPerRecord => "CPU per record",
            Self::EndToEndMean => "end-to-end mean",
            Self::EndToEndMax => "end-to-end max",
            Self::PublishDelayP99 => "publish delay p99",
            Self::PublishP50 => "publish latency p50",
            Self::PublishP99 => "publish latency p99",
            Self::FetchP50 => "fetch latency p50",
            Self::FetchP99 => "fetch latency p99",
            Self::StoreP50 => "store latency p50",
            Self::StoreP99 => "store latency p99",
            Self::PeakMemory => "peak memory",
        }
    }

    /// Returns whether more of it is better.
    pub fn more_is_better(self) -> bool {
        self == Self::Throughput
    }

    /// Returns its unit, which ends its key in other tools.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Throughput => "records_per_second",
            Self::PeakMemory => "bytes",
            _ => "us",
        }
    }

    /// Returns the value of a run; `None` if it was not measured or means nothing.
    pub fn value(self, report: &Report) -> Option<f64> {
        let summary = &report.summary;
        let value = match self {
            Self::Throughput => summary.throughput_records_per_second,
            Self::CpuPerRecord => report.cpu.total_us(),
            Self::PeakMemory => summary.peak_resident_bytes.map(|bytes| bytes as f64),
            _ if report.unlimited_rate() => None,
            _ => self.latency(report).map(|us| us as f64),
        };
        // Ratios need numbers above 0.
        value.filter(|value| value.is_finite() && *value > 0.0)
    }

    /// Returns the bounds of the value within the run.
    pub fn bounds(self, report: &Report) -> Option<Bounds> {
        let bounds = &self.stage(report)?.bounds;
        match self {
            Self::EndToEndP50 | Self::PublishP50 | Self::FetchP50 | Self::StoreP50 => bounds.p50,
            Self::EndToEndMean | Self::EndToEndMax => None,
            _ => bounds.p99,
        }
    }

    fn latency(self, report: &Report) -> Option<u64> {
        let stage = self.stage(report)?;
        match self {
            Self::EndToEndP50 | Self::PublishP50 | Self::FetchP50 | Self::StoreP50 => stage.p50_us,
            Self::EndToEndMean => stage.mean_us,
            Self::EndToEndMax => stage.max_us,
            _ => stage.p99_us,
        }
    }

    fn stage(self, report: &Report) -> Option<&StageSummary> {
        let stages = &report.summary.stages;
        match self {
            Self::EndToEndP50 | Self::EndToEndP99 | Self::EndToEndMean | Self::EndToEndMax => {
                Some(&stages.end_to_end_latency)
            }
            Self::PublishDelayP99 => Some(&stages.publish_delay),
            Self::PublishP50 | Self::PublishP99 => Some(&stages.publish_latency),
            Self::FetchP50 | Self::FetchP99 => Some(&stages.fetch_latency),
            Self::StoreP50 | Self::StoreP99 => Some(&stages.store_latency),
            Self::Throughput | Self::CpuPerRecord | Self::PeakMemory => None,
        }
    }

    /// Formats a value with its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Throughput => format!("{}/s", quantity::rate(value)),
            Self::PeakMemory => quantity::bytes(value),
            Self::CpuPerRecord if value < 1_000.0 => {
                format!("{} µs", quantity::significant(value))
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "microseconds, above 0"
            )]
            _ => quantity::duration(value.round() as u64),
        }
    }
}

/// Returns which roles the CPU time of a run includes.
pub fn cpu_roles(report: &Report) -> Vec<&'static str> {
    let cpu = &report.cpu;
    let roles = [
        ("generator", cpu.generator_us),
        ("producer", cpu.producer_us),
        ("consumer", cpu.consumer_us),
        ("broker", cpu.broker_us),
        ("store", cpu.store_us),
    ];
    let known = roles.into_iter().filter(|(_, us)| us.is_some());
    known.map(|(name, _)| name).collect()
}
