//! Resolved settings of a process, in parts. A process has only the parts that apply to it:
//!
//! ```text
//!                     simulate   produce   consume
//!  Settings              x          x         x
//!  EmissionSettings      x          x
//!  StorageSettings       x                    x
//!  Participation                              x
//! ```

use std::sync::Arc;
use std::time::Duration;

use crate::broker::Compression;
use crate::faults::DataFaults;
use crate::fleet::{self, Key};
use crate::pipeline::emit::Workload;
use crate::string_enum::string_enum;

/// Settings of every process.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Id of the run; of a consumer, its member id in the group.
    pub run_id: String,
    /// Topics, one per dataset.
    pub topics: Vec<String>,
    /// How missing topics are created.
    pub creation: TopicCreation,
    /// Timeouts of the broker.
    pub timeouts: Timeouts,
}

/// How topics are created that do not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicCreation {
    /// Partitions of each topic.
    pub partitions: u32,
    /// Whether existing topics must have this number of partitions.
    pub partitions_required: bool,
    /// Replicas of each partition; -1 is the broker's default.
    pub replication_factor: i16,
}

/// Timeouts of requests, and of an interrupted process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Timeout of one request to the broker or the store.
    pub request: Duration,
    /// How long requests to the broker are retried.
    pub broker: Duration,
    /// How long an interrupted process may take to end in order.
    pub interrupt: Duration,
}

/// What a process emits, and how.
#[derive(Debug, Clone)]
pub struct EmissionSettings {
    /// Fleet and schedule.
    pub fleet: fleet::Settings,
    /// Rows of all topics.
    pub workload: Arc<Workload>,
    /// Key of each message.
    pub key: Key,
    /// Compression of record batches.
    pub compression: Compression,
    /// How long a batch waits for more messages.
    pub linger: Duration,
    /// Injected faults of readings.
    pub data_faults: Option<DataFaults>,
}

/// Where and how a process stores documents.
#[derive(Debug, Clone)]
pub struct StorageSettings {
    /// Group whose members share the partitions; `None` if one run reads all of them.
    pub group: Option<String>,
    /// Database of all collections.
    pub database: String,
    /// Collection of the documents.
    pub collection: String,
    /// Connections for writers. A run has one writer per connection.
    pub connections: usize,
    /// Maximum documents per insert.
    pub batch_records: usize,
    /// How long an insert waits for more documents.
    pub batch_wait: Duration,
    /// How long to wait at the end until everything is stored.
    pub drain_timeout: Duration,
    /// How long commands to the store are retried.
    pub store_timeout: Duration,
    /// Whether a group reads objects such as `{"$date": …}` as the values that they stand for.
    pub extended_json: bool,
    /// What follows a record that cannot become a document.
    pub on_error: OnError,
}

string_enum! {
    /// What follows a record that cannot become a document.
    OnError {
        /// It becomes a dead letter.
        DeadLetter = "dead-letter",
        /// The consumer stops before it.
        Stop = "stop",
    }
}

impl StorageSettings {
    /// Returns the collection of dead letters.
    pub fn dead_letter_collection(&self) -> String {
        dead_letter_collection(&self.collection)
    }

    /// Returns the collection of checkpoints.
    pub fn checkpoint_collection(&self) -> String {
        format!("{}_checkpoints", self.collection)
    }

    /// Returns the name that prefixes the ids of checkpoints: the group's, or the run's.
    pub fn checkpoint_owner<'a>(&'a self, settings: &'a Settings) -> &'a str {
        self.group.as_deref().unwrap_or(&settings.run_id)
    }
}

/// Returns the collection of the dead letters of a collection.
pub fn dead_letter_collection(collection: &str) -> String {
    format!("{collection}_dead_letters")
}
