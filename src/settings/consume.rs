//! Settings of `convoy consume`.

use std::time::Duration;

use convoy_server_kit::SecretUri;
use serde::Serialize;

use crate::pipeline::group::Start;
use crate::settings::groups::{CreationSettings, ReportSettings, TimeoutSettings, WriterSettings};
use crate::settings::serialize::{bootstrap, optional_seconds, registry, seconds};
use crate::settings::servers::{ExternalBroker, ExternalRegistry};

/// Settings of `convoy consume`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConsumeSettings {
    /// Group whose members share the partitions.
    pub group: String,
    /// Where the group starts to read.
    pub from: Start,
    /// Interval between two heartbeats.
    #[serde(rename = "beat_s", serialize_with = "seconds")]
    pub beat: Duration,
    /// A member without a heartbeat for this long is evicted.
    #[serde(rename = "dead_after_s", serialize_with = "seconds")]
    pub dead_after: Duration,
    /// Stop after this long; `None` consumes until interrupted.
    #[serde(rename = "duration_s", serialize_with = "optional_seconds")]
    pub duration: Option<Duration>,
    /// Stop after this many records.
    pub records: Option<u64>,
    /// Stop after receiving nothing for this long.
    #[serde(rename = "idle_s", serialize_with = "optional_seconds")]
    pub idle: Option<Duration>,
    #[serde(flatten)]
    pub timeouts: TimeoutSettings,
    /// Whether to retry dead letters first.
    pub replay_dead_letters: bool,
    pub topics: Vec<String>,
    #[serde(flatten)]
    pub creation: CreationSettings,
    #[serde(flatten)]
    pub writer: WriterSettings,
    #[serde(serialize_with = "bootstrap")]
    pub broker: ExternalBroker,
    pub store: SecretUri,
    /// Schema Registry with the schemas of records; `None` checks no record against its schema.
    #[serde(serialize_with = "registry")]
    pub registry: Option<ExternalRegistry>,
    #[serde(flatten)]
    pub report: ReportSettings,
}
