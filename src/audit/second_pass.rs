//! Second pass of the audit: compares each document with its reading, to count the missing,
//! duplicated and corrupt ones.

use crate::audit::scope::Scope;
use crate::record::StoredDocument;

/// Expected content of a reading's document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Hash of the payload; `None` if the dataset is not available.
    pub payload_hash: Option<u64>,
    /// Date in milliseconds since 1970; `None` if the schedule does not fix it.
    pub emitted_at_unix_ms: Option<i64>,
}

/// Comparison of each document with its reading.
#[derive(Debug)]
pub struct SecondPass {
    scope: Scope,
    /// First slot of each vehicle; one more entry than vehicles.
    slots: Vec<u64>,
    /// One bit per emitted reading: whether its document was seen, or is known to be elsewhere.
    seen: Vec<u64>,
    /// Documents after the first of a reading.
    pub duplicated: u64,
    /// Documents that differ from their reading, or have none.
    pub corrupt: u64,
    /// Readings with a document.
    pub stored: u64,
}

impl SecondPass {
    /// Prepares for the documents of a run, given the number of readings that each vehicle emitted.
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

    /// Returns the position of a reading among all, vehicle by vehicle; `None` if it was not emitted.
    pub fn slot(&self, vehicle: u32, sequence: u64) -> Option<u64> {
        let first = *self.slots.get(vehicle as usize)?;
        let end = *self.slots.get(vehicle as usize + 1)?;
        let slot = first.checked_add(sequence)?;
        (slot < end).then_some(slot)
    }

    /// Compares one document. `expected` returns the expected content of the reading in a slot.
    pub fn visit(&mut self, stored: &StoredDocument<'_>, expected: impl FnOnce(u64) -> Expected) {
        let Some(id) = stored.id.filter(|id| id.run() == self.scope.run) else {
            // A foreign `_id`: a copy of a reading, or a document that was not emitted.
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
        let hash = stored.content_hash;
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

    /// Returns whether an emitted reading has no document, and counts it as explained from now on.
    pub fn explain(&mut self, vehicle: u32, sequence: u64) -> bool {
        let slot = self.slot(vehicle, sequence);
        slot.is_some_and(|slot| self.set(slot))
    }

    /// Counts a document that cannot be decoded.
    pub fn visit_unreadable(&mut self) {
        self.corrupt += 1;
    }

    fn mark(&mut self, slot: u64) {
        if self.set(slot) {
            self.stored += 1;
        } else {
            self.duplicated += 1;
        }
    }

    /// Sets the bit of a slot. Returns whether it was not set before.
    fn set(&mut self, slot: u64) -> bool {
        let word = usize::try_from(slot / 64).expect("slots are counted in memory");
        let bit = 1 << (slot % 64);
        let new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        new
    }
}
