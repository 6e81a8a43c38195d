//! The membership of one group as a state machine: no clock, no sockets, no waiting.
//!
//! ```text
//!           join                 all joined, or late ones dropped        leader's assignment
//!  Empty ─────────▶ Preparing ───────────────────────────▶ Completing ───────────────▶ Stable
//!    ▲                 ▲  │ nobody left                        │ join, leave, death     │
//!    └─────────────────┼──┘                                    │                        │
//!                      └───────────────────────────────────────┴────────────────────────┘
//! ```
//!
//! Requests that have to wait leave a [`Ticket`](crate::group::answer::Ticket); answers to tickets are taken with
//! [`Membership::take_answers`] after each call.
//!
//! # References
//!
//! - <https://cwiki.apache.org/confluence/display/KAFKA/Kafka+Client-side+Assignment+Proposal>
//! - KIP-345 (static members), KIP-394 (ids before membership), KIP-814 (skipped assignments)

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
