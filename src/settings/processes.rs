//! What the commands are told that run one half of the pipeline, or join what halves report.

use std::path::PathBuf;
use std::time::Duration;

use convoy_server_kit::SecretUri;
use serde::{Serialize, Serializer};

use crate::broker::Compression;
use crate::fleet::Shard;
use crate::pipeline::Start;
use crate::settings::{
    Encoding, ExternalBroker, ExternalRegistry, Format, LoadSettings, milliseconds, registry,
    seconds, text,
};

/// What `convoy produce` is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProduceSettings {
    /// What the fleet emits.
    #[serde(flatten)]
    pub load: LoadSettings,
    /// Part of the fleet to emit; none is all of it.
    #[serde(serialize_with = "shard")]
    pub shard: Option<Shard>,
    /// Name of the run; none makes one.
    pub run_id: Option<String>,
    /// How long one request may take until it counts as unanswered.
    #[serde(rename = "request_timeout_s", serialize_with = "seconds")]
    pub request_timeout: Duration,
    /// How long the broker may fail to answer before the process gives up.
    #[serde(rename = "broker_timeout_s", serialize_with = "seconds")]
    pub broker_timeout: Duration,
    /// Topic; none takes the name of the folder of the dataset.
    pub topic: Option<String>,
    /// How topics are made.
    #[serde(flatten)]
    pub creation: CreationSettings,
    /// How long the producer gathers a batch.
    #[serde(rename = "linger_ms", serialize_with = "milliseconds")]
    pub linger: Duration,
    /// How the producer compresses batches.
    pub compression: Compression,
    /// What a message's value looks like.
    pub encoding: Encoding,
    /// Broker.
    #[serde(serialize_with = "bootstrap")]
    pub broker: ExternalBroker,
    /// Schema Registry, where messages need one.
    #[serde(serialize_with = "registry")]
    pub registry: Option<ExternalRegistry>,
    /// Where the run's directory is made.
    pub output: PathBuf,
    /// What the report on stdout looks like.
    pub format: Format,
}

/// What `convoy consume` is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConsumeSettings {
    /// Group whose members share the partitions.
    pub group: String,
    /// Where the group begins to read.
    pub from: Start,
    /// Between two signs of life.
    #[serde(rename = "beat_s", serialize_with = "seconds")]
    pub beat: Duration,
    /// A member without a sign of life for so long is dead.
    #[serde(rename = "dead_after_s", serialize_with = "seconds")]
    pub dead_after: Duration,
    /// How long to consume; none is until interrupted.
    #[serde(rename = "duration_s", serialize_with = "optional_seconds")]
    pub duration: Option<Duration>,
    /// Records after which to end.
    pub records: Option<u64>,
    /// How long nothing may come until the end.
    #[serde(rename = "idle_s", serialize_with = "optional_seconds")]
    pub idle: Option<Duration>,
    /// How long storing what was read may take at the end.
    #[serde(rename = "drain_timeout_s", serialize_with = "seconds")]
    pub drain_timeout: Duration,
    /// How long one request may take until it counts as unanswered.
    #[serde(rename = "request_timeout_s", serialize_with = "seconds")]
    pub request_timeout: Duration,
    /// How long the broker may fail to answer before the process gives up.
    #[serde(rename = "broker_timeout_s", serialize_with = "seconds")]
    pub broker_timeout: Duration,
    /// How long the store may fail to answer before the process gives up.
    #[serde(rename = "store_timeout_s", serialize_with = "seconds")]
    pub store_timeout: Duration,
    /// Whether dead letters are tried again first.
    pub replay_dead_letters: bool,
    /// Topics to read.
    pub topics: Vec<String>,
    /// How topics are made.
    #[serde(flatten)]
    pub creation: CreationSettings,
    /// Most documents of one insert.
    pub batch_records: u32,
    /// How long the writer gathers an insert.
    #[serde(rename = "batch_wait_ms", serialize_with = "milliseconds")]
    pub batch_wait: Duration,
    /// Database to write to.
    pub database: String,
    /// Collection to write to.
    pub collection: String,
    /// Broker.
    #[serde(serialize_with = "bootstrap")]
    pub broker: ExternalBroker,
    /// Store.
    pub store: SecretUri,
    /// Schema Registry of the schemas that records name; without one they are not checked.
    #[serde(serialize_with = "registry")]
    pub registry: Option<ExternalRegistry>,
    /// Where the process's directory is made.
    pub output: PathBuf,
    /// What the report on stdout looks like.
    pub format: Format,
}

/// How topics are made that do not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CreationSettings {
    /// Partitions of a topic that is created.
    pub partitions: u32,
    /// Whether an existing topic must have as many.
    #[serde(skip)]
    pub partitions_required: bool,
    /// Replicas of each partition; -1 leaves it to the broker.
    pub replication_factor: i16,
}

/// What `convoy report merge` is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MergeSettings {
    /// Reports, or directories with one each.
    pub reports: Vec<PathBuf>,
    /// Store to audit; none makes no audit.
    pub store: Option<SecretUri>,
    /// Database of the documents; none is what the consumers' reports say.
    pub database: Option<String>,
    /// Collection of the documents; none is what the consumers' reports say.
    pub collection: Option<String>,
    /// Rows that were emitted; none is what the producers' reports say.
    pub dataset: Option<PathBuf>,
    /// Where the joined report's directory is made.
    pub output: PathBuf,
    /// What the report on stdout looks like.
    pub format: Format,
}

/// What `convoy report show` is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowSettings {
    /// A report, or a directory with one.
    pub report: PathBuf,
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn shard<S: Serializer>(shard: &Option<Shard>, serializer: S) -> Result<S::Ok, S::Error> {
    match shard {
        Some(shard) => text(shard, serializer),
        None => serializer.serialize_none(),
    }
}

fn bootstrap<S: Serializer>(broker: &ExternalBroker, serializer: S) -> Result<S::Ok, S::Error> {
    text(&broker.bootstrap.join(","), serializer)
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn optional_seconds<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration
        .map(|duration| duration.as_secs_f64())
        .serialize(serializer)
}
