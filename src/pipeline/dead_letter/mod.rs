//! Dead letters: what cannot be stored, kept with its bytes, coordinates, reason and time.
//!
//! ```text
//!  consumer: a record that does not fit ──┐
//!  writer: a document the store refuses ──┼─▶ Letter ─▶ collection <collection>_dead_letters
//!  producer: a message no broker takes ───┘        └──▶ topic <topic>.dead-letters, where it fits
//! ```
//!
//! Both are written before a checkpoint passes the record. The collection decides what is new: its
//! `_id` are the letter's coordinates, so a replay changes nothing in it and repeats nothing in the
//! topic.

mod letter;
mod sink;

pub use letter::{Identity, Letter, Undeliverable, identity};
pub use sink::DeadLetters;

/// What the name of a topic's dead letters adds to its own.
pub const TOPIC_SUFFIX: &str = ".dead-letters";
