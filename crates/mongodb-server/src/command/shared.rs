//! State that all connections of a server share.

use std::sync::Arc;

use convoy_server_kit::clock::RunClock;
use tokio_util::sync::CancellationToken;

use crate::auth::Users;
use crate::command::counters::Counters;
use crate::command::cursors::Cursors;
use crate::engine::Engine;
use crate::faults::FaultPlan;

/// What all connections of a store share.
#[derive(Debug)]
pub struct Shared {
    /// The documents.
    pub engine: Arc<Engine>,
    /// Open cursors.
    pub cursors: Cursors,
    /// The time since the store started.
    pub clock: RunClock,
    /// Where the store listens, as `host:port`.
    pub address: String,
    /// How often what was asked for.
    pub counters: Counters,
    /// Cancelled when the store stops.
    pub stopping: CancellationToken,
    /// Who may use it.
    pub users: Users,
    /// What goes wrong on purpose.
    pub faults: Option<Arc<dyn FaultPlan>>,
}
