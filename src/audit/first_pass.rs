//! First pass of the audit: reads every document of a run once, in any order.
//!
//! It adds the fingerprints of all documents and follows each vehicle's offsets. If the sum equals
//! the ledger's, the run is clean. If not, [`SecondPass`](crate::audit::SecondPass) compares each
//! document with its reading.

use std::collections::BTreeMap;

use crate::audit::ledger::Ledger;
use crate::audit::order::VehicleOrder;
use crate::audit::scope::Scope;
use crate::audit::tally::{Tally, fingerprint};
use crate::record::StoredDocument;

/// Sums, order and labels of the documents of a run.
#[derive(Debug)]
pub struct FirstPass {
    scope: Scope,
    /// Order of the records of each vehicle.
    pub order: VehicleOrder,
    /// Fingerprints of the documents whose fields agree with each other.
    pub sound: Tally,
    /// Documents whose fields contradict each other, or that belong to no vehicle of the run.
    pub unsound: u64,
    /// Documents by label.
    pub labels: BTreeMap<String, u64>,
}

impl FirstPass {
    /// Prepares for the documents of a run.
    pub fn new(scope: Scope) -> Self {
        let order = VehicleOrder::new(scope.vehicles, scope.topics.len());
        Self {
            scope,
            order,
            sound: Tally::default(),
            unsound: 0,
            labels: BTreeMap::new(),
        }
    }

    /// Reads the next document.
    pub fn visit(&mut self, stored: &StoredDocument<'_>) {
        if let Some(label) = stored.label {
            if let Some(count) = self.labels.get_mut(label) {
                *count += 1;
            } else {
                self.labels.insert(label.to_owned(), 1);
            }
        }
        let (Some(id), Some((reading, position))) = (stored.id, self.scope.position(stored)) else {
            self.unsound += 1;
            return;
        };
        let hash = stored.content_hash;
        if stored.payload_hash != Some(hash) {
            self.unsound += 1;
            return;
        }
        self.sound
            .add(fingerprint(&id, hash, stored.emitted_at_unix_ms));
        self.order.visit(reading, position);
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
