//! The state of one transactional id, without clock, locks or files.
//!
//! ```text
//!          first partition or group          commit                       markers written
//!  Empty ───────────────────────▶ Ongoing ────────────▶ PrepareCommit ──────────────────▶ CompleteCommit
//!    ▲                              │   abort, timeout                                          │
//!    │ new epoch                    └─────────────────▶ PrepareAbort ─────▶ CompleteAbort ──────┤
//!    └──────────────────────────────────────────────────────────────────────────────────────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::error::ResponseError;
use serde::{Deserialize, Serialize};

use crate::group::Offsets;
use crate::wire::{self, Reader};

/// Last epoch before a producer gets a new id.
const LAST_EPOCH: i16 = i16::MAX - 1;

/// An epoch or a time that is not known.
pub const NONE: i16 = -1;

/// Partitions by topic.
pub type Partitions = BTreeMap<String, BTreeSet<i32>>;

/// Offsets by group.
pub type PendingOffsets = BTreeMap<String, Offsets>;

/// A producer's id and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Producer {
    pub id: i64,
    pub epoch: i16,
}

impl Producer {
    /// Decodes a producer as requests name it.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, wire::Error> {
        Ok(Self {
            id: reader.i64()?,
            epoch: reader.i16()?,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The producer has not begun a transaction.
    Empty,
    Ongoing,
    /// The transaction commits; markers are still to be written.
    PrepareCommit,
    /// The transaction aborts; markers are still to be written.
    PrepareAbort,
    CompleteCommit,
    CompleteAbort,
}

/// A transactional id without its partitions and offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub producer: Producer,
    /// Epoch before the last change that the producer asked for; -1 if none.
    pub last_epoch: i16,
    /// Producer id before the last one was used up.
    pub previous_id: Option<i64>,
    pub timeout_ms: i32,
    pub state: State,
    /// Milliseconds since 1970.
    pub started: i64,
    /// Milliseconds since 1970.
    pub updated: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    pub header: Header,
    /// Those of the current transaction, or of the last one.
    pub partitions: Partitions,
    /// Offsets to commit with the transaction.
    pub pending: PendingOffsets,
    /// Memory of these offsets, about.
    pub pending_bytes: usize,
}

/// Memory of a group or an offset beside its texts, about.
const ENTRY_BYTES: usize = 100;

/// Returns the memory of offsets of a group, about.
pub fn bytes_of(group: &str, offsets: &Offsets) -> usize {
    let mut bytes = ENTRY_BYTES + group.len();
    for (topic, partitions) in offsets.iter() {
        bytes += topic.len();
        for committed in partitions.values() {
            bytes += ENTRY_BYTES + committed.metadata.as_ref().map_or(0, String::len);
        }
    }
    bytes
}

impl State {
    pub const ALL: [Self; 6] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
    ];

    /// Returns Kafka's name of the state.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }

    /// Returns whether the transaction commits, if its end has been decided.
    pub fn outcome(self) -> Option<bool> {
        match self {
            Self::Empty | Self::Ongoing => None,
            Self::PrepareCommit | Self::CompleteCommit => Some(true),
            Self::PrepareAbort | Self::CompleteAbort => Some(false),
        }
    }

    /// Whether markers are still to be written.
    pub fn is_ending(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }

    /// Whether a transaction is open.
    pub fn is_open(self) -> bool {
        self == Self::Ongoing || self.is_ending()
    }
}

impl Header {
    /// Returns the state of a new transactional id.
    pub fn new(producer: Producer, timeout_ms: i32, now: i64) -> Self {
        Self {
            producer,
            last_epoch: NONE,
            previous_id: None,
            timeout_ms,
            state: State::Empty,
            started: i64::from(NONE),
            updated: now,
        }
    }

    /// Checks the producer that a request names.
    pub fn check(&self, producer: Producer) -> Result<(), ResponseError> {
        if producer.id != self.producer.id {
            Err(ResponseError::InvalidProducerIdMapping)
        } else if producer.epoch != self.producer.epoch {
            Err(ResponseError::ProducerFenced)
        } else if self.state.is_ending() {
            Err(ResponseError::ConcurrentTransactions)
        } else {
            Ok(())
        }
    }

    /// Checks the producer that asks for a new epoch; returns whether it repeats its last request.
    pub fn check_expected(&self, expected: Producer) -> Result<bool, ResponseError> {
        if expected.id == self.producer.id {
            let repeats = expected.epoch == self.last_epoch && self.state != State::Ongoing;
            if expected.epoch == self.producer.epoch || repeats {
                return Ok(repeats);
            }
        }
        let repeats = self.previous_id == Some(expected.id)
            && expected.epoch >= LAST_EPOCH
            && self.state != State::Ongoing;
        if repeats {
            Ok(true)
        } else {
            Err(ResponseError::ProducerFenced)
        }
    }

