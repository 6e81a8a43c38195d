//! Audit of the collection of another program: documents of any shape that carry the identity of their
//! reading, in the order in which they were stored.
//!
//! Memory: four bytes and one bit for each reading, and sixteen bytes for each vehicle.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::audit::ledger::Ledger;
use crate::audit::reading_id::ReadingId;
use crate::audit::verdict::Verdict;

/// Number of examples of each kind in a report.
const EXAMPLES: usize = 5;

/// Successive readings of one vehicle that have no document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingReadings {
    /// Index of the vehicle.
    pub vehicle: u32,
    /// Number of the first of them.
    pub first_sequence: u64,
    /// Number of the last of them.
    pub last_sequence: u64,
}

/// A document that differs from its reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedDocument {
    /// Index of the vehicle; absent if the document names no vehicle of the run.
    pub vehicle: Option<u32>,
    /// Number of the reading; absent if the document names none.
    pub sequence: Option<u64>,
    /// What differs.
    pub difference: String,
}

/// A vehicle whose readings were stored out of order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReorderedVehicle {
    /// Index of the vehicle.
    pub vehicle: u32,
    /// Readings whose first document came after that of a later reading.
    pub readings: u64,
}

/// Readings of a run by vehicle, and what the documents say about each.
#[derive(Debug)]
pub struct CollectionPass {
    /// First slot of each vehicle; one more entry than vehicles.
    slots: Vec<u64>,
    /// Row of the reading in each slot; [`WITHHELD`] if it was not emitted.
    rows: Vec<u32>,
    /// One bit per slot: whether its document was seen.
    seen: Vec<u64>,
    /// Greatest sequence seen of each vehicle, plus one.
    highest: Vec<u64>,
    /// Reordered readings of each vehicle.
    reordered_of: Vec<u64>,
    /// Readings with a document.
    pub stored: u64,
    /// Documents after the first of a reading.
    pub duplicated: u64,
    /// Documents that differ from their reading, or have none.
    pub changed: u64,
    /// Readings whose first document came after that of a later reading of their vehicle.
    pub reordered: u64,
    /// Examples of changed documents.
    pub changed_examples: Vec<ChangedDocument>,
}

/// Row of a reading that was scheduled and not emitted.
const WITHHELD: u32 = u32::MAX;

impl CollectionPass {
    /// Prepares for the documents of a run, given the number of readings of each vehicle.
    pub fn new(per_vehicle: &[u64]) -> Self {
        let mut slots = Vec::with_capacity(per_vehicle.len() + 1);
        let mut total: u64 = 0;
        slots.push(0);
        for count in per_vehicle {
            total += count;
            slots.push(total);
        }
        Self {
            slots,
            rows: vec![WITHHELD; index(total)],
            seen: vec![0; index(total.div_ceil(64))],
            highest: vec![0; per_vehicle.len()],
            reordered_of: vec![0; per_vehicle.len()],
            stored: 0,
            duplicated: 0,
            changed: 0,
            reordered: 0,
            changed_examples: Vec::new(),
        }
    }

    /// Says that a reading was emitted, with a row of the dataset.
    pub fn emitted(&mut self, reading: ReadingId, row: u64) {
        let slot = self.slot(reading);
        if let (Some(slot), Ok(row)) = (slot, u32::try_from(row)) {
            self.rows[index(slot)] = row;
        }
    }

    fn slot(&self, reading: ReadingId) -> Option<u64> {
        let first = *self.slots.get(reading.vehicle as usize)?;
        let end = *self.slots.get(reading.vehicle as usize + 1)?;
        let slot = first.checked_add(reading.sequence)?;
        (slot < end).then_some(slot)
    }

    /// Reads the next document, in the order in which they were stored. `vehicle` and `sequence` are
    /// `None` if the document has none; `difference` compares it with a row.
    pub fn visit(
        &mut self,
        vehicle: Option<u32>,
        sequence: Option<u64>,
        difference: impl FnOnce(u64) -> Option<String>,
    ) {
        let reading = vehicle.zip(sequence);
        let reading = reading.map(|(vehicle, sequence)| ReadingId { vehicle, sequence });
        let emitted = reading.and_then(|reading| {
            let slot = self.slot(reading)?;
            let row = self.rows[index(slot)];
            (row != WITHHELD).then_some((reading, slot, row))
        });
        let Some((reading, slot, row)) = emitted else {
            let difference = match (vehicle, sequence) {
                (Some(_), Some(_)) => "no such reading was emitted",
                (Some(_), None) => "`convoy_sequence` is missing or no whole number",
                (None, Some(_)) => "`convoy_vehicle` is missing or no vehicle's number",
                (None, None) => "`convoy_vehicle` and `convoy_sequence` are missing or no numbers",
            };
            self.count_changed(vehicle, sequence, difference.to_owned());
            return;
        };
        self.mark(reading, slot);
        if let Some(difference) = difference(row.into()) {
            self.count_changed(vehicle, sequence, difference);
        }
    }

