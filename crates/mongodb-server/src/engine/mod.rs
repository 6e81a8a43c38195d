//! Storage of documents: an append-only log on disk, and indexes in memory that point into it.
//!
//! ```text
//!  insert ─▶ Collection (unique keys checked, ids given) ─▶ Log (one write) ─▶ sync (shared)
//!  find   ─▶ Scan ─▶ Index ─▶ RecordId ─▶ Records ─▶ Location ─▶ positioned read (page cache)
//!  open   ─▶ every record of every segment is replayed, a torn tail cut off, indexes rebuilt
//!  upkeep ─▶ documents of mostly unused segments are copied to the end, the segments removed
//! ```
//!
//! Synchronous: callers run it on threads that may block. Locks are taken in this order: catalog,
//! collection, log writer.

pub mod catalog;
pub mod collection;
pub mod compaction;
pub mod error;
pub mod index;
pub mod index_spec;
pub mod locks;
pub mod log;
pub mod namespace;
pub mod plan;
pub mod record;
pub mod records;
pub mod recovery;
pub mod replay;
pub mod scan;
pub mod segment;
pub mod store;
pub mod verify;

pub use collection::{Collection, CollectionOptions};
pub use error::Error;
pub use namespace::Namespace;
pub use record::RecordId;
pub use scan::{Row, Scan, Source};
pub use store::Engine;

#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod tests;
