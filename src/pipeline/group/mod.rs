//! A process as a member of a Kafka consumer group. Each partition has one owner at a time.
//!
//! ```text
//!  membership        joins the group, sends heartbeats, commits offsets
//!  handle            what session and membership tell each other
//!  claiming          where the log of an assigned partition is to be read from
//!  claims            owners of checkpoints in the store
//!  session           one member: claims, reads, gives up
//!  worker            consumer and writer of one owned partition
//!  idle              whether there is nothing left to read
//!  reset             moves the checkpoints before the start
//!  consumer_process  `convoy consume`
//! ```

mod claiming;
mod claims;
mod consumer_process;
mod ending;
mod handle;
mod idle;
mod membership;
mod names;
mod participation;
mod reset;
mod session;
mod worker;

pub use consumer_process::{Consumed, ConsumerSettings, consume};
pub use ending::{Ending, Ownership, PartitionLag, SessionOutcome};
pub use participation::{Length, Participation, Start, Timing};

#[cfg(test)]
pub use {
    claims::{Claims, Place},
    reset::reset_checkpoints,
};
