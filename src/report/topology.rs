//! Broker, store and topics that the records passed through.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Meaning of an acknowledgement of the broker and of the store, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durability {
    /// Acks and fsync mode of the broker.
    pub broker: String,
    /// Write concern and journal mode of the store; empty without a store.
    pub store: String,
}

/// Kind of a broker or a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendKind {
    /// A server in this process.
    Embedded,
    /// A container that convoy started.
    Container,
    /// An existing server.
    External,
    /// No server: the process did not use one.
    None,
}

impl fmt::Display for BackendKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Embedded => "embedded",
            Self::Container => "container",
            Self::External => "external",
            Self::None => "none",
        })
    }
}

/// Broker, store and topics of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// Kind of broker.
    pub broker: BackendKind,
    /// Kind of store.
    pub store: BackendKind,
    /// Address of the broker; `None` without a broker, and in older reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_address: Option<String>,
    /// Option or variable that chose the broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_origin: Option<String>,
    /// Address of the store without credentials; `None` without a store, and in older reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_address: Option<String>,
    /// Option or variable that chose the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_origin: Option<String>,
    /// Topics, one per topic folder of the dataset.
    pub topics: Vec<String>,
    /// Partitions of each topic; of the largest one if they differ.
    pub partitions: u32,
    /// Consumers that shared the partitions.
    pub consumers: u32,
    /// Database of the documents.
    pub database: String,
    /// Collection of the documents.
    pub collection: String,
    /// Key of the messages.
    pub key: String,
    /// Whether TLS encrypted every connection to an existing broker or store; false without one.
    pub tls: bool,
}

impl Topology {
    /// Returns whether broker or store ran in the process that produced the load, so that the run
    /// tested this pipeline and not an independent server.
    pub fn pipeline_self_test(&self) -> bool {
        [self.broker, self.store].contains(&BackendKind::Embedded)
    }
}
