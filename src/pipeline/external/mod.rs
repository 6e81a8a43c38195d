//! A run whose consumer is another program: prepare ─▶ load ─▶ settle ─▶ audit of its collection.
//!
//! ```text
//!  emit ─▶ broker ─▶ the other program ─▶ store ─▶ Arrivals (embedded store: each durable document)
//!                                           └────▶ audit: the collection against the readings
//! ```
//!
//! Readings carry their identity in the payload, so that the audit finds it in documents of any shape.

mod arrivals;
mod audit;
mod holding;
mod load;
mod seen;
mod settling;

pub use arrivals::Arrivals;
pub use audit::Collected;
pub use holding::{ConsumerProcess, ProcessState};
pub use load::{ExternalRun, ExternalSettings, Loaded};
pub use settling::Settled;

/// Returns the name for the consumer's group, which no other run has.
pub fn group_name(run_id: &str) -> String {
    format!("convoy-{run_id}")
}
