//! Settings that several commands share.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::broker::Compression;
use crate::settings::choices::{Encoding, Format};
use crate::settings::serialize::{milliseconds, seconds};

/// When requests to the broker fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TimeoutSettings {
    /// Timeout of one request, which is retried after it.
    #[serde(rename = "request_timeout_s", serialize_with = "seconds")]
    pub request: Duration,
    /// The command fails after the broker has not responded for this long.
    #[serde(rename = "broker_timeout_s", serialize_with = "seconds")]
    pub broker: Duration,
}

/// How convoy creates topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CreationSettings {
    /// Partitions of a new topic.
    pub partitions: u32,
    /// Whether an existing topic must have as many.
    #[serde(skip)]
    pub partitions_required: bool,
    /// Replicas of each partition of a new topic; -1 leaves the number to the broker.
    pub replication_factor: i16,
}

/// How the producer sends messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ProducerSettings {
    /// Time for which the producer collects a batch.
    #[serde(rename = "linger_ms", serialize_with = "milliseconds")]
    pub linger: Duration,
    pub compression: Compression,
    pub encoding: Encoding,
}

/// How the consumers write documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WriterSettings {
    /// Maximum number of documents per insert.
    pub batch_records: u32,
    /// Time for which a consumer collects documents for an insert.
    #[serde(rename = "batch_wait_ms", serialize_with = "milliseconds")]
    pub batch_wait: Duration,
    pub database: String,
    pub collection: String,
    /// The command fails after the store has not responded for this long.
    #[serde(rename = "store_timeout_s", serialize_with = "seconds")]
    pub store_timeout: Duration,
    /// Time to store the remaining records at the end.
    #[serde(rename = "drain_timeout_s", serialize_with = "seconds")]
    pub drain_timeout: Duration,
}

/// Where the report goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportSettings {
    /// Directory for results; each run gets a directory in it.
    pub output: PathBuf,
    pub format: Format,
}
