//! Ack times of records, passed from the producer of a partition to its consumer.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Acks of one partition by offset: one entry per produce request, dropped when a consumer is past it.
#[derive(Debug)]
pub struct Acks {
    state: Mutex<State>,
    /// Whether this process has a consumer that reads them.
    kept: bool,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Ack>,
    /// Offset after the last acknowledged record.
    end: i64,
    /// Offset at which the log continued after a truncation, until the consumer has taken it.
    rewound: Option<i64>,
    /// Whether the consumer has noticed a truncation and nothing was acknowledged since.
    truncation_noticed: bool,
}

/// One acknowledged produce request.
#[derive(Debug, Clone, Copy)]
struct Ack {
    /// Offset after its last record.
    end: i64,
    /// Offset of its first record.
    base: i64,
    /// Time of the ack, nanoseconds on the run's clock.
    acked: u64,
}

impl Acks {
    /// `kept` is false if the consumers are in other processes: then no ack is stored.
    pub fn new(kept: bool) -> Self {
        Self {
            state: Mutex::default(),
            kept,
        }
    }

    /// Returns whether this process has a consumer.
    pub fn are_kept(&self) -> bool {
        self.kept
    }

    /// Adds the ack of `count` records from offset `base`.
    ///
    /// Returns whether it reveals a truncation that was not known: an offset was assigned twice, so
    /// the log has lost the records after it.
    pub fn push(&self, base: i64, count: usize, acked: u64) -> bool {
        let end = base.saturating_add_unsigned(count as u64);
        let mut state = self.lock();
        let lost = base < state.end;
        let noticed = std::mem::take(&mut state.truncation_noticed);
        if lost {
            state.entries.clear();
            let rewound = state.rewound.unwrap_or(base);
            state.rewound = Some(rewound.min(base));
        }
        if self.kept {
            state.entries.push_back(Ack { end, base, acked });
        }
        state.end = end;
        lost && !noticed
    }

    /// Records that the log ends before the consumer's position; returns whether that was unknown.
    pub fn notice_truncation(&self) -> bool {
        let mut state = self.lock();
        let known = state.rewound.is_some();
        !known && !std::mem::replace(&mut state.truncation_noticed, true)
    }

    /// Returns, once, the offset to which the consumer must go back after a truncation.
    pub fn take_rewound(&self) -> Option<i64> {
        self.lock().rewound.take()
    }

    /// Returns a reader for increasing offsets.
    pub fn reader(&self) -> AckReader<'_> {
        AckReader { state: self.lock() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks up acks by increasing offset and drops earlier ones.
#[derive(Debug)]
pub struct AckReader<'a> {
    state: std::sync::MutexGuard<'a, State>,
}

/// The ack of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acked {
    /// It arrived at this time, nanoseconds on the run's clock.
    At(u64),
    /// It has not arrived yet: a fetch can be faster than the ack.
    NotYet,
    /// It was lost: later records have theirs.
    Never,
}

impl AckReader<'_> {
    /// Returns the ack of the record at `offset`. Offsets must not decrease.
    pub fn acked(&mut self, offset: i64) -> Acked {
        let entries = &mut self.state.entries;
        while entries.front().is_some_and(|ack| ack.end <= offset) {
            entries.pop_front();
        }
        match entries.front() {
            Some(ack) if ack.base <= offset => Acked::At(ack.acked),
            Some(_later) => Acked::Never,
            None => Acked::NotYet,
        }
    }

    /// Returns when the record at `offset` was acknowledged, and drops nothing; `None` if that is
    /// not known.
    pub fn find(&self, offset: i64) -> Option<u64> {
        let entries = &self.state.entries;
        let ack = entries.get(entries.partition_point(|ack| ack.end <= offset))?;
        (ack.base <= offset).then_some(ack.acked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_offset_finds_its_own_ack() {
        let acks = Acks::new(true);
        assert!(!acks.push(10, 5, 100));
        assert!(!acks.push(20, 5, 200));
        let mut reader = acks.reader();
        assert_eq!(reader.acked(10), Acked::At(100));
        assert_eq!(reader.acked(14), Acked::At(100));
        assert_eq!(reader.acked(15), Acked::Never);
        assert_eq!(reader.acked(24), Acked::At(200));
        assert_eq!(reader.acked(25), Acked::NotYet);
    }

    #[test]
    fn ack_is_found_without_dropping_earlier_ones() {
        let acks = Acks::new(true);
        acks.push(10, 5, 100);
        acks.push(20, 5, 200);
        let found = [24, 12, 17, 30, 3].map(|offset| acks.reader().find(offset));
        assert_eq!(found, [Some(200), Some(100), None, None, None]);
        assert_eq!(acks.reader().acked(10), Acked::At(100));
    }

    #[test]
    fn offset_assigned_twice_is_reported_once_as_a_truncation() {
        let acks = Acks::new(true);
        assert!(!acks.push(0, 100, 1));
        assert_eq!(acks.take_rewound(), None);
        assert!(acks.push(60, 5, 2));
        assert!(!acks.push(65, 5, 3));
        assert!(!acks.notice_truncation(), "the producer has reported it");
        assert_eq!(acks.take_rewound(), Some(60));
        assert_eq!(acks.take_rewound(), None);
        assert!(acks.notice_truncation());
        assert!(!acks.notice_truncation());
        assert!(!acks.push(10, 5, 4), "the consumer has reported it");
        assert_eq!(acks.take_rewound(), Some(10));
    }
}
