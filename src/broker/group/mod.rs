//! A member of a Kafka consumer group.
//!
//! ```text
//!  protocol      what members tell each other: subscriptions and assignments as bytes
//!  assignment    which member gets which partition: cooperative, sticky                pure
//!  requests      requests to the coordinator, and the responses
//!  coordinator   the connection to the group's coordinator
//!  member        joins, sends heartbeats, commits, leaves
//!  offsets       offsets and members of a group, also for a client that is no member
//! ```
//!
//! Each call is one attempt. [`Error::remedy`](crate::broker::Error::remedy) says how to go on after
//! an error.
//!
//! # References
//!
//! - KIP-62 (rebalance timeout), KIP-345 (static members), KIP-394 (member id required)
//! - KIP-429 (cooperative rebalancing), KIP-792 (generation in subscriptions)

mod assignment;
mod coordinator;
mod identity;
mod member;
mod offsets;
mod protocol;
mod requests;
#[cfg(test)]
mod tests;

pub use coordinator::Coordinator;
pub use member::{GroupMember, Joined, LOWEST_SESSION_TIMEOUT, MemberSettings};
pub use offsets::{Committed, GroupDescription, MemberDescription, Offsets};
pub use protocol::Partitions;
