//! A group of processes that share the partitions of topics. Each partition has one owner at a time.
//!
//! ```text
//!  membership        who is alive, who gets which partition      pure
//!  claiming          a lease, and where its log is to be read from
//!  leases            heartbeats and leases in the store
//!  session           one member: observes, claims, reads, gives up
//!  reset             moves the checkpoints before the start
//!  consumer_process  `convoy consume`
//! ```

mod claiming;
mod consumer_process;
mod ending;
mod leases;
mod membership;
mod participation;
mod reset;
mod session;

#[cfg(test)]
mod tests;

pub use consumer_process::{Consumed, ConsumerSettings, consume};
pub use ending::{Ending, Ownership, PartitionLag, SessionOutcome};
pub use membership::Timing;
pub use participation::{Length, Participation, Start};

#[cfg(test)]
pub use {leases::Leases, reset::reset_checkpoints};
