//! Injected faults: which faults happen in a run, and when. Pure.
//!
//! ```text
//!  --faults PLAN ─▶ parse ─▶ Plan ─┬▶ data: faults of readings           ─▶ pipeline
//!           chaos ─▶ draw ─▶       ├▶ scheduled: restarts, hangs, delays ─▶ host
//!                                  └▶ chances: cuts and rejected requests ─▶ host
//! ```
//!
//! A plan is displayed in the syntax in which it is parsed, so that a run with a drawn plan can be
//! repeated. The fault of a reading is a function of seed, vehicle and sequence alone, so that the
//! audit can compute it again.

mod chaos;
mod data;
mod kind;
mod parse;
mod plan;
mod reach;
#[cfg(test)]
mod tests;

pub use chaos::ChaosBounds;
pub use data::DataFaults;
pub use kind::{Chance, DataKind, Target};
pub use parse::{SpecError, begins_with_fault};
pub use plan::{Plan, Probability, Scheduled, Spec};
pub use reach::Reach;
