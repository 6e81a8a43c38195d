//! A group of processes that share the partitions of topics, each with one owner at a time.
//!
//! ```text
//!  membership   who lives, who gets what          pure
//!  leases       beats and leases in the store
//!  session      one member: looks, takes, reads, gives up
//!  start        where the group begins, if not at its checkpoints
//! ```

pub mod consumer_process;
pub mod leases;
pub mod membership;
pub mod session;
pub mod reset;

#[cfg(test)]
mod tests;

pub use membership::Timing;
pub use session::{Done, Length, Participation, Session, Stint};
pub use reset::Start;
