//! State machines that decide for producers, consumers and writers, pure and synchronous.
//!
//! Each gets events and the time as arguments and returns the next action. The tasks around them
//! perform it and report the result. So tests can run any order of events without a server:
//! `tests` runs thousands of them against a model that only counts.
//!
//! ```text
//!  producer ── Sending:   acknowledged? retry? split? dead letter? give up?
//!  writer ──── Writing:   wait, write dead letters, insert, move which checkpoint?
//!                ├ Batcher:  is a batch due?
//!                └ Prefix:   up to which offset is everything settled?
//!  all ─────── Attempts:  pause and retry, or give up?
//! ```
//!
//! Times are nanoseconds on the run's clock. A clock that steps back counts as stopped.

mod attempts;
pub mod batcher;
mod epochs;
mod prefix;
pub mod sending;
pub mod writing;

#[cfg(test)]
mod tests;

pub use attempts::Attempts;
pub use batcher::Batcher;
pub use epochs::Epochs;
pub use writing::Writing;
