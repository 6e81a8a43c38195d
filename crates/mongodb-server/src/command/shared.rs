//! State that all connections of a server share.

use std::net::SocketAddr;
use std::sync::Arc;

use convoy_server_kit::scram::CredentialStore;
use convoy_server_kit::{Attempts, RunClock};
use tokio_util::sync::CancellationToken;

use crate::command::counters::Counters;
use crate::command::cursors::Cursors;
use crate::command::parameter_values::Parameters;
use crate::command::running::Operations;
use crate::engine::Engine;
use crate::faults::FaultPlan;

/// State that all connections of a server share.
#[derive(Debug)]
pub struct Shared {
    /// The documents.
    pub engine: Arc<Engine>,
    /// Commands that run.
    pub operations: Operations,
    /// Open cursors.
    pub cursors: Cursors,
    /// Time since the server started.
    pub clock: RunClock,
    /// The address that the server listens on.
    pub address: SocketAddr,
    /// The name of the replica set, if the server is one.
    pub replica_set: Option<String>,
    /// Counters of commands and connections.
    pub counters: Counters,
    /// Cancelled when the server stops; commands then end early.
    pub stopping: CancellationToken,
    /// Cancelled when the server crashes; connections are then cut.
    pub crashed: CancellationToken,
    /// Users that may log in; without any, every client may do everything.
    pub credentials: CredentialStore,
    /// Logins that failed lately.
    pub attempts: Attempts,
    /// Parameters that clients set.
    pub parameters: Parameters,
    /// What goes wrong on purpose.
    pub faults: Option<Arc<FaultPlan>>,
}
