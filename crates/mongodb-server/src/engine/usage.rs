//! How often and how long commands used a collection.

use std::sync::atomic::{AtomicU64, Ordering};

/// The kind of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Query,
    GetMore,
    Insert,
    Update,
    Remove,
    Command,
}

/// Counters by the kind of command.
#[derive(Debug, Default)]
pub struct Usage {
    counters: [Counter; 6],
}

#[derive(Debug, Default)]
struct Counter {
    microseconds: AtomicU64,
    count: AtomicU64,
}

impl Usage {
    /// Counts a command.
    pub fn note(&self, used: Use, microseconds: u64) {
        let counter = &self.counters[used as usize];
        counter.count.fetch_add(1, Ordering::Relaxed);
        counter
            .microseconds
            .fetch_add(microseconds, Ordering::Relaxed);
    }

    /// Returns the microseconds and the number of commands.
    pub fn of(&self, used: Use) -> (u64, u64) {
        let counter = &self.counters[used as usize];
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        (read(&counter.microseconds), read(&counter.count))
    }
}
