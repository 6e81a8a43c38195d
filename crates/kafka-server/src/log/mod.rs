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
//! Opening a log checks the checksums of all batches that are not known to be synced, and of others
//! as far as there is time; the rest are checked when they are read. A torn end of the last segment
//! is cut off. Any other damage is an error, and [`repair()`] keeps what is whole.

mod checkpoint;
mod compacting;
mod compaction;
mod epoch;
mod error;
mod history;
mod index;
mod marker;
mod partition_log;
mod producers;
mod recovery;
mod repair;
mod salvage;
mod segment;
mod swap;
#[cfg(test)]
mod tests;
mod transactions;

pub use compaction::Pass;
pub use epoch::{LEADER_EPOCH, check_epoch};
pub use error::Error;
pub use marker::{COORDINATOR_EPOCH, Marker};
pub use partition_log::{Log, Timed};
pub use producers::{Active, Error as SequenceError};
pub use repair::repair;
pub use segment::{Bounds, Slice};
pub use transactions::{Aborted, Error as TransactionError};
