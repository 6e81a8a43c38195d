//! Settings of `convoy simulate`.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::audit::Verdict;
use crate::faults::Plan;
use crate::pipeline::{Timeouts, TopicCreation};
use crate::report::{Summary, Threshold, ThresholdName};
use crate::settings::choices::{Backend, Sink};
use crate::settings::consumer::ConsumerSettings;
use crate::settings::groups::{PublishSettings, ReportSettings, WriterSettings};
use crate::settings::load::LoadSettings;
use crate::settings::serialize::{
    creation, optional_milliseconds, registry, seconds, text, timeouts,
};
use crate::settings::servers::{BrokerChoice, ExternalRegistry, ServerOrigins, StoreChoice};

/// Settings of `convoy simulate`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulateSettings {
    #[serde(flatten)]
    pub load: LoadSettings,
    #[serde(flatten, serialize_with = "timeouts")]
    pub timeouts: Timeouts,
    /// Name of the run; `None` makes one.
    pub run_id: Option<String>,
    /// Topic; `None` takes the name of the dataset's folder.
    pub topic: Option<String>,
    #[serde(flatten, serialize_with = "creation")]
    pub creation: TopicCreation,
    #[serde(flatten)]
    pub consumer: ConsumerSettings,
    /// Consumers that share the partitions; at most as many as partitions.
    pub consumers: u32,
    #[serde(flatten)]
    pub producer: PublishSettings,
    #[serde(flatten)]
    pub writer: WriterSettings,
    pub sink: Sink,
    /// Kind of servers that was asked for.
    pub backend: Backend,
    #[serde(serialize_with = "text")]
    pub broker: BrokerChoice,
    /// Port of the embedded broker; 0 uses a free port.
    pub broker_port: u16,
    #[serde(serialize_with = "text")]
    pub store: StoreChoice,
    /// Port of the embedded store; 0 uses a free port.
    pub store_port: u16,
    /// Image of the broker's container.
    pub redpanda_image: String,
    /// Image of the store's container.
    pub mongo_image: String,
    /// Timeout for a container to become ready.
    #[serde(rename = "start_timeout_s", serialize_with = "seconds")]
    pub start_timeout: Duration,
    /// Whether containers keep running after the run.
    pub keep: bool,
    /// Data directory of embedded servers; `None` is a temporary directory.
    pub data_dir: Option<PathBuf>,
    #[serde(skip)]
    pub origins: ServerOrigins,
    /// Existing Schema Registry.
    #[serde(serialize_with = "registry")]
    pub registry: Option<ExternalRegistry>,
    #[serde(flatten)]
    pub report: ReportSettings,
    /// End-to-end p99 above which the run fails.
    #[serde(
        rename = "max_end_to_end_p99_ms",
        serialize_with = "optional_milliseconds"
    )]
    pub max_end_to_end_p99: Option<Duration>,
    /// Throughput below which the run fails.
    #[serde(rename = "min_throughput_records_per_second")]
    pub min_throughput: Option<f64>,
    /// Dead letters above which the run fails; `None` fails at the first.
    pub max_dead_letters: Option<u64>,
    /// Faults to inject.
    pub faults: Option<Plan>,
}

impl SimulateSettings {
    /// Compares the results with every threshold.
    pub fn thresholds(&self, summary: &Summary, verdict: Option<&Verdict>) -> Vec<Threshold> {
        let p99 = self
            .max_end_to_end_p99
            .map(|limit| (ThresholdName::MaxEndToEndP99Us, limit.as_secs_f64() * 1e6));
        let throughput = self
            .min_throughput
            .map(|limit| (ThresholdName::MinThroughputRecordsPerSecond, limit));
        let dead_letters = self
            .max_dead_letters
            .map(|limit| (ThresholdName::MaxDeadLetters, limit as f64));
        [p99, throughput, dead_letters]
            .into_iter()
            .flatten()
            .map(|(name, limit)| name.check(limit, summary, verdict))
            .collect()
    }
}
