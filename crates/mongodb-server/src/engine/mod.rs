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

mod catalog;
mod clustered;
mod collection;
mod compaction;
mod damage;
mod error;
mod hint;
mod implied;
mod index;
mod index_spec;
mod kind;
mod locks;
mod log;
mod namespace;
mod observed;
mod oplog;
mod plan;
mod position;
mod record;
mod records;
mod recovery;
mod repair;
mod replay;
mod rules;
mod scan;
mod segment;
mod special_index;
mod state;
mod store;
mod usage;
mod verify;
mod writer;

pub use catalog::{not_found, random_uuid, uuid_text, uuid_value};
pub use collection::{Change, Changed, Collection, Inserted};
pub use compaction::compact;
pub use error::{ChangeError, Error};
pub use hint::Hint;
pub use index::Index;
pub use index_spec::{ID_INDEX, IndexSpec, is_simple_collation};
pub use kind::TimeSeries;
pub use locks::lock;
pub use log::SEGMENT_BYTES;
pub use namespace::{Namespace, check_database};
pub use oplog::{Image, Oplog, OplogEntry, OplogSettings, Retry, Turn};
pub use plan::{Plan, Usage, plan};
pub use position::Position;
pub use record::RecordId;
#[cfg(feature = "fuzzing")]
pub use record::{About, proven_ids, read_body};
pub use rules::{Capped, CollectionOptions};
pub use scan::{Row, Scan, Source, Stored};
pub use state::State;
pub use store::Engine;
pub use usage::Use;
pub use writer::Writer;

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod tests;
