//! Faults on purpose: what is to go wrong in a run, and when. Pure.
//!
//! ```text
//!  --faults SPEC ─▶ parse ─▶ Plan ─┬▶ data: which readings are spoilt    ─▶ pipeline
//!           chaos ─▶ draw ─▶       ├▶ scheduled: restarts, hangs, delays ─▶ command
//!                                  └▶ chances: cuts and refusals         ─▶ command
//! ```
//!
//! A plan is written as it is read, so that a drawn one can be repeated. What happens to a reading
//! is a function of seed, vehicle and sequence alone, so that the audit can tell it again.

pub mod chaos;
pub mod data;
pub mod kind;
mod parse;
pub mod plan;
pub mod reach;
#[cfg(test)]
mod tests;

pub use data::DataFaults;
pub use kind::{Chance, DataKind, Target};
pub use parse::SpecError;
pub use plan::{Plan, Probability, Scheduled, Spec};
pub use reach::Reach;
