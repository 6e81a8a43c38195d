//! Order of the records of each vehicle, from documents that come nearly in the order of emission.
//!
//! Stores return documents fastest in the order in which they were stored, where concurrent inserts
//! swap a few. A document that comes too early waits for those before it.

use std::collections::{BTreeMap, HashMap};

use crate::audit::reading_id::ReadingId;

/// Documents of one vehicle that wait; then the reading they wait for counts as missing.
const WAITING_OF_VEHICLE: usize = 256;

/// Documents of all vehicles that wait; then the order is given up.
const WAITING_IN_ALL: usize = 1 << 20;

/// Place of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Index of the topic.
    pub topic: usize,
    /// Partition of the topic.
    pub partition: i64,
    /// Offset in the partition.
    pub offset: i64,
}

/// Compares the offsets of each vehicle's records with the order in which it emitted them.
#[derive(Debug)]
pub struct VehicleOrder {
    topics: usize,
    /// Sequence of the next reading of each vehicle to compare.
    next: Vec<u64>,
    /// Position of the last compared reading of each vehicle and topic.
    last: Vec<Option<Position>>,
    /// Documents by vehicle and sequence that came before one of a smaller sequence.
    waiting: HashMap<u32, BTreeMap<u64, Position>>,
    number_waiting: usize,
    reordered: u64,
    /// Whether no document came too late to be compared.
    known: bool,
    /// Whether documents come in the order of emission, so that none has to wait.
    sorted: bool,
}

impl VehicleOrder {
    /// Prepares for the documents of a run.
    pub fn new(vehicles: u32, topics: usize) -> Self {
        let vehicles = vehicles as usize;
        Self {
            topics,
            next: vec![0; vehicles],
            last: vec![None; vehicles * topics],
            waiting: HashMap::new(),
            number_waiting: 0,
            reordered: 0,
            known: true,
            sorted: false,
        }
    }

    /// Expects the documents of each vehicle in the order of emission.
    #[must_use]
    pub fn sorted(self) -> Self {
        Self {
            sorted: true,
            ..self
        }
    }

    /// Adds a document of a vehicle and topic of the run.
    pub fn visit(&mut self, reading: ReadingId, position: Position) {
        if !self.known {
            return;
        }
        let next = self.next[reading.vehicle as usize];
        if self.sorted {
            self.compare(reading, position);
        } else if reading.sequence < next {
            self.known = false;
        } else if reading.sequence == next {
            self.compare(reading, position);
            self.compare_successors(reading.vehicle);
        } else {
            self.wait(reading, position);
        }
    }

    /// Returns the number of records whose offset contradicts the order of their vehicle; `None` if
    /// documents came too late to tell. Then [sort](Self::sorted) them.
    pub fn finish(&mut self) -> Option<u64> {
        for (vehicle, documents) in std::mem::take(&mut self.waiting) {
            for (sequence, position) in documents {
                self.compare(ReadingId { vehicle, sequence }, position);
            }
        }
        self.known.then_some(self.reordered)
    }

    /// Returns the number of records found so far whose offset contradicts the order of their vehicle.
    pub fn reordered(&self) -> u64 {
        self.reordered
    }

    fn compare(&mut self, reading: ReadingId, position: Position) {
        self.next[reading.vehicle as usize] = reading.sequence + 1;
        let last = reading.vehicle as usize * self.topics + position.topic;
        if let Some(last) = self.last[last].replace(position)
            && last.partition == position.partition
            && last.offset >= position.offset
        {
            self.reordered += 1;
        }
    }

    fn wait(&mut self, reading: ReadingId, position: Position) {
        let waiting = self.waiting.entry(reading.vehicle).or_default();
        let new = waiting.insert(reading.sequence, position).is_none();
        self.number_waiting += usize::from(new);
        if self.number_waiting > WAITING_IN_ALL {
            self.known = false;
            self.waiting.clear();
            return;
        }
        if waiting.len() <= WAITING_OF_VEHICLE {
            return;
        }
        if let Some((sequence, position)) = waiting.pop_first() {
            self.number_waiting -= 1;
            let vehicle = reading.vehicle;
            self.compare(ReadingId { vehicle, sequence }, position);
            self.compare_successors(vehicle);
        }
    }

    /// Compares the documents that waited for the one before.
    fn compare_successors(&mut self, vehicle: u32) {
        if self.number_waiting == 0 {
            return;
        }
        while let Some(waiting) = self.waiting.get_mut(&vehicle) {
            let sequence = self.next[vehicle as usize];
            let Some(position) = waiting.remove(&sequence) else {
                return;
            };
            self.number_waiting -= 1;
            if waiting.is_empty() {
                self.waiting.remove(&vehicle);
            }
            self.compare(ReadingId { vehicle, sequence }, position);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const READINGS: u64 = 600;

    /// Offsets of one vehicle's records by sequence.
    fn reordered(offsets: &[(u64, i64)], topic: usize) -> Option<u64> {
        let mut order = VehicleOrder::new(2, 2);
        for (sequence, offset) in offsets {
            let position = Position {
                topic,
                partition: 0,
                offset: *offset,
            };
            let sequence = *sequence;
            order.visit(
                ReadingId {
                    vehicle: 1,
                    sequence,
                },
                position,
            );
        }
        order.finish()
    }

    fn in_order() -> Vec<(u64, i64)> {
        (0..READINGS).map(|n| (n, n.cast_signed())).collect()
    }

    #[test]
    fn order_is_unknown_after_a_document_that_comes_too_late() {
        let mut documents = in_order();
        let first = documents.remove(0);
        documents.push(first);
        assert_eq!(reordered(&documents, 0), None);
    }

    #[test]
    fn readings_without_a_document_are_no_disorder() {
        let mut documents = in_order();
        documents.retain(|(sequence, _)| sequence % 7 != 3 && !(100..500).contains(sequence));
        assert_eq!(reordered(&documents, 1), Some(0));
    }

    proptest! {
        #[test]
        fn swapped_documents_do_not_change_the_count(
            swaps in prop::collection::vec((0_usize..500, 1_usize..100), 0..40),
            early in prop::collection::btree_set(0_usize..599, 0..20),
            absent in prop::collection::btree_set(0_u64..READINGS, 0..20),
        ) {
            let mut documents = in_order();
            for at in early {
                let offset = documents[at].1;
                documents[at].1 = documents[at + 1].1;
                documents[at + 1].1 = offset;
            }
            documents.retain(|(sequence, _)| !absent.contains(sequence));
            let expected = reordered(&documents, 0);
            prop_assert!(expected.is_some());
            let length = documents.len();
            for (at, distance) in swaps {
                documents.swap(at, (at + distance).min(length - 1));
            }
            let found = reordered(&documents, 0);
            prop_assert!(found.is_none() || found == expected, "{found:?} {expected:?}");
        }

        #[test]
        fn documents_in_the_order_of_ids_always_tell(
            kept in prop::collection::btree_set(0_u64..10_000, 0..400),
        ) {
            let documents: Vec<_> = kept.iter().map(|n| (*n, n.cast_signed())).collect();
            prop_assert_eq!(reordered(&documents, 0), Some(0));
        }
    }
}
