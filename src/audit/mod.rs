//! Ledger and verdict: what was emitted against what is in the store. Pure.

pub mod first_pass;
pub mod ledger;
pub mod tally;
pub mod verdict;

#[cfg(test)]
mod tests;

pub use first_pass::{Examination, Expected, Inquest, Scope};
pub use ledger::Ledger;
pub use tally::{Tally, fingerprint};
pub use verdict::{FaultAccount, LabelCount, Verdict};
