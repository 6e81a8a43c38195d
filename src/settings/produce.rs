//! Settings of `convoy produce`.

use serde::Serialize;

use crate::fleet::Shard;
use crate::pipeline::{Timeouts, TopicCreation};
use crate::settings::groups::{PublishSettings, ReportSettings};
use crate::settings::load::LoadSettings;
use crate::settings::serialize::{bootstrap, creation, registry, shard, timeouts};
use crate::settings::servers::{ExternalBroker, ExternalRegistry, ServerOrigins};

/// Settings of `convoy produce`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProduceSettings {
    #[serde(flatten)]
    pub load: LoadSettings,
    /// Part of the fleet to emit; `None` emits all of it.
    #[serde(serialize_with = "shard")]
    pub shard: Option<Shard>,
    /// Name of the run; `None` makes one.
    pub run_id: Option<String>,
    #[serde(flatten, serialize_with = "timeouts")]
    pub timeouts: Timeouts,
    /// Topic; `None` takes the name of the dataset's folder.
    pub topic: Option<String>,
    #[serde(flatten, serialize_with = "creation")]
    pub creation: TopicCreation,
    #[serde(flatten)]
    pub producer: PublishSettings,
    #[serde(serialize_with = "bootstrap")]
    pub broker: ExternalBroker,
    #[serde(skip)]
    pub origins: ServerOrigins,
    /// Schema Registry, if messages need one.
    #[serde(serialize_with = "registry")]
    pub registry: Option<ExternalRegistry>,
    #[serde(flatten)]
    pub report: ReportSettings,
}
