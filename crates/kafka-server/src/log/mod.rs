//! A partition's log: append-only segment files of opaque record batches.
//!
//! ```text
//!  <data>/topics/<topic>/<partition>/00000000000000000000.log   sealed
//!                                    00000000000000180000.log   active: appended to
//!                                    checkpoint                 start offset, synced offset
//! ```
//!
//! Synchronous: the caller chooses the thread of a write or a sync. An appended batch is in the page
//! cache and so survives the end of the process; a synced batch survives a crash of the machine.
//! Opening a log checks the checksums of all batches that are not known to be synced, and truncates
//! the log after the last valid batch.

mod checkpoint;
mod error;
mod history;
mod index;
mod marker;
mod partition_log;
mod producers;
mod recovery;
mod segment;
#[cfg(test)]
mod tests;
mod transactions;

pub use error::Error;
pub use marker::{COORDINATOR_EPOCH, Marker};
pub use partition_log::{LEADER_EPOCH, Log, Timed, check_epoch};
pub use producers::{Active, Error as SequenceError};
pub use segment::{Bounds, Slice};
pub use transactions::{Aborted, Error as TransactionError};
