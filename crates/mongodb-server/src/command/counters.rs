//! Counters of commands and connections since the server started.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::bson::Builder;

#[derive(Debug, Default)]
pub struct Counters {
    insert: AtomicU64,
    query: AtomicU64,
    update: AtomicU64,
    delete: AtomicU64,
    get_more: AtomicU64,
    command: AtomicU64,
    opened: AtomicU64,
    closed: AtomicU64,
    requests: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

/// Counts a connection as closed when dropped.
#[derive(Debug)]
pub struct OpenConnection<'c>(&'c Counters);

impl Counters {
    pub fn count(&self, name: &str) {
        let counter = match name {
            "insert" => &self.insert,
            "find" => &self.query,
            "update" | "findAndModify" | "findandmodify" => &self.update,
            "delete" => &self.delete,
            "getMore" => &self.get_more,
            _ => &self.command,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn received(&self, bytes: usize) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn sent(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts a connection as open until the result is dropped.
    pub fn open(&self) -> OpenConnection<'_> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        OpenConnection(self)
    }

    /// Returns the number of open connections.
    pub fn open_now(&self) -> u64 {
        let closed = self.closed.load(Ordering::Relaxed);
        self.opened.load(Ordering::Relaxed).saturating_sub(closed)
    }

    /// Returns the number of requests so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Returns `opcounters` of `serverStatus`.
    pub fn operations(&self) -> Builder {
        let add = |builder: Builder, name, counter| builder.int64(name, number(counter));
        let counted = add(Builder::new(), "insert", &self.insert);
        let counted = add(counted, "query", &self.query);
        let counted = add(counted, "update", &self.update);
        let counted = add(counted, "delete", &self.delete);
        let counted = add(counted, "getmore", &self.get_more);
        add(counted, "command", &self.command)
    }

    /// Returns `network` of `serverStatus`.
    pub fn network(&self) -> Builder {
        Builder::new()
            .int64("bytesIn", number(&self.bytes_in))
            .int64("bytesOut", number(&self.bytes_out))
            .int64("numRequests", number(&self.requests))
    }

    /// Returns `connections` of `serverStatus`.
    pub fn connections(&self) -> Builder {
        let opened = number(&self.opened);
        Builder::new()
            .int64("current", opened - number(&self.closed))
            .int64("totalCreated", opened)
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Ordering::Relaxed);
    }
}

fn number(counter: &AtomicU64) -> i64 {
    i64::try_from(counter.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
}
