//! The user's request to end early, and how long the rest of the run may take.

use tokio_util::sync::CancellationToken;

/// Steps of an early end. Each token is cancelled once, in this order.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    /// The user wants the run to end: nothing more is emitted or read.
    pub requested: CancellationToken,
    /// Readings on their way are no longer waited for.
    pub drain_over: CancellationToken,
    /// The audit is no longer waited for.
    pub audit_over: CancellationToken,
    /// Servers are no longer waited for.
    pub stop_over: CancellationToken,
}

impl Interrupt {
    /// Returns whether the user has asked for the end.
    pub fn is_requested(&self) -> bool {
        self.requested.is_cancelled()
    }
}
