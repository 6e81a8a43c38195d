//! Locations of the documents of a collection, in the order of insertion.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::engine::record::RecordId;
use crate::engine::segment::Location;

/// Documents per page.
const PAGE: u64 = 512;

/// Locations by id: 12 bytes per document, in pages that are freed with their last document.
#[derive(Debug, Default)]
pub struct Records {
    pages: BTreeMap<u64, Page>,
    count: usize,
    bytes: u64,
}

#[derive(Debug)]
struct Page {
    locations: Box<[Location]>,
    used: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            locations: vec![Location::default(); slot(PAGE)].into(),
            used: 0,
        }
    }
}

impl Records {
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns the bytes of all documents.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the location of a document.
    pub fn get(&self, id: RecordId) -> Option<Location> {
        let page = self.pages.get(&(id.0 / PAGE))?;
        page.locations
            .get(slot(id.0 % PAGE))
            .copied()
            .filter(|location| location.length > 0)
    }

    /// Sets the location of a document; returns the previous one.
    pub fn set(&mut self, id: RecordId, location: Location) -> Option<Location> {
        let page = self.pages.entry(id.0 / PAGE).or_default();
        let place = page.locations.get_mut(slot(id.0 % PAGE))?;
        let before = std::mem::replace(place, location);
        self.bytes += u64::from(location.length);
        self.bytes -= u64::from(before.length);
        if before.length == 0 {
            page.used += 1;
            self.count += 1;
            return None;
        }
        Some(before)
    }

    /// Removes a document; returns its location.
    pub fn remove(&mut self, id: RecordId) -> Option<Location> {
        let Entry::Occupied(mut entry) = self.pages.entry(id.0 / PAGE) else {
            return None;
        };
        let page = entry.get_mut();
        let place = page.locations.get_mut(slot(id.0 % PAGE))?;
        let before = std::mem::take(place);
        if before.length == 0 {
            return None;
        }
        page.used -= 1;
        if page.used == 0 {
            entry.remove();
        }
        self.count -= 1;
        self.bytes -= u64::from(before.length);
        Some(before)
    }

    /// Returns documents from `start` on, in order.
    pub fn forward(&self, start: RecordId) -> impl Iterator<Item = (RecordId, Location)> {
        self.pages
            .range(start.0 / PAGE..)
            .flat_map(|(&number, page)| page.iter(number))
            .skip_while(move |&(id, _)| id < start)
    }

    /// Returns documents from `start` on, in reverse order.
    pub fn backward(&self, start: RecordId) -> impl Iterator<Item = (RecordId, Location)> {
        self.pages
            .range(..=start.0 / PAGE)
            .rev()
            .flat_map(|(&number, page)| page.iter(number).rev())
            .skip_while(move |&(id, _)| id > start)
    }
}

impl Page {
    fn iter(&self, number: u64) -> impl DoubleEndedIterator<Item = (RecordId, Location)> {
        self.locations
            .iter()
            .enumerate()
            .filter(|(_, location)| location.length > 0)
            .map(move |(slot, &location)| (RecordId(number * PAGE).offset(slot), location))
    }
}

/// Returns a place within a page.
fn slot(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn location(length: u32) -> Location {
        Location {
            segment: 1,
            offset: 16,
            length,
        }
    }

    proptest! {
        #[test]
        fn records_behave_as_an_ordered_map(
            steps in proptest::collection::vec((0_u64..2_000, 0_u32..3), 0..200), start in 0_u64..2_000
        ) {
            let mut records = Records::default();
            let mut model = BTreeMap::new();
            for (id, length) in steps {
                let id = RecordId(id);
                if length == 0 {
                    prop_assert_eq!(records.remove(id), model.remove(&id));
                } else {
                    let location = location(length);
                    prop_assert_eq!(records.set(id, location), model.insert(id, location));
                }
            }
            let bytes = model.values().map(|place| u64::from(place.length)).sum::<u64>();
            prop_assert_eq!(records.len(), model.len());
            prop_assert_eq!(records.bytes(), bytes);
            let start = RecordId(start);
            let forward: Vec<_> = records.forward(start).collect();
            let expected: Vec<_> = model.range(start..).map(|(&id, &place)| (id, place)).collect();
            prop_assert_eq!(forward, expected);
            let backward: Vec<_> = records.backward(start).collect();
            let expected: Vec<_> =
                model.range(..=start).rev().map(|(&id, &place)| (id, place)).collect();
            prop_assert_eq!(backward, expected);
        }
    }
}
