//! Documents that a stage keeps until it has read its input.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::engine::{RecordId, Row, Stored};
use crate::error::CommandError;

/// Bytes of computed documents that all queries and open cursors of this process hold.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// A kept document. A stored document is read again; only a computed one is held in memory.
#[derive(Debug, Clone)]
pub enum Held {
    Stored(RecordId, Stored),
    Computed(Counted),
}

/// Bytes that count among those of all queries.
#[derive(Debug)]
pub struct Counted(Bytes);

impl Counted {
    fn new(bytes: Bytes) -> Self {
        HELD.fetch_add(bytes.len(), Ordering::Relaxed);
        Self(bytes)
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        Self::new(self.0.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

/// Returns the bytes of computed documents that all queries and open cursors hold.
pub fn held_by_all() -> usize {
    HELD.load(Ordering::Relaxed)
}

/// Memory that a stage uses beside the documents that it keeps. It is given back when dropped.
#[derive(Debug, Default)]
pub struct Charge(usize);

impl Charge {
    /// Changes below this many bytes are not counted.
    const STEP: usize = 64 * 1024;

    /// Sets the number of bytes.
    pub fn set(&mut self, bytes: usize) {
        if bytes >= self.0.saturating_add(Self::STEP) {
            HELD.fetch_add(bytes - self.0, Ordering::Relaxed);
            self.0 = bytes;
        } else if bytes < self.0 {
            HELD.fetch_sub(self.0 - bytes, Ordering::Relaxed);
            self.0 = bytes;
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0, Ordering::Relaxed);
    }
}

impl Held {
    pub fn new(row: Row) -> Self {
        match row.origin {
            Some((id, stored)) => Self::Stored(id, stored),
            // A copy does not keep the larger buffer alive that the document was read into.
            None => Self::Computed(Counted::new(Bytes::copy_from_slice(&row.document))),
        }
    }

    /// Returns the bytes of the document that are held in memory.
    pub fn memory(&self) -> usize {
        match self {
            Self::Stored(..) => 0,
            Self::Computed(document) => document.0.len(),
        }
    }

    /// Returns the bytes of the document, wherever they are.
    pub fn length(&self) -> usize {
        match self {
            Self::Stored(_, stored) => stored.length(),
            Self::Computed(document) => document.0.len(),
        }
    }

    /// Returns the document.
    pub fn into_row(self) -> Result<Row, CommandError> {
        Ok(match self {
            Self::Computed(document) => Row {
                document: document.0.clone(),
                origin: None,
            },
            Self::Stored(id, stored) => Row {
                document: stored.read()?,
                origin: Some((id, stored)),
            },
        })
    }
}
