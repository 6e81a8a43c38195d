//! Which of several settings is best: combinations, their repeats in random order, and those that no
//! other one beats.
//!
//! Pure. The commands make the trials.

mod order;
mod pareto;
mod text;

pub use order::{combinations, shuffled};
pub use pareto::{Answer, Candidate, Choice, Objective, Value, answer};
pub use text::{flags, write as write_text};