    fn mark(&mut self, reading: ReadingId, slot: u64) {
        let (word, bit) = (index(slot / 64), 1 << (slot % 64));
        if self.seen[word] & bit != 0 {
            self.duplicated += 1;
            return;
        }
        self.seen[word] |= bit;
        self.stored += 1;
        let highest = &mut self.highest[reading.vehicle as usize];
        let reordered = u64::from(reading.sequence < *highest);
        self.reordered += reordered;
        self.reordered_of[reading.vehicle as usize] += reordered;
        *highest = (*highest).max(reading.sequence + 1);
    }

    fn count_changed(&mut self, vehicle: Option<u32>, sequence: Option<u64>, difference: String) {
        self.changed += 1;
        if self.changed_examples.len() < EXAMPLES {
            self.changed_examples.push(ChangedDocument {
                vehicle,
                sequence,
                difference,
            });
        }
    }

    /// Returns the first readings that have no document.
    pub fn missing_examples(&self) -> Vec<MissingReadings> {
        let mut found: Vec<MissingReadings> = Vec::new();
        for (vehicle, first) in (0..).zip(&self.slots[..self.highest.len()]) {
            let end = self.slots[vehicle as usize + 1];
            for slot in *first..end {
                let seen = self.seen[index(slot / 64)] & (1 << (slot % 64)) != 0;
                if seen || self.rows[index(slot)] == WITHHELD {
                    continue;
                }
                let sequence = slot - first;
                let follows = |last: &&mut MissingReadings| {
                    last.vehicle == vehicle && last.last_sequence + 1 == sequence
                };
                if let Some(last) = found.last_mut().filter(follows) {
                    last.last_sequence = sequence;
                    continue;
                }
                if found.len() == EXAMPLES {
                    return found;
                }
                found.push(MissingReadings {
                    vehicle,
                    first_sequence: sequence,
                    last_sequence: sequence,
                });
            }
        }
        found
    }

    /// Returns the vehicles with the most reordered readings.
    pub fn reordered_examples(&self) -> Vec<ReorderedVehicle> {
        let all = (0..).zip(&self.reordered_of);
        let mut found: Vec<ReorderedVehicle> = all
            .filter(|(_, readings)| **readings > 0)
            .map(|(vehicle, readings)| ReorderedVehicle {
                vehicle,
                readings: *readings,
            })
            .collect();
        found.sort_by_key(|it| (Reverse(it.readings), it.vehicle));
        found.truncate(EXAMPLES);
        found
    }

    /// Returns the verdict. `ordered` says whether the broker kept the order of each vehicle's readings.
    pub fn verdict(&self, ledger: &Ledger, ordered: bool) -> Verdict {
        let absent = ledger.emitted.saturating_sub(self.stored);
        let undelivered = absent.min(ledger.not_acked);
        Verdict {
            emitted: ledger.emitted,
            stored: self.stored,
            missing: absent - undelivered,
            duplicated: self.duplicated,
            corrupt: self.changed,
            reordered: if ordered { self.reordered } else { 0 },
            undelivered,
            ..Verdict::default()
        }
    }
}

