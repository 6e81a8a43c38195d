//! `$sort`, with the `$limit` that follows it.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::aggregation::held::{Charge, Held};
use crate::aggregation::memory::{MEMORY_LIMIT, check_memory, not_spilled};
use crate::aggregation::stage::{Context, Stage};
use crate::bson::Key;
use crate::engine::Row;
use crate::error::CommandError;
use crate::query::SortSpec;

/// Reads all documents, then returns them in order.
pub struct Sort {
    input: Option<Box<dyn Stage>>,
    spec: SortSpec,
    /// Maximum number of documents to return.
    limit: usize,
    sorted: std::vec::IntoIter<Entry>,
    /// Memory of the keys.
    charge: Charge,
}

/// A document with its sort key. A stored document is not held in memory.
struct Entry {
    key: Key,
    /// Position in the input: documents with equal keys keep their order.
    sequence: u64,
    held: Held,
}

impl Sort {
    /// Sorts all documents, or only the first `limit` of the result.
    pub fn new(input: Box<dyn Stage>, spec: SortSpec, limit: Option<u64>) -> Self {
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        Self {
            input: Some(input),
            spec,
            limit: limit.unwrap_or(usize::MAX),
            sorted: Vec::new().into_iter(),
            charge: Charge::default(),
        }
    }

    fn fill(&mut self, mut input: Box<dyn Stage>, context: &Context) -> Result<(), CommandError> {
        let mut heap = BinaryHeap::new();
        let (mut memory, mut keys, mut stored) = (0, 0, 0);
        let mut key = Vec::new();
        let mut sequence = 0;
        while let Some(row) = input.next(context)? {
            self.spec.encode(row.doc(), &mut key)?;
            sequence += 1;
            let worst = || heap.peek().map(|entry: &Entry| entry.key.bytes());
            if heap.len() >= self.limit && worst().is_none_or(|worst| worst <= key.as_slice()) {
                continue;
            }
            let entry = Entry {
                key: Key::new(&key),
                sequence,
                held: Held::new(row),
            };
            memory += entry.memory();
            keys += entry.own_memory();
            stored += entry.held.length();
            heap.push(entry);
            if heap.len() > self.limit
                && let Some(dropped) = heap.pop()
            {
                memory -= dropped.memory();
                keys -= dropped.own_memory();
                stored -= dropped.held.length();
            }
            self.charge.set(keys);
            if !context.spills && keys + stored > MEMORY_LIMIT {
                return Err(not_spilled("Sort"));
            }
            check_memory("Sort", memory)?;
        }
        self.sorted = heap.into_sorted_vec().into_iter();
        Ok(())
    }
}

impl Stage for Sort {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        if let Some(input) = self.input.take() {
            self.fill(input, context)?;
        }
        let Some(entry) = self.sorted.next() else {
            return Ok(None);
        };
        entry.held.into_row().map(Some)
    }
}

impl Entry {
    fn memory(&self) -> usize {
        self.own_memory() + self.held.memory()
    }

    fn own_memory(&self) -> usize {
        size_of::<Self>() + self.key.bytes().len()
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.key, self.sequence).cmp(&(&other.key, other.sequence))
    }
}
