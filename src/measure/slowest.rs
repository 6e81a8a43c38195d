//! The slowest records of a task, with their stamps.
//!
//! Records slower than the floor are added to a buffer of fixed size. If it is full, the slowest of
//! them are kept and the floor rises. So a record costs one comparison, or a few at most, and no
//! memory is allocated after the first one.

/// Most records that are kept.
pub const MOST_SLOWEST: usize = 1_000;

/// Records that are added before the slowest are chosen again.
const FRESH: usize = MOST_SLOWEST;

/// A measured record with its stamps, in nanoseconds on the run's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowRecord {
    /// Index of the topic.
    pub topic: usize,
    /// Number of the partition.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
    /// Index of the vehicle.
    pub vehicle: u32,
    /// Number of the reading among those of its vehicle.
    pub sequence: u64,
    /// When it was to be emitted.
    pub intended: u64,
    /// When the producer took it.
    pub sent: u64,
    /// When the broker acknowledged it; `None` if that is unknown, or happened after the fetch.
    pub acked: Option<u64>,
    /// When it was fetched.
    pub fetched: u64,
    /// When it was durable.
    pub stored: u64,
}

impl SlowRecord {
    /// Returns the end-to-end latency in nanoseconds.
    pub fn latency(&self) -> u64 {
        self.stored.saturating_sub(self.intended)
    }
}

/// The slowest records so far.
#[derive(Debug, Clone, Default)]
pub struct Slowest {
    records: Vec<SlowRecord>,
    /// Latency that a record must exceed, in nanoseconds.
    floor: u64,
}

impl Slowest {
    /// Returns whether a record of this latency, in nanoseconds, may be among the slowest.
    pub fn wants(&self, latency: u64) -> bool {
        latency > self.floor
    }

    /// Adds a record. The buffer has its full size from the first one on.
    pub fn add(&mut self, record: SlowRecord) {
        if self.records.capacity() == 0 {
            self.records.reserve_exact(MOST_SLOWEST + FRESH);
        }
        if self.records.len() >= MOST_SLOWEST + FRESH {
            self.choose();
        }
        self.records.push(record);
    }

    /// Returns the position in the buffer of the next record.
    pub fn position(&self) -> usize {
        self.records.len()
    }

    /// Returns the records from a position of the buffer on.
    pub fn since(&mut self, position: usize) -> &mut [SlowRecord] {
        let position = position.min(self.records.len());
        &mut self.records[position..]
    }

    /// Returns whether the next record makes the buffer smaller.
    pub fn is_full(&self) -> bool {
        self.records.len() >= MOST_SLOWEST + FRESH
    }

    /// Keeps the slowest, and raises the floor.
    pub fn choose(&mut self) {
        if self.records.len() <= MOST_SLOWEST {
            return;
        }
        let last = MOST_SLOWEST - 1;
        self.records
            .select_nth_unstable_by_key(last, |it| std::cmp::Reverse(it.latency()));
        self.records.truncate(MOST_SLOWEST);
        self.floor = self.records[last].latency();
    }

    /// Adds the records of another task.
    pub fn merge(&mut self, other: &Self) {
        for record in &other.records {
            if self.wants(record.latency()) {
                self.add(*record);
            }
        }
    }

    /// Returns the slowest records, the slowest first.
    pub fn sorted(&self) -> Vec<SlowRecord> {
        let mut records = self.records.clone();
        records.sort_by_key(|it| {
            (
                std::cmp::Reverse(it.latency()),
                it.topic,
                it.partition,
                it.offset,
            )
        });
        records.truncate(MOST_SLOWEST);
        records
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(offset: usize, latency: u64) -> SlowRecord {
        SlowRecord {
            topic: 0,
            partition: 0,
            offset: i64::try_from(offset).unwrap(),
            vehicle: 0,
            sequence: 0,
            intended: 10,
            sent: 11,
            acked: None,
            fetched: 12,
            stored: 10 + latency,
        }
    }

    fn of(latencies: &[u64]) -> Slowest {
        let mut slowest = Slowest::default();
        for (offset, latency) in latencies.iter().enumerate() {
            if slowest.wants(*latency) {
                slowest.add(record(offset, *latency));
            }
        }
        slowest
    }

    fn latencies(slowest: &Slowest) -> Vec<u64> {
        slowest.sorted().iter().map(SlowRecord::latency).collect()
    }

    #[test]
    fn buffer_never_grows() {
        let slowest = of(&(1..100_000).collect::<Vec<u64>>());
        assert!(slowest.records.capacity() <= MOST_SLOWEST + FRESH);
        assert_eq!(
            latencies(&slowest),
            (99_000..100_000).rev().collect::<Vec<u64>>()
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn slowest_of_all_tasks_are_kept(tasks in prop::collection::vec(prop::collection::vec(1u64..5_000, 0..4_000), 1..4)) {
            let mut merged = Slowest::default();
            for task in &tasks {
                merged.merge(&of(task));
            }
            let mut expected: Vec<u64> = tasks.concat();
            expected.sort_unstable_by(|one, other| other.cmp(one));
            expected.truncate(MOST_SLOWEST);
            prop_assert_eq!(latencies(&merged), expected);
        }
    }
}
