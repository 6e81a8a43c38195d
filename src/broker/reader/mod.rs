//! Reads the log of a partition: fetch responses, batches of every format, records as slices.
//!
//! ```text
//!  PartitionReader ── fetch ─▶ Undecoded ── next_part ─▶ Part ─┬▶ Record, a slice of its batch
//!                                                              ├▶ BrokenBatch: cannot be decoded
//!                                                              └▶ Passed: gaps, control batches,
//!                                                                 aborted transactions
//! ```
//!
//! No length, count or compressed byte of a broker sizes an allocation beyond a limit.

mod aborted;
mod batch;
mod defect;
mod messages;
mod partition;
mod position;
mod record;
mod requests;
mod response;
#[cfg(test)]
pub(crate) mod tests;
mod topic_id;

pub use defect::{Defect, MAX_DECOMPRESSED};
pub use partition::{Fetched, Isolation, PartitionReader};
pub use position::{Jump, Position};
pub use record::{Record, RecordBuf};
pub use response::{BrokenBatch, Part, Passed, Undecoded};
pub use topic_id::TopicId;
