//! All transactional ids and their journal, behind the coordinator's lock.

use std::collections::{BTreeMap, BTreeSet};

use convoy_server_kit::unix_ms;
use kafka_protocol::error::ResponseError;
use tracing::warn;

use crate::log::Marker;
use crate::transactions::effects::Effects;
use crate::transactions::journal::{self, Entry, Journal};
use crate::transactions::transaction::{Header, Producer, State, Transaction};

/// Limit on transactional ids.
const MAX_IDS: usize = 50_000;

/// Limit on the bytes of all transactional ids together.
const MAX_ID_BYTES: usize = 16 * 1024 * 1024;

/// Milliseconds that an unused transactional id is kept, as in Kafka: seven days.
const UNUSED_KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

#[derive(Debug)]
pub struct Book {
    pub(super) by_id: BTreeMap<String, Transaction>,
    /// Ids with open transactions.
    pub(super) open: BTreeSet<String>,
    /// Ids with open transactions by the groups whose offsets they commit.
    pub(super) by_group: BTreeMap<String, BTreeSet<String>>,
    id_bytes: usize,
    /// Partitions of all transactions.
    pub(super) partition_count: usize,
    journal: Journal,
}

/// Returns milliseconds since 1970.
pub fn now() -> i64 {
    i64::try_from(unix_ms()).unwrap_or(i64::MAX)
}

impl Book {
    pub fn new(by_id: BTreeMap<String, Transaction>, journal: Journal) -> Self {
        let mut book = Self {
            open: BTreeSet::new(),
            by_group: BTreeMap::new(),
            partition_count: by_id.values().map(Transaction::partition_count).sum(),
            id_bytes: by_id.keys().map(String::len).sum(),
            by_id,
            journal,
        };
        for (id, transaction) in &book.by_id {
            if !transaction.header.state.is_open() {
                continue;
            }
            book.open.insert(id.clone());
            for group in transaction.pending.keys() {
                let ids = book.by_group.entry(group.clone()).or_default();
                ids.insert(id.clone());
            }
        }
        book
    }

    /// Returns the transactional id of a producer, after checking the producer.
    pub fn find(
        &mut self,
        id: &str,
        producer: Producer,
    ) -> Result<&mut Transaction, ResponseError> {
        if id.is_empty() {
            return Err(ResponseError::InvalidRequest);
        }
        let transaction = self.by_id.get_mut(id);
        let transaction = transaction.ok_or(ResponseError::InvalidProducerIdMapping)?;
        transaction.header.check(producer)?;
        Ok(transaction)
    }

    /// Adds a transactional id.
    pub fn create(&mut self, id: &str, header: Header) -> Result<(), ResponseError> {
        self.write(&[Entry::State {
            id: id.to_owned(),
            header,
        }])?;
        self.id_bytes += id.len();
        self.by_id.insert(id.to_owned(), Transaction::new(header));
        Ok(())
    }

    /// Makes room for another transactional id.
    pub fn make_room(&mut self, id: &str) -> Result<(), ResponseError> {
        let full = |book: &Self| {
            book.by_id.len() >= MAX_IDS || book.id_bytes.saturating_add(id.len()) > MAX_ID_BYTES
        };
        if full(self) {
            self.forget_unused(now());
        }
        if full(self) {
            warn!("refused a transactional id: the broker has too many");
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        Ok(())
    }

    /// Moves a transactional id to a new state, on disk first.
    pub fn advance(&mut self, id: &str, header: Header) -> Result<(), ResponseError> {
        self.write(&[Entry::State {
            id: id.to_owned(),
            header,
        }])?;
        let Some(transaction) = self.by_id.get_mut(id) else {
            return Ok(());
        };
        if header.state.is_open() {
            self.open.insert(id.to_owned());
        } else {
            self.open.remove(id);
            for group in transaction.pending.keys() {
                if let Some(ids) = self.by_group.get_mut(group) {
                    ids.remove(id);
                    if ids.is_empty() {
                        self.by_group.remove(group);
                    }
                }
            }
        }
        self.partition_count -= transaction.partition_count();
        transaction.advance(header);
        self.partition_count += transaction.partition_count();
        self.rewrite_if_due();
        Ok(())
    }

    /// Writes the markers and commits the offsets of a transaction whose end was decided.
    ///
    /// After an error the transaction is still ending; calling this again repeats only what is
    /// missing.
    pub fn complete(&mut self, effects: &dyn Effects, id: &str) -> Result<(), ResponseError> {
        let Some(transaction) = self.by_id.get(id) else {
            return Ok(());
        };
        let header = transaction.header;
        let Some(commits) = header.state.outcome().filter(|_| header.state.is_ending()) else {
            return Ok(());
        };
        let now = now();
        let marker = Marker {
            producer_id: header.producer.id,
            producer_epoch: header.producer.epoch,
            commits,
            timestamp: now,
        };
        for (topic, indexes) in &transaction.partitions {
            for index in indexes {
                let Some(partition) = effects.find_partition(topic, *index) else {
                    continue;
                };
                partition.end_transaction(&marker).map_err(|error| {
                    let reason = &error as &dyn std::error::Error;
                    warn!(topic, index, reason, "failed to write a transaction marker");
                    ResponseError::ConcurrentTransactions
                })?;
            }
        }
        if commits {
            for (group, offsets) in &transaction.pending {
                effects
                    .commit_offsets(group, offsets)
                    .map_err(|_logged| ResponseError::ConcurrentTransactions)?;
            }
        }
        self.advance(id, header.complete(now))
    }

    /// Aborts an open transaction and fences its producer.
    pub fn fence(&mut self, effects: &dyn Effects, id: &str) -> Result<(), ResponseError> {
        let header = self.by_id.get(id).map(|transaction| transaction.header);
        if let Some(header) = header.filter(|header| header.state == State::Ongoing) {
            self.advance(id, header.fenced(now()))?;
        }
        self.complete(effects, id)
    }

    /// Forgets transactional ids that have not been used for long.
    pub fn forget_unused(&mut self, now: i64) {
        let unused = |transaction: &Transaction| {
            let header = &transaction.header;
            !header.state.is_open() && header.updated.saturating_add(UNUSED_KEPT_MS) <= now
        };
        let ids = self.by_id.iter();
        let ids: Vec<String> = ids
            .filter(|(_, transaction)| unused(transaction))
            .map(|(id, _)| id.clone())
            .collect();
        for id in ids {
            if self.write(&[Entry::Expired { id: id.clone() }]).is_err() {
                return;
            }
            self.id_bytes -= id.len();
            if let Some(forgotten) = self.by_id.remove(&id) {
                self.partition_count -= forgotten.partition_count();
            }
        }
    }

    /// Writes entries to the journal.
    pub fn write(&mut self, entries: &[Entry]) -> Result<(), ResponseError> {
        self.journal.append(entries).map_err(|error| {
            let reason = &error as &dyn std::error::Error;
            warn!(reason, "failed to write the journal of transactions");
            ResponseError::CoordinatorNotAvailable
        })
    }

    fn rewrite_if_due(&mut self) {
        if !self.journal.is_rewrite_due() {
            return;
        }
        let ids = self.by_id.iter();
        let entries = ids.flat_map(|(id, transaction)| journal::entries(id, transaction));
        if let Err(error) = self.journal.rewrite(entries) {
            let reason = &error as &dyn std::error::Error;
            warn!(reason, "failed to rewrite the journal of transactions");
        }
    }
}
