//! Settings that several commands share.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::broker::Compression;
use crate::pipeline::{OnError, StorageSettings};
use crate::settings::choices::{Encoding, Format};
use crate::settings::serialize::{milliseconds, seconds};

/// How the producer sends messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PublishSettings {
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

impl WriterSettings {
    /// Returns the settings of a pipeline with this many connections to the store.
    pub fn storage(&self, group: Option<String>, connections: usize) -> StorageSettings {
        StorageSettings {
            group,
            database: self.database.clone(),
            collection: self.collection.clone(),
            connections,
            batch_records: self.batch_records as usize,
            batch_wait: self.batch_wait,
            drain_timeout: self.drain_timeout,
            store_timeout: self.store_timeout,
            extended_json: false,
            on_error: OnError::DeadLetter,
        }
    }
}

/// Directory and forms of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportSettings {
    /// Directory for results; each run gets a directory in it.
    pub output: PathBuf,
    pub format: Format,
    /// File for the outcome as JUnit XML.
    pub junit: Option<PathBuf>,
    /// File for the events of the run.
    pub events: Option<PathBuf>,
    /// File to which a CI system wants a summary in Markdown.
    #[serde(skip)]
    pub step_summary: Option<PathBuf>,
}
