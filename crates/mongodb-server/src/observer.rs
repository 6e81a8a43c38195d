//! A hook that learns when documents are durable, to measure how long clients take to store them.
//!
//! ```text
//!  insert, update ─▶ log ─▶ observer.written ─▶ ticket ─┐
//!  sync of the log ─────────────────────────────────────┴▶ observer.durable
//! ```

use std::fmt;

/// What an observer gets back when a document is durable.
pub type Ticket = u128;

/// Learns which documents are written, and when they are on disk.
///
/// It is set in the [`Settings`](crate::Settings); without one nothing is asked. A client that asks
/// for `j: true` or `w: "majority"` waits until its documents are on disk; those of other clients are
/// after at most 100 ms.
pub trait WriteObserver: fmt::Debug + Send + Sync {
    /// Looks at a document that was inserted or changed. Returns a ticket if the observer wants to
    /// know when it is durable.
    ///
    /// The collection is locked meanwhile, so its documents come in the order of its writes.
    fn written(&self, database: &str, collection: &str, document: &[u8]) -> Option<Ticket>;

    /// The documents of these tickets are on disk now. Tickets of documents that a crash of the
    /// server lost never come.
    fn durable(&self, tickets: &[Ticket]);
}
