//! Compaction: of the records with the same key, only the last stays.
//!
//! ```text
//!  closed segments ─▶ keys (last offset of each key) ─▶ rewrite (batch by batch) ─▶ one new file per
//!                                                                                   group of segments
//! ```
//!
//! Offsets stay: a batch keeps its range when records in it are dropped. Records of aborted
//! transactions are dropped; a marker stays as long as records of its transaction do. Tombstones
//! and markers get a deadline when they are first seen, and are dropped after it. The last batch of
//! a file and of each producer stays as an empty batch, so that ranges and sequences are known.
//!
//! # References
//!
//! - <https://kafka.apache.org/documentation/#compaction>
//! - KIP-534 (the deadline is the base timestamp of a batch with the flag)

mod keys;
mod pass;
mod record;
mod rewrite;
#[cfg(test)]
mod tests;

pub use pass::{Closed, Done, Pass, Plan};
