//! Dead letters: rejected records with their bytes, coordinates, reason and time.
//!
//! ```text
//!  consumer: an invalid record ─────────────┐
//!  writer: a document the store rejects ────┼─▶ Letter ─▶ collection <collection>_dead_letters
//!  producer: a message the broker rejects ──┘        └──▶ topic <topic>.dead-letters, if it fits
//! ```
//!
//! Both are written before a checkpoint passes the record. The collection decides whether a letter is
//! new: its `_id` contains the coordinates, so a replay changes no letter and publishes none twice.

mod letter;
mod sink;

pub use letter::{
    Identity, Letter, Poison, REJECTED_BY_BROKER, Rejection, Undeliverable, identity,
};
pub use sink::{DeadLetters, LetterCollection};

/// Suffix of a topic for the name of its dead letter topic.
pub const TOPIC_SUFFIX: &str = ".dead-letters";