    /// Returns the state after the producer was fenced and its transaction aborts.
    pub fn fenced(mut self, now: i64) -> Self {
        self.producer.epoch = self.producer.epoch.saturating_add(1);
        self.last_epoch = NONE;
        self.state = State::PrepareAbort;
        self.updated = now;
        self
    }

    /// Whether no epoch is left for the producer id.
    pub fn is_exhausted(&self) -> bool {
        self.producer.epoch >= LAST_EPOCH
    }

    /// Returns the state after the producer got a new epoch; with `fresh_id` also a new id.
    pub fn renewed(
        mut self,
        expected: Option<Producer>,
        fresh_id: Option<i64>,
        timeout_ms: i32,
        now: i64,
    ) -> Self {
        self.last_epoch = expected.map_or(NONE, |expected| expected.epoch);
        if let Some(id) = fresh_id {
            self.previous_id = Some(self.producer.id);
            self.producer = Producer { id, epoch: 0 };
        } else {
            self.producer.epoch = self.producer.epoch.saturating_add(1);
        }
        self.state = State::Empty;
        self.timeout_ms = timeout_ms;
        self.started = i64::from(NONE);
        self.updated = now;
        self
    }

    /// Returns the state with an open transaction.
    pub fn begun(mut self, now: i64) -> Self {
        if self.state != State::Ongoing {
            self.state = State::Ongoing;
            self.started = now;
        }
        self.updated = now;
        self
    }

    /// Returns the state after the end was decided; `None` if it was already complete.
    pub fn ending(mut self, commits: bool, now: i64) -> Result<Option<Self>, ResponseError> {
        if self.state.outcome() == Some(commits) {
            return Ok(None);
        }
        if self.state != State::Ongoing {
            return Err(ResponseError::InvalidTxnState);
        }
        self.state = if commits {
            State::PrepareCommit
        } else {
            State::PrepareAbort
        };
        self.updated = now;
        Ok(Some(self))
    }

    /// Returns the state after all markers were written.
    pub fn complete(mut self, now: i64) -> Self {
        self.state = match self.state {
            State::PrepareCommit => State::CompleteCommit,
            State::PrepareAbort => State::CompleteAbort,
            other => other,
        };
        self.updated = now;
        self
    }

    /// Whether an open transaction has exceeded its timeout.
    pub fn is_overdue(&self, now: i64) -> bool {
        let deadline = self.started.saturating_add(i64::from(self.timeout_ms));
        self.state == State::Ongoing && deadline <= now
    }
}

impl Transaction {
    pub fn new(header: Header) -> Self {
        Self {
            header,
            partitions: Partitions::new(),
            pending: PendingOffsets::new(),
            pending_bytes: 0,
        }
    }

    /// Moves to a new state; a new transaction has no partitions, an ended one no offsets.
    pub fn advance(&mut self, header: Header) {
        if header.state == State::Ongoing && self.header.state != State::Ongoing {
            self.partitions.clear();
        }
        if !header.state.is_open() {
            self.pending.clear();
            self.pending_bytes = 0;
        }
        self.header = header;
    }

    /// Adds partitions; returns how many are new.
    pub fn add_partitions(&mut self, partitions: &Partitions) -> usize {
        let mut added = 0;
        for (topic, indexes) in partitions {
            let known = self.partitions.entry(topic.clone()).or_default();
            added += indexes.iter().filter(|index| known.insert(**index)).count();
        }
        added
    }

    pub fn has_partitions(&self, partitions: &Partitions) -> bool {
        partitions.iter().all(|(topic, indexes)| {
            let known = self.partitions.get(topic);
            known.is_some_and(|known| known.is_superset(indexes))
        })
    }

    pub fn has_partition(&self, topic: &str, index: i32) -> bool {
        let known = self.partitions.get(topic);
        known.is_some_and(|known| known.contains(&index))
    }

    pub fn partition_count(&self) -> usize {
        self.partitions.values().map(BTreeSet::len).sum()
    }

    /// Adds offsets of a group.
    pub fn add_offsets(&mut self, group: &str, offsets: &Offsets) {
        let pending = self.pending.entry(group.to_owned()).or_default();
        for (topic, partitions) in offsets.iter() {
            for (index, committed) in partitions {
                pending.commit(topic, *index, committed.clone());
            }
        }
        let bytes = self.pending.iter();
        self.pending_bytes = bytes.map(|(group, offsets)| bytes_of(group, offsets)).sum();
    }
}
