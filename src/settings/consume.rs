//! Settings of `convoy consume`.

use convoy_server_kit::SecretUri;
use serde::Serialize;

use crate::pipeline::{OnError, Participation, Timeouts, TopicCreation};
use crate::settings::groups::{ReportSettings, WriterSettings};
use crate::settings::serialize::{bootstrap, creation, participation, registry, timeouts};
use crate::settings::servers::{ExternalBroker, ExternalRegistry, ServerOrigins};

/// Settings of `convoy consume`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConsumeSettings {
    /// Group whose members share the partitions.
    pub group: String,
    #[serde(flatten, serialize_with = "participation")]
    pub participation: Participation,
    #[serde(flatten, serialize_with = "timeouts")]
    pub timeouts: Timeouts,
    pub topics: Vec<String>,
    #[serde(flatten, serialize_with = "creation")]
    pub creation: TopicCreation,
    #[serde(flatten)]
    pub writer: WriterSettings,
    /// Whether objects such as `{"$date": …}` are read as the values that they stand for.
    pub extended_json: bool,
    /// What follows a record that cannot become a document.
    pub on_error: OnError,
    /// Dead letters that do not fail the process; `None` allows none.
    pub max_dead_letters: Option<u64>,
    #[serde(serialize_with = "bootstrap")]
    pub broker: ExternalBroker,
    pub store: SecretUri,
    #[serde(skip)]
    pub origins: ServerOrigins,
    /// Schema Registry with the schemas of records; `None` checks no record against its schema.
    #[serde(serialize_with = "registry")]
    pub registry: Option<ExternalRegistry>,
    #[serde(flatten)]
    pub report: ReportSettings,
}
