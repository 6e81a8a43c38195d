//! The membership of one group as a state machine, without clock, sockets or waiting.
//!
//! ```text
//!           join                 all joined, or late ones dropped        leader's assignment
//!  Empty ─────────▶ Preparing ───────────────────────────▶ Completing ───────────────▶ Stable
//!    ▲                 ▲  │ no members                        │ join, leave, expiry     │
//!    └─────────────────┼──┘                                    │                        │
//!                      └───────────────────────────────────────┴────────────────────────┘
//! ```
//!
//! A request that has to wait leaves a [`Ticket`](crate::group::answer::Ticket). After each call,
//! [`Membership::take_answers`] returns the answers to tickets.
//!
//! # References
//!
//! - <https://cwiki.apache.org/confluence/display/KAFKA/Kafka+Client-side+Assignment+Proposal>
//! - KIP-345 (static members), KIP-394 (member id required), KIP-814 (skipped assignments)

mod admission;
mod assignment;
mod machine;
mod request;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;

pub use machine::Membership;
pub use request::{Identity, Join, Sync};
pub use snapshot::Snapshot;
pub use state::State;
