//! The oplog: every change of a replica set as a document, in a collection of limited size.
//!
//! ```text
//!  Writer ─▶ Entry (what happened) ─▶ Oplog: timestamp, one write with the change itself
//!                                       ├─▶ Sessions: which retryable statements were executed
//!                                       └─▶ change streams, from any timestamp that is kept
//! ```
//!
//! The entries have the fields of MongoDB's oplog, except for updates: `o` of an update is the
//! `updateDescription` of its change event.

mod entry;
mod history;
mod sessions;

pub use entry::{Entry, Image, Retry, Subject, is_replicated};
pub use history::{Oplog, OplogEntry, OplogSettings};
pub use sessions::Turn;
