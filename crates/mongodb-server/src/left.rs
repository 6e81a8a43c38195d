//! Whether the client of a running command is still there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells the queries of a connection that its client has left.
#[derive(Debug, Clone, Default)]
pub struct Left(Arc<AtomicBool>);

impl Left {
    /// The client has left.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns whether the client has left.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
