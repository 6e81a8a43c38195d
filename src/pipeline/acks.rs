//! When each record was acknowledged, passed from the producer of a partition to its consumer.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Acks of one partition, by offset. One entry per produce request, dropped once read past.
#[derive(Debug)]
pub struct Acks {
    entries: Mutex<VecDeque<Ack>>,
    /// Whether somebody will ask for them.
    kept: bool,
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
            entries: Mutex::default(),
            kept,
        }
    }

    /// Notes that `count` records from `base` on are acknowledged.
    pub fn push(&self, base: i64, count: usize, acked: u64) {
        if !self.kept {
            return;
        }
        let end = base.saturating_add_unsigned(count as u64);
        self.lock().push_back(Ack { end, base, acked });
    }

    /// Returns a cursor that looks up increasing offsets.
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            entries: self.lock(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Ack>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks up acks in order of their offsets, forgetting those behind.
#[derive(Debug)]
pub struct Reader<'a> {
    entries: std::sync::MutexGuard<'a, VecDeque<Ack>>,
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
        while self.entries.front().is_some_and(|ack| ack.end <= offset) {
            self.entries.pop_front();
        }
        match self.entries.front() {
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
        acks.push(10, 5, 100);
        acks.push(20, 5, 200);
        let mut reader = acks.reader();
        assert_eq!(reader.acked(10), Acked::At(100));
        assert_eq!(reader.acked(14), Acked::At(100));
        assert_eq!(reader.acked(15), Acked::Never);
        assert_eq!(reader.acked(24), Acked::At(200));
        assert_eq!(reader.acked(25), Acked::NotYet);
    }
}
