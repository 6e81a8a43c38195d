//! Counters that tasks add to and the progress display reads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Counts since the run began, warm-up included. Added to once per batch.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: Counter,)+
        }

        impl Counters {
            /// Returns every count by its name.
            pub fn values(&self) -> BTreeMap<String, u64> {
                BTreeMap::from([$((stringify!($name).to_owned(), self.$name.get())),+])
            }
        }
    };
}

counters! {
    /// Readings handed to the producer path.
    emitted,
    /// Readings that were to be emitted and were kept back on purpose.
    withheld,
    /// Readings that were not emitted any more because the run was stopped.
    left_out,
    /// Records acknowledged by the broker.
    acked,
    /// Produce requests acknowledged.
    produce_requests,
    /// Produce requests whose fate was unknown; each was sent again.
    produce_unknown,
    /// Produce requests the broker turned down for the moment; each was sent again.
    produce_rejected,
    /// Records fetched.
    fetched,
    /// Fetches that the broker did not answer; each was sent again.
    fetches_failed,
    /// Records stored that convoy did not write: their coordinates identify them.
    without_envelope,
    /// Records that name a schema, unchecked because no registry was given.
    schema_unchecked,
    /// Records whose latency counts from a date by the wall clock of another machine.
    timed_by_wall_clock,
    /// Documents stored, each reading once.
    stored,
    /// Insert commands answered.
    inserts,
    /// Insert commands whose fate was unknown; each was sent again.
    inserts_unknown,
    /// Records read twice and stored once.
    replayed,
    /// Records appended twice by the producer and stored once.
    producer_duplicated,
    /// Records whose `_id` was stored with other content.
    conflicting,
    /// Records set aside with their reason.
    dead_lettered,
    /// Times a log ended before what had been acknowledged or read from it.
    log_truncations,
    /// Dead letters of earlier runs that could be stored now.
    dead_letters_replayed,
    /// Dead letters of earlier runs that still cannot be stored.
    dead_letters_kept,
    /// Checkpoints written.
    checkpoints,
}

/// One count.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to the count.
    pub fn add(&self, number: usize) {
        // Relaxed: counts are only ever read as a whole after the tasks ended, or to be shown.
        self.0.fetch_add(number as u64, Ordering::Relaxed);
    }

    /// Returns the count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
