//! The examination: every document of a run, one by one, in order of `_id`.
//!
//! A first pass adds fingerprints and follows each vehicle's offsets; where its sum equals the
//! ledger's, the run is clean. Where it does not, a second pass compares each document with the
//! reading the schedule says it is, and finds out which are missing, doubled or changed.

use std::collections::BTreeMap;

use crate::audit::ledger::Ledger;
use crate::audit::tally::{Tally, fingerprint};
use crate::record::{DocumentId, RunKey, StoredDocument, payload_hash};

/// What a run's documents are held against.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The run.
    pub run: RunKey,
    /// Its number of vehicles.
    pub vehicles: u32,
    /// Its topics, each with its number of partitions.
    pub topics: Vec<(String, u32)>,
}

/// First pass: sums, order and labels.
#[derive(Debug)]
pub struct Examination {
    scope: Scope,
    last: Vec<Option<Position>>,
    /// Fingerprints of the documents that say the same of themselves everywhere.
    pub sound: Tally,
    /// Documents that contradict themselves, or belong to nobody.
    pub unsound: u64,
    /// Documents whose offset contradicts their vehicle's order.
    pub reordered: u64,
    /// Documents by label.
    pub labels: BTreeMap<String, u64>,
}

/// Where the last document of a vehicle and topic was read from.
#[derive(Debug, Clone, Copy)]
struct Position {
    partition: i64,
    offset: i64,
}

impl Examination {
    /// Prepares for a run's documents.
    pub fn new(scope: Scope) -> Self {
        let last = vec![None; scope.vehicles as usize * scope.topics.len()];
        Self {
            scope,
            last,
            sound: Tally::default(),
            unsound: 0,
            reordered: 0,
            labels: BTreeMap::new(),
        }
    }

    /// Looks at the next document, in order of `_id`.
    pub fn visit(&mut self, stored: &StoredDocument<'_>) {
        if let Some(label) = stored.label {
            if let Some(count) = self.labels.get_mut(label) {
                *count += 1;
            } else {
                self.labels.insert(label.to_owned(), 1);
            }
        }
        let Some(id) = self.scope.identity(stored) else {
            self.unsound += 1;
            return;
        };
        let hash = payload_hash(stored.payload);
        let Some(topic) = self.scope.topic_of(stored) else {
            self.unsound += 1;
            return;
        };
        if stored.payload_hash != Some(hash) {
            self.unsound += 1;
            return;
        }
        self.sound
            .add(fingerprint(&id, hash, stored.emitted_at_unix_ms));
        let position = Position {
            partition: stored.partition,
            offset: stored.offset,
        };
        // Ids sort by sequence, so a vehicle's documents come in the order it emitted them.
        let last = id.vehicle() as usize * self.scope.topics.len() + topic;
        if let Some(last) = self.last[last].replace(position)
            && last.partition == position.partition
            && last.offset >= position.offset
        {
            self.reordered += 1;
        }
    }

    /// Looks at a document that cannot even be read.
    pub fn visit_unreadable(&mut self) {
        self.unsound += 1;
    }

    /// Returns whether the documents are exactly what was emitted.
    pub fn agrees_with(&self, ledger: &Ledger) -> bool {
        self.unsound == 0
            && self.sound == ledger.messages
            && ledger.messages.count + ledger.spoilt == ledger.emitted
    }
}

impl Scope {
    /// Returns a document's id if it is one of this run and its fields agree with it.
    fn identity(&self, stored: &StoredDocument<'_>) -> Option<DocumentId> {
        let id = stored.id?;
        let agrees = id.run() == self.run
            && id.vehicle() < self.vehicles
            && stored.vehicle == Some(i64::from(id.vehicle()))
            && stored.sequence == Some(id.sequence().cast_signed());
        agrees.then_some(id)
    }

