//! Transactions in one partition: which are open, which were aborted, and how far readers of
//! committed records may read.
//!
//! Only producers that the coordinator admitted append transactional batches; a marker ends the
//! transaction and the admission. The state is rebuilt from the batches when a log is opened.
//!
//! # References
//!
//! - KIP-98 (transactions), KIP-890 (batches only within a transaction that the coordinator knows)

use std::collections::{BTreeMap, HashMap};

use crate::batch::Header;

/// A batch does not belong to an open transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A newer instance of the producer has taken over.
    #[error("producer {id} has epoch {current}, but the batch has {stated}")]
    Fenced { id: i64, stated: i16, current: i16 },
    /// The producer has no open transaction with this partition.
    #[error("producer {id} has no open transaction with this partition")]
    NotOpen { id: i64 },
    /// The producer has an open transaction, but the batch is outside it.
    #[error("producer {id} has an open transaction with this partition")]
    Outside { id: i64 },
}

/// A transaction that was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aborted {
    pub producer_id: i64,
    /// Offset of the first record.
    pub first: i64,
    /// Offset of the marker.
    pub marker: i64,
    /// Last stable offset after the marker: all later entries start at or after it.
    stable: i64,
}

#[derive(Debug, Default)]
pub struct Transactions {
    /// Producers that may append transactional batches, with their epochs.
    admitted: HashMap<i64, i16>,
    /// First offset of each open transaction by producer, and the reverse.
    open: HashMap<i64, i64>,
    open_from: BTreeMap<i64, i64>,
    /// In order of the markers.
    aborted: Vec<Aborted>,
}

impl Transactions {
    /// Permits transactional batches of a producer until its next marker.
    pub fn admit(&mut self, producer_id: i64, epoch: i16) {
        self.admitted.insert(producer_id, epoch);
    }

    pub fn is_admitted(&self, producer_id: i64) -> bool {
        self.admitted.contains_key(&producer_id)
    }

    /// Checks that a batch belongs to an open transaction, or that there is none.
    pub fn check(&self, header: &Header) -> Result<(), Error> {
        let id = header.producer_id;
        if !header.transactional() {
            return if self.open.contains_key(&id) {
                Err(Error::Outside { id })
            } else {
                Ok(())
            };
        }
        match self.admitted.get(&id).copied() {
            Some(current) if current == header.producer_epoch => Ok(()),
            Some(current) if current > header.producer_epoch => Err(Error::Fenced {
                id,
                stated: header.producer_epoch,
                current,
            }),
            _ => Err(Error::NotOpen { id }),
        }
    }

    /// Remembers an appended batch of records.
    pub fn note(&mut self, header: &Header, base_offset: i64) {
        if header.transactional() && !self.open.contains_key(&header.producer_id) {
            self.open.insert(header.producer_id, base_offset);
            self.open_from.insert(base_offset, header.producer_id);
        }
    }

    /// Remembers a marker, which ends the producer's transaction.
    pub fn note_marker(&mut self, producer_id: i64, commits: bool, offset: i64) {
        self.admitted.remove(&producer_id);
        let Some(first) = self.open.remove(&producer_id) else {
            return;
        };
        self.open_from.remove(&first);
        if !commits {
            self.aborted.push(Aborted {
                producer_id,
                first,
                marker: offset,
                stable: self.last_stable(offset.saturating_add(1)),
            });
        }
    }

    /// Returns the offset before which every transaction has ended; `next_offset` is the end of the
    /// log.
    pub fn last_stable(&self, next_offset: i64) -> i64 {
        let first = self.open_from.first_key_value();
        first.map_or(next_offset, |(first, _)| *first)
    }

    /// Returns the aborted transactions with records from `from` on and before `to`.
    pub fn aborted_between(&self, from: i64, to: i64) -> Vec<Aborted> {
        let start = self.aborted.partition_point(|entry| entry.marker < from);
        let mut found = Vec::new();
        for entry in self.aborted.get(start..).unwrap_or_default() {
            if entry.first < to {
                found.push(*entry);
            }
            if entry.stable >= to {
                break;
            }
        }
        found
    }

    /// Returns the first offset of the producer's open transaction.
    pub fn open_from(&self, producer_id: i64) -> Option<i64> {
        self.open.get(&producer_id).copied()
    }

    /// Returns the producers with open transactions.
    pub fn open_producers(&self) -> Vec<i64> {
        self.open.keys().copied().collect()
    }

    /// Forgets aborted transactions that ended before an offset.
    pub fn forget_before(&mut self, offset: i64) {
        let gone = self.aborted.partition_point(|entry| entry.marker < offset);
        self.aborted.drain(..gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch;
    use crate::batch::tests::{Producer, transactional_batch};

    fn header(producer: i64, epoch: i16) -> Header {
        let bytes = transactional_batch(1, 0, b"", &Producer(producer, epoch, 0));
        batch::check(&bytes).unwrap()
    }

    /// Transactions of producers at offsets: (producer, offset, whether it commits or aborts).
    fn history(events: &[(i64, i64, Option<bool>)]) -> Transactions {
        let mut transactions = Transactions::default();
        for (producer, offset, end) in events {
            match end {
                None => transactions.note(&header(*producer, 0), *offset),
                Some(commits) => transactions.note_marker(*producer, *commits, *offset),
            }
        }
        transactions
    }

    #[test]
    fn batches_need_an_admission_of_their_epoch() {
        let mut transactions = Transactions::default();
        assert_eq!(
            transactions.check(&header(7, 1)),
            Err(Error::NotOpen { id: 7 })
        );
        transactions.admit(7, 1);
        assert_eq!(transactions.check(&header(7, 1)), Ok(()));
        assert!(matches!(
            transactions.check(&header(7, 0)),
            Err(Error::Fenced { .. })
        ));
        assert!(matches!(
            transactions.check(&header(7, 2)),
            Err(Error::NotOpen { .. })
        ));
        transactions.note_marker(7, true, 0);
        assert!(transactions.check(&header(7, 1)).is_err());
    }

    #[test]
    fn stable_offset_is_that_of_the_oldest_open_transaction() {
        let transactions = history(&[(1, 10, None), (2, 20, None), (1, 30, None)]);
        assert_eq!(transactions.last_stable(40), 10);
        let transactions = history(&[(1, 10, None), (2, 20, None), (1, 30, Some(true))]);
        assert_eq!(transactions.last_stable(40), 20);
        let transactions = history(&[(1, 10, None), (1, 30, Some(false))]);
        assert_eq!(transactions.last_stable(40), 40);
    }

    #[test]
    fn aborted_transactions_are_found_by_overlap() {
        let transactions = history(&[
            (1, 10, None),
            (2, 20, None),
            (2, 30, Some(false)),
            (3, 40, None),
            (1, 50, Some(false)),
            (3, 60, Some(true)),
            (2, 70, None),
            (2, 80, Some(false)),
        ]);
        let firsts = |from, to| -> Vec<i64> {
            let found = transactions.aborted_between(from, to).into_iter();
            found.map(|entry| entry.first).collect()
        };
        assert_eq!(firsts(0, 100), [20, 10, 70]);
        assert_eq!(firsts(0, 20), [10]);
        assert_eq!(firsts(31, 70), [10]);
        assert_eq!(firsts(51, 70), [0_i64; 0]);
        assert_eq!(firsts(51, 71), [70]);
    }
}
