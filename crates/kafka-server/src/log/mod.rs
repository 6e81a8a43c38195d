//! A partition's log: append-only segment files of opaque record batches.
//!
//! ```text
//!  <data>/topics/<topic>/<partition>/00000000000000000000.log   sealed
//!                                    00000000000000180000.log   active: appended to
//!                                    checkpoint                 start offset, synced offset
//! ```
//!
//! Synchronous: the caller decides on which thread a write or a sync happens. What is appended is
//! in the page cache and so survives the end of the process; what was synced survives the end of
//! the machine. Opening a log checks the checksums of all that was not known to be synced and cuts
//! it behind the last sound batch.

mod checkpoint;
mod error;
mod index;
mod partition_log;
mod producers;
mod recovery;
mod segment;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use partition_log::{LEADER_EPOCH, Log, Timed};
pub use producers::Error as SequenceError;
pub use segment::Slice;
