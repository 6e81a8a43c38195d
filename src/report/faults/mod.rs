//! Injected faults of a run, their effect, and whether every invariant held.
//!
//! Measurements of a run with this section do not compare with those of a normal run.

mod effect;
mod invariant;

use serde::{Deserialize, Serialize};

use crate::audit::FaultAccount;

pub use effect::{Effect, Sample, Window};
pub use invariant::{Evidence, Invariant};

/// Injected faults of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Faults {
    /// Fault plan in the syntax of `--faults`.
    pub plan: String,
    /// Command that repeats the run with the same faults.
    pub replay: String,
    /// Faults in readings, by kind, with their outcome.
    pub data: Vec<FaultAccount>,
    /// Faults in requests, by kind.
    pub requests: Vec<RequestFault>,
    /// Faults of servers, in chronological order.
    pub events: Vec<Event>,
    /// Planned faults after the end of the run.
    pub not_reached: Vec<String>,
    /// Guarantees, and whether they held.
    pub invariants: Vec<Invariant>,
}

/// A fault that was injected into requests with a probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestFault {
    /// Name of the fault.
    pub kind: String,
    /// Probability per request, 0 to 1.
    pub probability: f64,
    /// Number of requests with the fault.
    pub count: u64,
}

/// A fault of a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Name of the fault.
    pub kind: String,
    /// Start, seconds after the first reading's instant.
    pub at_s: f64,
    /// Duration in seconds.
    pub duration_s: f64,
    /// Outcome at the server, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Effect on the run; `None` if nothing was measured before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
}
