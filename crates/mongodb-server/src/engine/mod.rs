//! Where documents are kept: an append-only log on disk, and indexes in memory that point into it.
//!
//! ```text
//!  insert ─▶ Collection (unique keys checked, ids given) ─▶ Log (one write) ─▶ sync (shared)
//!  find   ─▶ Scan ─▶ Index ─▶ RecordId ─▶ Records ─▶ Location ─▶ positioned read (page cache)
//!  open   ─▶ every record of every segment replayed; a torn tail cut off; indexes rebuilt
//!  idle   ─▶ segments that are mostly dead copied to the head of the log and removed
//! ```
//!
//! Synchronous throughout; the callers give it threads that may block. Locks are taken in this
//! order: catalog, collection, log writer.

pub mod catalog;
pub mod collection;
pub mod compaction;
pub mod error;
pub mod index;
pub mod index_spec;
pub mod log;
pub mod namespace;
pub mod plan;
pub mod record;
pub mod records;
pub mod recovery;
pub mod replay;
pub mod scan;
pub mod segment;
pub mod verify;

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub use catalog::{Engine, Namespace};
pub use collection::{Collection, CollectionOptions};
pub use error::Error;
pub use record::RecordId;
pub use scan::{Row, Scan, Source};

/// Takes a lock; what a panicking holder left behind is used as it is.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a lock shared.
pub fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a lock alone.
pub fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod tests;
