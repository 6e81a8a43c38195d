//! Counters that tasks add to, and their values as reports carry them.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Counts since the run began, warm-up included. Added to once per batch.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: Counter,)+
        }

        impl Counters {
            /// Returns the values at this moment.
            pub fn snapshot(&self) -> Counts {
                Counts {
                    $($name: self.$name.get(),)+
                }
            }
        }

        /// Values of [`Counters`]. Field names are the report's JSON keys.
        ///
        /// Reading ignores counters of other versions of convoy and takes 0 for absent ones.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)+
        }

        impl AddAssign for Counts {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)+
            }
        }
    };
}

counters! {
    /// Readings handed to the producer path.
    emitted,
    /// Scheduled readings that a fault withheld.
    withheld,
    /// Scheduled readings that were not emitted because the run was stopped.
    left_out,
    /// Records acknowledged by the broker.
    acked,
    /// Produce requests acknowledged.
    produce_requests,
    /// Produce requests without a response; each was retried.
    produce_unknown,
    /// Produce requests that the broker rejected with a retriable error; each was retried.
    produce_rejected,
    /// Records fetched.
    fetched,
    /// Fetch requests without a response; each was retried.
    fetches_failed,
    /// Gaps between the offsets of records, such as compaction leaves.
    offset_gaps,
    /// Offsets in these gaps.
    absent_offsets,
    /// Control batches passed: the ends of transactions.
    skipped_control_batches,
    /// Records left out because their transaction was aborted.
    aborted_records,
    /// Records stored that convoy did not write: topic, partition and offset identify them.
    without_envelope,
    /// Records without a value, Kafka's deletions, that a group passed over.
    tombstones,
    /// Records that name a schema, unchecked because no registry was given.
    schema_unchecked,
    /// Records whose latency starts at the wall clock of another machine or boot.
    timed_by_wall_clock,
    /// Documents stored, each reading once.
    stored,
    /// Insert commands answered.
    inserts,
    /// Insert commands without a response; each was retried.
    inserts_unknown,
    /// Records read twice and stored once.
    replayed,
    /// Records appended twice by the producer and stored once.
    producer_duplicated,
    /// Records whose `_id` was already stored with other content.
    conflicting,
    /// Dead letters.
    dead_lettered,
    /// Times a log ended before an acknowledged or already read record.
    log_truncations,
    /// Partitions read from their first record, because their topic was deleted and created again.
    recreated_partitions,
    /// Dead letters of earlier runs that were stored this time.
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
        // Relaxed: counts are only read as a whole after the tasks ended, or to be shown.
        self.0.fetch_add(number as u64, Ordering::Relaxed);
    }

    /// Returns the count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn snapshot_has_the_counted_values_under_their_names() {
        let counters = Counters::default();
        counters.stored.add(3);
        let counts = serde_json::to_value(counters.snapshot()).unwrap();
        assert_eq!(counts["stored"], 3);
        assert_eq!(counts["acked"], 0);
    }

    #[test]
    fn unknown_counters_are_ignored_and_absent_ones_are_zero() {
        let written = json!({"stored": 3, "batches_published": 180});
        let counts: Counts = serde_json::from_value(written).unwrap();
        let expected = Counts {
            stored: 3,
            ..Counts::default()
        };
        assert_eq!(counts, expected);
    }
}
