//! When each record was acknowledged, passed from the producer of a partition to its consumer.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Acks of one partition, by offset. One entry per produce request, dropped once read past.
#[derive(Debug)]
pub struct Acks {
    state: Mutex<State>,
    /// Whether somebody will ask for them.
    kept: bool,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Ack>,
    /// Offset behind the last acknowledged record.
    end: i64,
    /// Where the log went on after it had lost its tail, until the consumer has gone back there.
    rewound: Option<i64>,
    /// Whether the loss of the log's tail was noticed, and nothing was acknowledged since.
    loss_noticed: bool,
}

/// One acknowledged produce request.
#[derive(Debug, Clone, Copy)]
struct Ack {
    /// Offset behind its last record.
    end: i64,
    /// Offset of its first record.
    base: i64,
    /// When the ack came, nanoseconds on the run's clock.
    acked: u64,
}

impl Acks {
    /// Prepares to keep acks, or to forget them where the consumer is another process.
    pub fn new(kept: bool) -> Self {
        Self {
            state: Mutex::default(),
            kept,
        }
    }

    /// Notes that `count` records from `base` on are acknowledged.
    ///
    /// Returns whether that is news of a loss: an offset was given a second time, so the log has
    /// lost what had been there.
    pub fn push(&self, base: i64, count: usize, acked: u64) -> bool {
        let end = base.saturating_add_unsigned(count as u64);
        let mut state = self.lock();
        let lost = base < state.end;
        let noticed = std::mem::take(&mut state.loss_noticed);
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

    /// Notes that the log ends before what was read from it; returns whether that is news.
    pub fn notice_loss(&self) -> bool {
        let mut state = self.lock();
        let known = state.rewound.is_some();
        !known && !std::mem::replace(&mut state.loss_noticed, true)
    }

    /// Returns where to go back to after the log has lost its tail, once.
    pub fn take_rewound(&self) -> Option<i64> {
        self.lock().rewound.take()
    }

    /// Returns a cursor that looks up increasing offsets.
    pub fn reader(&self) -> Reader<'_> {
        Reader { state: self.lock() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks up acks in order of their offsets, forgetting those behind.
#[derive(Debug)]
pub struct Reader<'a> {
    state: std::sync::MutexGuard<'a, State>,
}

/// What is known of a record's ack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acked {
    /// It came at this instant, nanoseconds on the run's clock.
    At(u64),
    /// It has not come, but may: the fetch can overtake it.
    NotYet,
    /// It got lost: later records have theirs.
    Never,
}

impl Reader<'_> {
    /// Returns when the record at `offset` was acknowledged. Offsets must not decrease.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_finds_its_own_ack_and_no_other() {
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
    fn an_offset_given_twice_is_a_loss_told_once_with_its_place() {
        let acks = Acks::new(true);
        assert!(!acks.push(0, 100, 1));
        assert_eq!(acks.take_rewound(), None);
        assert!(acks.push(60, 5, 2));
        assert!(!acks.push(65, 5, 3));
        assert!(!acks.notice_loss(), "the producer has told it already");
        assert_eq!(acks.take_rewound(), Some(60));
        assert_eq!(acks.take_rewound(), None);
        assert!(acks.notice_loss());
        assert!(!acks.notice_loss());
        assert!(!acks.push(10, 5, 4), "the consumer has told it already");
        assert_eq!(acks.take_rewound(), Some(10));
    }
}