    /// Returns the index of the topic that a document comes from; none if this run does not send
    /// there.
    fn topic_of(&self, stored: &StoredDocument<'_>) -> Option<usize> {
        let known = |(topic, partitions): &(String, u32)| {
            topic == stored.topic && (0..i64::from(*partitions)).contains(&stored.partition)
        };
        let topic = self.topics.iter().position(known)?;
        (stored.offset >= 0).then_some(topic)
    }
}

/// What a reading's document should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Hash of the payload, where the row is at hand.
    pub payload_hash: Option<u64>,
    /// Date, where the schedule fixes it; milliseconds since 1970.
    pub emitted_at_unix_ms: Option<i64>,
}

/// Second pass: each document against its reading.
#[derive(Debug)]
pub struct Inquest {
    scope: Scope,
    /// First slot of each vehicle; one more entry than vehicles.
    slots: Vec<u64>,
    /// One bit per emitted reading: whether its document was seen.
    seen: Vec<u64>,
    /// Documents beyond the first of a reading.
    pub duplicated: u64,
    /// Documents that are not what was emitted.
    pub corrupt: u64,
    /// Readings with a document.
    pub stored: u64,
}

impl Inquest {
    /// Prepares for a run of which each vehicle emitted so many readings.
    pub fn new(scope: Scope, emitted_per_vehicle: &[u64]) -> Self {
        let mut slots = Vec::with_capacity(emitted_per_vehicle.len() + 1);
        let mut total = 0;
        slots.push(0);
        for count in emitted_per_vehicle {
            total += count;
            slots.push(total);
        }
        let words = usize::try_from(total.div_ceil(64)).unwrap_or(usize::MAX);
        Self {
            scope,
            slots,
            seen: vec![0; words],
            duplicated: 0,
            corrupt: 0,
            stored: 0,
        }
    }

    /// Returns the position of a reading among all, vehicle by vehicle; none if never emitted.
    pub fn slot(&self, vehicle: u32, sequence: u64) -> Option<u64> {
        let first = *self.slots.get(vehicle as usize)?;
        let end = *self.slots.get(vehicle as usize + 1)?;
        let slot = first.checked_add(sequence)?;
        (slot < end).then_some(slot)
    }

    /// Looks at one document. `expected` tells what the reading in a slot should be.
    pub fn visit(&mut self, stored: &StoredDocument<'_>, expected: impl FnOnce(u64) -> Expected) {
        let Some(id) = stored.id.filter(|id| id.run() == self.scope.run) else {
            // Another `_id` than ours: a copy of a reading, or something nobody emitted.
            let vehicle = stored
                .vehicle
                .and_then(|vehicle| u32::try_from(vehicle).ok());
            let sequence = stored
                .sequence
                .and_then(|sequence| u64::try_from(sequence).ok());
            match vehicle.zip(sequence).and_then(|(v, s)| self.slot(v, s)) {
                Some(_) => self.duplicated += 1,
                None => self.corrupt += 1,
            }
            return;
        };
        let Some(slot) = self.slot(id.vehicle(), id.sequence()) else {
            self.corrupt += 1;
            return;
        };
        self.mark(slot);
        let expected = expected(slot);
        let hash = payload_hash(stored.payload);
        let sound = self.scope.identity(stored).is_some()
            && self.scope.topic_of(stored).is_some()
            && stored.payload_hash == Some(hash)
            && expected.payload_hash.is_none_or(|emitted| emitted == hash)
            && expected
                .emitted_at_unix_ms
                .is_none_or(|date| date == stored.emitted_at_unix_ms);
        if !sound {
            self.corrupt += 1;
        }
    }

    /// Looks at a document that cannot even be read.
    pub fn visit_unreadable(&mut self) {
        self.corrupt += 1;
    }

    fn mark(&mut self, slot: u64) {
        let word = usize::try_from(slot / 64).expect("slots are counted in memory");
        let bit = 1 << (slot % 64);
        if self.seen[word] & bit == 0 {
            self.seen[word] |= bit;
            self.stored += 1;
        } else {
            self.duplicated += 1;
        }
    }
}
