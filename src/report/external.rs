//! Report section of a run whose consumer was another program.

use serde::{Deserialize, Serialize};

use crate::audit::{ChangedDocument, MissingReadings, ReorderedVehicle};

/// What an external consumer was, and what its collection had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct External {
    /// Its command without secrets; `None` if the user ran it.
    pub command: Option<String>,
    /// Number of times that convoy started the command.
    pub starts: u64,
    /// How the command ended, each time.
    pub exits: Vec<ConsumerExit>,
    /// File with the output of the command.
    pub log: Option<String>,
    /// Why the run no longer waited for it: `all_present`, `quiet` or `interrupted`.
    pub settled: String,
    /// Documents that name the run.
    pub documents: u64,
    /// Documents in the collection that do not name the run.
    pub other_documents: u64,
    /// Why one of them has no identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unnamed: Option<String>,
    /// Other collections with documents of the run, if this one has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<String>,
    /// Whether a consumer has read the topic; `None` if the broker is not embedded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_read: Option<bool>,
    /// Whether the end-to-end latency is known: only an embedded store tells when a document is durable.
    pub latency_measured: bool,
    /// Whether the order of each vehicle's readings was judged: the broker keeps it only with vehicles
    /// as keys.
    pub order_judged: bool,
    /// Records that the topic has more than once, because the producer resent them; `None` if unknown.
    pub appended_again: Option<u64>,
    /// Records that the consumer's group had not committed in the end: the one in `CONVOY_GROUP`, or the
    /// only other one that committed. `None` if there was none, or if the broker is not embedded.
    #[serde(default)]
    pub uncommitted: Option<u64>,
    /// The first readings without a document.
    pub missing: Vec<MissingReadings>,
    /// The vehicles with the most readings out of order.
    #[serde(default)]
    pub reordered: Vec<ReorderedVehicle>,
    /// The first documents that differ from their reading.
    pub changed: Vec<ChangedDocument>,
}

/// The end of a consumer's command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConsumerExit {
    /// Seconds after the start of convoy.
    pub at_s: f64,
    /// How it ended, such as `exit code 1` or `signal 9`.
    pub status: String,
    /// Last line of its output, if it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_line: Option<String>,
    /// Why it ended.
    pub cause: ExitCause,
}

/// Why a consumer's command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitCause {
    /// By itself.
    Itself,
    /// An injected fault ended it.
    Fault,
    /// convoy stopped it after the run.
    Stopped,
}