/// Returns a number of slots, which are counted in memory, as an index.
fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VEHICLES: u32 = 3;
    const PER_VEHICLE: u64 = 70;

    fn pass() -> CollectionPass {
        let mut pass = CollectionPass::new(&[PER_VEHICLE; VEHICLES as usize]);
        for (vehicle, sequence) in readings() {
            pass.emitted(ReadingId { vehicle, sequence }, sequence);
        }
        pass
    }

    fn ledger() -> Ledger {
        Ledger {
            emitted: u64::from(VEHICLES) * PER_VEHICLE,
            ..Ledger::default()
        }
    }

    /// All readings in the order of emission.
    fn readings() -> Vec<(u32, u64)> {
        let sequences = 0..PER_VEHICLE;
        let all = sequences.flat_map(|sequence| (0..VEHICLES).map(move |it| (it, sequence)));
        all.collect()
    }

    fn verdict(documents: &[(u32, u64)]) -> Verdict {
        let mut pass = pass();
        for (vehicle, sequence) in documents {
            pass.visit(Some(*vehicle), Some(*sequence), |row| {
                (row != *sequence).then(|| "other row".to_owned())
            });
        }
        pass.verdict(&ledger(), true)
    }

    #[test]
    fn every_reading_once_is_clean() {
        let verdict = verdict(&readings());
        assert!(verdict.clean());
        assert_eq!((verdict.stored, verdict.reordered), (210, 0));
    }

    #[test]
    fn documents_of_no_emitted_reading_are_corrupt() {
        let mut pass = pass();
        for (vehicle, sequence) in [
            (None, Some(1)),
            (Some(1), None),
            (Some(VEHICLES), Some(0)),
            (Some(0), Some(PER_VEHICLE)),
            (Some(0), Some(u64::MAX)),
        ] {
            pass.visit(vehicle, sequence, |_row| None);
        }
        assert_eq!((pass.changed, pass.stored), (5, 0));
    }

    #[test]
    fn unacknowledged_readings_are_undelivered_not_missing() {
        let pass = pass();
        let ledger = Ledger {
            not_acked: 10,
            ..ledger()
        };
        let verdict = pass.verdict(&ledger, true);
        assert_eq!((verdict.undelivered, verdict.missing), (10, 200));
    }

    #[test]
    fn missing_readings_are_listed_by_ranges() {
        let mut pass = pass();
        for (vehicle, sequence) in readings() {
            if !(vehicle == 1 && (5..8).contains(&sequence)) && (vehicle, sequence) != (2, 69) {
                pass.visit(Some(vehicle), Some(sequence), |_row| None);
            }
        }
        let range = |vehicle, first_sequence, last_sequence| MissingReadings {
            vehicle,
            first_sequence,
            last_sequence,
        };
        assert_eq!(pass.missing_examples(), [range(1, 5, 7), range(2, 69, 69)]);
    }

    proptest! {
        #[test]
        fn dropped_repeated_and_changed_documents_are_counted(
            dropped in prop::collection::btree_set(0_usize..210, 0..20),
            repeated in prop::collection::vec(0_usize..210, 0..20),
            changed in prop::collection::btree_set(0_usize..210, 0..20),
        ) {
            let readings = readings();
            let mut pass = pass();
            let mut visit = |n: usize, first: bool| {
                let (vehicle, sequence) = readings[n];
                let spoilt = first && changed.contains(&n);
                pass.visit(Some(vehicle), Some(sequence), |_row| spoilt.then(String::new));
            };
            let kept: Vec<usize> = (0..210).filter(|n| !dropped.contains(n)).collect();
            for n in &kept {
                visit(*n, true);
            }
            let again: Vec<usize> = repeated.into_iter().filter(|n| !dropped.contains(n)).collect();
            for n in &again {
                visit(*n, false);
            }
            let verdict = pass.verdict(&ledger(), true);
            prop_assert_eq!(verdict.missing, dropped.len() as u64);
            prop_assert_eq!(verdict.duplicated, again.len() as u64);
            prop_assert_eq!(verdict.corrupt, changed.difference(&dropped).count() as u64);
            prop_assert_eq!(verdict.reordered, 0, "repetitions are no disorder");
        }

        #[test]
        fn readings_after_a_later_one_of_their_vehicle_are_reordered(at in 0_usize..200) {
            let mut moved = readings();
            let late = moved.remove(at);
            moved.push(late);
            let later = moved.iter().filter(|(vehicle, sequence)| {
                *vehicle == late.0 && *sequence > late.1
            });
            let expected = u64::from(later.count() > 0);
            prop_assert_eq!(verdict(&moved).reordered, expected);
            let mut pass = pass();
            for (vehicle, sequence) in moved {
                pass.visit(Some(vehicle), Some(sequence), |_row| None);
            }
            let vehicles: Vec<u32> = pass.reordered_examples().iter().map(|it| it.vehicle).collect();
            prop_assert_eq!(vehicles, vec![late.0; usize::from(expected > 0)]);
        }
    }
}
