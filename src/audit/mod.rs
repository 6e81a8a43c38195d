//! Ledger and verdict: what was emitted against what is in the store. Pure.

pub mod verdict;

pub use verdict::Verdict;
