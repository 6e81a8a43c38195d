//! The coordinator of all transactions: locking, requests, timeouts.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kafka_protocol::error::ResponseError;

use crate::group::Offsets;
use crate::journal::Error;
use crate::transactions::book::{Book, now};
use crate::transactions::effects::Effects;
use crate::transactions::journal::{self, Entry};
use crate::transactions::transaction::{Header, Partitions, Producer, Transaction};

/// Longest timeout of a transaction: Kafka's default of `transaction.max.timeout.ms`.
pub const MAX_TIMEOUT_MS: i32 = 900_000;

/// Limit on the partitions of all transactions together.
const MAX_PARTITIONS: usize = 200_000;

/// Limit on the groups of one transaction.
const MAX_GROUPS: usize = 1_000;

#[derive(Debug)]
pub struct Coordinator {
    book: Mutex<Book>,
}

impl Coordinator {
    /// Opens the transactional ids of a data directory.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let (journal, by_id) = journal::open(directory)?;
        Ok(Self {
            book: Mutex::new(Book::new(by_id, journal)),
        })
    }

    /// Returns id and epoch for a producer; aborts the open transaction of its predecessor.
    /// `expected` is set if the producer raises its own epoch.
    pub fn init(
        &self,
        effects: &dyn Effects,
        id: &str,
        timeout_ms: i32,
        expected: Option<Producer>,
    ) -> Result<Producer, ResponseError> {
        if id.is_empty() {
            return Err(ResponseError::InvalidRequest);
        }
        if !(1..=MAX_TIMEOUT_MS).contains(&timeout_ms) {
            return Err(ResponseError::InvalidTransactionTimeout);
        }
        let mut book = self.lock();
        let Some(transaction) = book.by_id.get(id) else {
            book.make_room(id)?;
            let producer = Producer {
                id: effects.new_producer_id()?,
                epoch: 0,
            };
            book.create(id, Header::new(producer, timeout_ms, now()))?;
            return Ok(producer);
        };
        let known = transaction.header;
        if let Some(expected) = expected
            && known.check_expected(expected)?
        {
            return Ok(known.producer);
        }
        book.fence(effects, id)?;
        let Some(header) = book.by_id.get(id).map(|transaction| transaction.header) else {
            return Err(ResponseError::CoordinatorNotAvailable);
        };
        let fresh_id = if header.is_exhausted() {
            Some(effects.new_producer_id()?)
        } else {
            None
        };
        let renewed = header.renewed(expected, fresh_id, timeout_ms, now());
        book.advance(id, renewed)?;
        Ok(renewed.producer)
    }

    /// Adds partitions, which exist, to a transaction; begins it if none is open.
    pub fn add_partitions(
        &self,
        effects: &dyn Effects,
        id: &str,
        producer: Producer,
        partitions: &Partitions,
    ) -> Result<(), ResponseError> {
        let mut book = self.lock();
        let transaction = book.find(id, producer)?;
        let header = transaction.header;
        if header.state.is_open() && transaction.has_partitions(partitions) {
            return Ok(());
        }
        book.check_partitions(partitions)?;
        if !header.state.is_open() {
            book.advance(id, header.begun(now()))?;
        }
        book.write(&[Entry::Partitions {
            id: id.to_owned(),
            partitions: partitions.clone(),
        }])?;
        for (topic, indexes) in partitions {
            for index in indexes {
                if let Some(partition) = effects.find_partition(topic, *index) {
                    partition.log().admit(producer.id, producer.epoch);
                }
            }
        }
        if let Some(transaction) = book.by_id.get_mut(id) {
            let added = transaction.add_partitions(partitions);
            book.partition_count += added;
        }
        Ok(())
    }

    /// Adds a group to a transaction, so that its offsets are committed with it; begins the
    /// transaction if none is open.
    pub fn add_group(
        &self,
        id: &str,
        producer: Producer,
        group: &str,
    ) -> Result<(), ResponseError> {
        let mut book = self.lock();
        let transaction = book.find(id, producer)?;
        let header = transaction.header;
        if header.state.is_open() && transaction.pending.contains_key(group) {
            return Ok(());
        }
        if transaction.pending.len() >= MAX_GROUPS {
            return Err(ResponseError::InvalidTxnState);
        }
        if !header.state.is_open() {
            book.advance(id, header.begun(now()))?;
        }
        book.add_offsets(id, group, &Offsets::default())?;
        let ids = book.by_group.entry(group.to_owned()).or_default();
        ids.insert(id.to_owned());
        Ok(())
    }

    /// Adds offsets to a transaction that has their group.
    pub fn add_offsets(
        &self,
        id: &str,
        producer: Producer,
        group: &str,
        offsets: &Offsets,
    ) -> Result<(), ResponseError> {
        let mut book = self.lock();
        let transaction = book.find(id, producer)?;
        if !transaction.header.state.is_open() || !transaction.pending.contains_key(group) {
            return Err(ResponseError::InvalidTxnState);
        }
        book.add_offsets(id, group, offsets)
    }

    /// Commits or aborts a transaction.
    pub fn end(
        &self,
        effects: &dyn Effects,
        id: &str,
        producer: Producer,
        commits: bool,
    ) -> Result<(), ResponseError> {
        let mut book = self.lock();
        let header = book.find(id, producer)?.header;
        if let Some(ending) = header.ending(commits, now())? {
            book.advance(id, ending)?;
            book.complete(effects, id)?;
        }
        Ok(())
    }

    /// Decides the end of a transaction without writing its markers, as a kill in between does.
    #[cfg(test)]
    pub fn decide(&self, id: &str, commits: bool) -> Result<(), ResponseError> {
        let mut book = self.lock();
        let header = book.by_id.get(id).map(|transaction| transaction.header);
        let header = header.ok_or(ResponseError::InvalidProducerIdMapping)?;
        match header.ending(commits, now())? {
            Some(ending) => book.advance(id, ending),
            None => Ok(()),
        }
    }

    /// Whether an open transaction has an offset for a partition of a group.
    pub fn has_pending(&self, group: &str, topic: &str, index: i32) -> bool {
        let book = self.lock();
        let ids = book.by_group.get(group).into_iter().flatten();
        ids.filter_map(|id| book.by_id.get(id)?.pending.get(group))
            .any(|offsets| offsets.get(topic, index).is_some())
    }

    pub fn describe(&self, id: &str) -> Option<Transaction> {
        self.lock().by_id.get(id).cloned()
    }

    /// Returns all transactional ids with their states.
    pub fn list(&self) -> Vec<(String, Header)> {
        let book = self.lock();
        let ids = book.by_id.iter();
        ids.map(|(id, transaction)| (id.clone(), transaction.header))
            .collect()
    }

    /// Aborts transactions beyond their timeouts, finishes those that could not be ended, and
    /// forgets ids that have not been used for long; `now` is in milliseconds since 1970.
    pub fn expire(&self, effects: &dyn Effects, now: i64) {
        let mut book = self.lock();
        let due = |id: &&String| {
            let transaction = book.by_id.get(*id);
            transaction.is_some_and(|transaction| {
                transaction.header.is_overdue(now) || transaction.header.state.is_ending()
            })
        };
        let due: Vec<String> = book.open.iter().filter(due).cloned().collect();
        for id in due {
            // A failure was logged; the next round repeats it.
            let _failed = book.fence(effects, &id);
        }
        book.forget_unused(now);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Fails if so many more partitions exceed the limit.
    fn check_partitions(&mut self, partitions: &Partitions) -> Result<(), ResponseError> {
        let more: usize = partitions
            .values()
            .map(std::collections::BTreeSet::len)
            .sum();
        if self.partition_count.saturating_add(more) <= MAX_PARTITIONS {
            return Ok(());
        }
        for transaction in self.by_id.values_mut() {
            if !transaction.header.state.is_open() {
                self.partition_count -= transaction.partition_count();
                transaction.partitions.clear();
            }
        }
        if self.partition_count.saturating_add(more) > MAX_PARTITIONS {
            Err(ResponseError::CoordinatorNotAvailable)
        } else {
            Ok(())
        }
    }

    fn add_offsets(
        &mut self,
        id: &str,
        group: &str,
        offsets: &Offsets,
    ) -> Result<(), ResponseError> {
        self.write(&[Entry::Offsets {
            id: id.to_owned(),
            group: group.to_owned(),
            offsets: journal::list(offsets),
        }])?;
        if let Some(transaction) = self.by_id.get_mut(id) {
            transaction.add_offsets(group, offsets);
        }
        Ok(())
    }
}
