//! Stages that find and aggregate share.

use std::collections::BinaryHeap;

use bytes::Bytes;

use crate::aggregation::{Context, Stage};
use crate::bson::Key;
use crate::engine::scan::Stored;
use crate::engine::{RecordId, Row};
use crate::error::{Code, CommandError};
use crate::query::{Filter, Projection, SortSpec};

/// Bytes of computed documents that a stage may hold.
pub const MEMORY_LIMIT: usize = 100 * 1024 * 1024;

/// Lets documents pass that a filter accepts.
pub struct Match {
    pub input: Box<dyn Stage>,
    pub filter: Filter,
}

impl Stage for Match {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        while let Some(row) = self.input.next(context)? {
            if self.filter.test(row.doc())? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

/// Leaves out the first documents.
pub struct Skip {
    pub input: Box<dyn Stage>,
    pub count: u64,
}

impl Stage for Skip {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        while self.count > 0 {
            self.count -= 1;
            if self.input.next(context)?.is_none() {
                self.count = 0;
            }
        }
        self.input.next(context)
    }
}

/// Ends after a number of documents.
pub struct Limit {
    pub input: Box<dyn Stage>,
    pub left: u64,
}

impl Stage for Limit {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.input.next(context)
    }
}

/// Keeps or leaves out fields.
pub struct Project {
    pub input: Box<dyn Stage>,
    pub projection: Projection,
}

impl Stage for Project {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        let row = self.input.next(context)?;
        let Some(row) = row else {
            return Ok(None);
        };
        let projected = self.projection.apply(row.doc(), context.now_ms)?;
        Ok(Some(Row::computed(projected)))
    }
}

/// Gives documents in an order, once it has seen them all.
pub struct Sort {
    input: Option<Box<dyn Stage>>,
    spec: SortSpec,
    /// How many are wanted at most.
    limit: usize,
    sorted: std::vec::IntoIter<Entry>,
}

/// A document to be ordered. One that is on disk is not held in memory.
struct Entry {
    key: Key,
    /// Documents that compare equal stay in the order they came in.
    sequence: u64,
    held: Held,
}

enum Held {
    Stored(RecordId, Stored),
    Computed(Bytes),
}

impl Sort {
    /// Orders all documents, or the first `limit` of them.
    pub fn new(input: Box<dyn Stage>, spec: SortSpec, limit: Option<u64>) -> Self {
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        Self {
            input: Some(input),
            spec,
            limit: limit.unwrap_or(usize::MAX),
            sorted: Vec::new().into_iter(),
        }
    }

    fn fill(&mut self, mut input: Box<dyn Stage>, context: &Context) -> Result<(), CommandError> {
        let mut heap = BinaryHeap::new();
        let mut memory = 0;
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
                held: Held::of(row),
            };
            memory += entry.memory();
            heap.push(entry);
            if heap.len() > self.limit
                && let Some(dropped) = heap.pop()
            {
                memory -= dropped.memory();
            }
            if memory > MEMORY_LIMIT {
                return Err(memory_exceeded("Sort"));
            }
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
        Ok(Some(match entry.held {
            Held::Computed(document) => Row {
                document,
                origin: None,
            },
            Held::Stored(id, stored) => Row {
                document: stored.read()?,
                origin: Some((id, stored)),
            },
        }))
    }
}

impl Held {
    fn of(row: Row) -> Self {
        match row.origin {
            Some((id, stored)) => Self::Stored(id, stored),
            // Copied, so that it does not hold on to the larger piece it was read with.
            None => Self::Computed(Bytes::copy_from_slice(&row.document)),
        }
    }
}

impl Entry {
    fn memory(&self) -> usize {
        let held = match &self.held {
            Held::Stored(..) => 0,
            Held::Computed(document) => document.len(),
        };
        size_of::<Self>() + self.key.bytes().len() + held
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&self.key, self.sequence).cmp(&(&other.key, other.sequence))
    }
}

/// Returns the error of a stage that would hold too much.
pub fn memory_exceeded(stage: &str) -> CommandError {
    CommandError::new(
        Code::QUERY_EXCEEDED_MEMORY,
        format!(
            "{stage} exceeded memory limit of {MEMORY_LIMIT} bytes, and nothing is spilled to disk"
        ),
    )
}
