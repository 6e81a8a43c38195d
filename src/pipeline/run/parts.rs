//! What a run is made of: settings, servers and runtimes.

use std::sync::Arc;

use convoy_server_kit::SecretUri;
use tokio::runtime::Handle;

use crate::broker::Endpoint;
use crate::pipeline::settings::{EmissionSettings, StorageSettings};
use crate::registry::Client;

/// The servers of a run.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// Broker.
    pub broker: Endpoint,
    /// Schema Registry; without one, messages are plain JSON.
    pub registry: Option<Client>,
    /// Store.
    pub store: SecretUri,
}

/// Runtimes of the roles. They are separate so that the CPU time of each can be measured.
#[derive(Debug, Clone)]
pub struct Roles {
    /// Producers and their connections.
    pub producer: Handle,
    /// Consumers, writers and their connections.
    pub consumer: Handle,
}

/// What a simulation emits and stores.
#[derive(Debug, Clone)]
pub struct SimulationSettings {
    /// Fleet, workload and messages.
    pub emission: Arc<EmissionSettings>,
    /// Collections and inserts.
    pub storage: Arc<StorageSettings>,
    /// Whether an injected fault may truncate the broker's log.
    pub log_may_be_lost: bool,
}

/// What a producer process emits, and to where.
#[derive(Debug, Clone)]
pub struct ProducerSettings {
    /// Fleet, workload and messages.
    pub emission: Arc<EmissionSettings>,
    /// Broker.
    pub broker: Endpoint,
    /// Schema Registry; without one, messages are plain JSON.
    pub registry: Option<Client>,
}
