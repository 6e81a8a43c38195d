//! Faults of servers that were injected, for a display of the run.

use std::sync::{Mutex, PoisonError};

/// A fault of a server.
#[derive(Debug, Clone, PartialEq)]
pub struct InjectedFault {
    /// Name of the fault.
    pub kind: String,
    /// Start, in seconds after the begin of the emission.
    pub at_s: f64,
    /// Duration in seconds.
    pub duration_s: f64,
}

/// Faults of servers so far.
#[derive(Debug, Default)]
pub struct InjectedFaults(Mutex<Vec<InjectedFault>>);

impl InjectedFaults {
    /// Adds a fault.
    pub fn add(&self, fault: InjectedFault) {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.push(fault);
    }

    /// Returns the faults so far.
    pub fn all(&self) -> Vec<InjectedFault> {
        let faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.clone()
    }
}
