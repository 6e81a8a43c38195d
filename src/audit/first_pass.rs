//! First pass of the audit: reads every document of a run once, in order of `_id`.
//!
//! It adds the fingerprints of all documents and follows each vehicle's offsets. If the sum equals
//! the ledger's, the run is clean. If not, [`SecondPass`](crate::audit::SecondPass) compares each
//! document with its reading.

use std::collections::BTreeMap;

use crate::audit::ledger::Ledger;
use crate::audit::scope::Scope;
use crate::audit::tally::{Tally, fingerprint};
use crate::record::{StoredDocument, payload_hash};

/// Sums, order and labels of the documents of a run.
#[derive(Debug)]
pub struct FirstPass {
    scope: Scope,
    last: Vec<Option<Position>>,
    /// Fingerprints of the documents whose fields agree with each other.
    pub sound: Tally,
    /// Documents whose fields contradict each other, or that belong to no vehicle of the run.
    pub unsound: u64,
    /// Documents whose offset contradicts their vehicle's order.
    pub reordered: u64,
    /// Documents by label.
    pub labels: BTreeMap<String, u64>,
}

/// Partition and offset of the last document of a vehicle and topic.
#[derive(Debug, Clone, Copy)]
struct Position {
    partition: i64,
    offset: i64,
}

impl FirstPass {
    /// Prepares for the documents of a run.
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

    /// Reads the next document, in order of `_id`.
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

    /// Counts a document that cannot be decoded.
    pub fn visit_unreadable(&mut self) {
        self.unsound += 1;
    }

    /// Returns whether the documents are exactly the readings emitted.
    pub fn agrees_with(&self, ledger: &Ledger) -> bool {
        self.unsound == 0
            && self.sound == ledger.messages
            && ledger.messages.count + ledger.invalid == ledger.emitted
    }
}
