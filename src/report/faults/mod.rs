//! What went wrong on purpose in a run, what it did to it, and whether every promise held.
//!
//! A report with this section is no measure of the pipeline; it shows how the pipeline bears it.

pub mod effect;
pub mod invariant;

use serde::{Deserialize, Serialize};

use crate::audit::FaultAccount;

pub use effect::{Effect, Sample};
pub use invariant::{Invariant, Told};

/// Everything that went wrong on purpose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Faults {
    /// The plan, as `--faults` takes it.
    pub plan: String,
    /// The command that repeats it.
    pub replay: String,
    /// What was done to readings, each kind with what became of it.
    pub data: Vec<FaultAccount>,
    /// What was done to requests, by kind.
    pub requests: Vec<RequestFault>,
    /// What was done to servers, in the order in which it happened.
    pub events: Vec<Event>,
    /// What was planned and did not happen, because the run had ended.
    pub not_reached: Vec<String>,
    /// What is promised, and whether it held.
    pub invariants: Vec<Invariant>,
}

/// Something that was done to requests at a probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestFault {
    /// Its name.
    pub kind: String,
    /// To which share of requests it was to be done, 0 to 1.
    pub probability: f64,
    /// To how many it was done.
    pub count: u64,
}

/// Something that was done to a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its name.
    pub kind: String,
    /// When it began, seconds after the first reading's instant.
    pub at_s: f64,
    /// How long it took.
    pub duration_s: f64,
    /// What came of it at the server, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What it did to the run; absent where nothing was measured before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
}
