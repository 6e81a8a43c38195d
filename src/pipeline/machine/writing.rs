//! Decides for one writer what to gather, reject and insert, and when to move which checkpoint.
//!
//! ```text
//!  Collect ─▶ WriteLetters ─▶ Insert ─┬▶ (settled) ─▶ Collect ─▶ Checkpoint, one per partition
//!                  ▲                  │
//!                  └──── rejected ────┘        no response: Pause, then retry, until a timeout
//! ```
//!
//! A checkpoint follows settled records only: they and all before them are stored or dead-lettered.
//! So after a crash at any time, at most [`Limits::window`] records and one batch are read again.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::measure::nanos;
use crate::pipeline::machine::attempts::Attempts;
use crate::pipeline::machine::batcher::{self, Batcher};
use crate::pipeline::machine::prefix::Prefix;

/// Limits of a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Limits of a batch.
    pub batch: batcher::Limits,
    /// How long settled records wait for their checkpoint.
    pub interval: Duration,
    /// Maximum settled records without a checkpoint.
    pub window: u64,
    /// How long a command is retried.
    pub timeout: Duration,
}

/// State of one writer. `P` identifies a partition.
#[derive(Debug)]
pub struct Writing<P> {
    limits: Limits,
    batch: Batch<P>,
    partitions: BTreeMap<P, Partition>,
    /// Records settled since the last checkpoints.
    unwritten: u64,
    /// Time of the last checkpoints.
    written: u64,
    closed: bool,
    attempts: Attempts,
    pause: Option<Duration>,
    step: Step,
}

/// The next action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<P> {
    /// Wait for a fetch.
    Collect {
        /// Time at which to stop waiting; `None` waits for a fetch only.
        until: Option<u64>,
    },
    /// Write the dead letters of the batch.
    WriteLetters,
    /// Insert documents of the batch.
    Insert {
        /// Index of the first one.
        first: usize,
        /// Maximum number.
        most: usize,
    },
    /// The batch is settled: clear it.
    Forget,
    /// Write a partition's checkpoint.
    Checkpoint {
        partition: P,
        /// Offset before which everything is settled.
        position: i64,
    },
    /// Wait, then retry.
    Pause(Duration),
    /// Every checkpoint is written.
    Finish,
    /// Give up.
    GiveUp {
        /// Failed commands.
        attempts: u32,
    },
}

/// Counts of one fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    pub offsets: Range<i64>,
    pub documents: usize,
    /// Bytes of documents and dead letters.
    pub bytes: usize,
    /// Rejected records.
    pub letters: usize,
    /// When the fetch arrived.
    pub at: u64,
}

#[derive(Debug)]
struct Batch<P> {
    batcher: Batcher,
    ranges: Vec<(P, Range<i64>)>,
    documents: usize,
    inserted: usize,
    letters: usize,
}

#[derive(Debug)]
struct Partition {
    prefix: Prefix,
    /// Position of the last checkpoint.
    written: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Collecting,
    Storing,
    Checkpointing,
    GivenUp,
}

impl<P: Copy + Ord> Writing<P> {
    /// Starts with an empty batch.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            batch: Batch {
                batcher: Batcher::new(limits.batch),
                ranges: Vec::new(),
                documents: 0,
                inserted: 0,
                letters: 0,
            },
            partitions: BTreeMap::new(),
            unwritten: 0,
            written: 0,
            closed: false,
            attempts: Attempts::new(limits.timeout),
            pause: None,
            step: Step::Collecting,
        }
    }

    /// Returns the next action.
    pub fn action(&mut self, now: u64) -> Action<P> {
        if let Some(pause) = self.pause.take() {
            return Action::Pause(pause);
        }
        loop {
            match self.step {
                Step::Collecting => {
                    if let Some(action) = self.collect(now) {
                        return action;
                    }
                }
                Step::Storing => return self.store(),
                Step::Checkpointing => {
                    if let Some((partition, position)) = self.next_checkpoint() {
                        return Action::Checkpoint {
                            partition,
                            position,
                        };
                    }
                    self.written = now;
                    self.unwritten = 0;
                    self.step = Step::Collecting;
                }
                Step::GivenUp => {
                    return Action::GiveUp {
                        attempts: self.attempts.count(),
                    };
                }
            }
        }
    }

    /// Adds a fetch to the batch.
    pub fn fetched(&mut self, partition: P, fetched: Fetched) {
        let batch = &mut self.batch;
        let records = fetched.documents + fetched.letters;
        batch.batcher.add(records, fetched.bytes, fetched.at);
        batch.documents += fetched.documents;
        batch.letters += fetched.letters;
        let start = fetched.offsets.start;
        self.partitions
            .entry(partition)
            .or_insert_with(|| Partition::new(start));
        batch.ranges.push((partition, fetched.offsets));
    }

    /// Records that the batch takes no further fetch.
    pub fn fill(&mut self) {
        self.batch.batcher.fill();
    }

    /// Returns whether the batch takes no further fetch.
    pub fn is_full(&self) -> bool {
        self.batch.batcher.is_full()
    }

    /// Records that there will be no further fetch.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Records that the dead letters of the batch are written.
    pub fn letters_written(&mut self) {
        self.answered();
        self.batch.letters = 0;
    }

    /// Records that the next `documents` of the batch are stored, except for `rejected` ones.
    pub fn inserted(&mut self, documents: usize, rejected: usize) {
        self.answered();
        self.batch.inserted += documents;
        self.batch.letters += rejected;
    }

    /// Records that a partition's checkpoint is written.
    pub fn checkpointed(&mut self, partition: P, position: i64) {
        self.answered();
        if let Some(partition) = self.partitions.get_mut(&partition) {
            partition.written = position;
        }
    }

    /// Records that the outcome of the last command is unknown.
    pub fn unanswered(&mut self, now: u64) {
        self.pause = self.attempts.failed(now);
        if self.pause.is_none() {
            self.step = Step::GivenUp;
        }
    }

    /// Gives up at once.
    pub fn abandon(&mut self) {
        self.step = Step::GivenUp;
    }

    /// Returns the number of failed attempts of the current command.
    pub fn failed_attempts(&self) -> u32 {
        self.attempts.count()
    }

    fn answered(&mut self) {
        self.attempts = Attempts::new(self.limits.timeout);
    }

    /// Returns the next action while collecting; `None` if the step has changed.
    fn collect(&mut self, now: u64) -> Option<Action<P>> {
        let batch_due = self.batch.batcher.due();
        let checkpoint_due = self.checkpoint_due();
        let over = |due: Option<u64>| due.is_some_and(|due| self.closed || due <= now);
        if over(batch_due) {
            self.step = Step::Storing;
        } else if over(checkpoint_due) {
            self.step = Step::Checkpointing;
        } else if self.closed {
            return Some(Action::Finish);
        } else {
            let until = batch_due.into_iter().chain(checkpoint_due).min();
            return Some(Action::Collect { until });
        }
        None
    }

    fn store(&mut self) -> Action<P> {
        let batch = &mut self.batch;
        if batch.letters > 0 {
            return Action::WriteLetters;
        }
        if batch.inserted < batch.documents {
            return Action::Insert {
                first: batch.inserted,
                most: self.limits.batch.records,
            };
        }
        for (partition, range) in batch.ranges.drain(..) {
            if let Some(partition) = self.partitions.get_mut(&partition) {
                self.unwritten += range.end.saturating_sub(range.start).unsigned_abs();
                partition.prefix.settle(range);
            }
        }
        (batch.documents, batch.inserted) = (0, 0);
        batch.batcher.clear();
        self.step = Step::Collecting;
        Action::Forget
    }

    /// Returns a partition whose settled position has no checkpoint.
    fn next_checkpoint(&self) -> Option<(P, i64)> {
        self.partitions
            .iter()
            .map(|(partition, state)| (*partition, state.prefix.settled(), state.written))
            .find(|(_, settled, written)| settled > written)
            .map(|(partition, settled, _)| (partition, settled))
    }

    /// Returns when the next checkpoints are due, if a position has moved.
    fn checkpoint_due(&self) -> Option<u64> {
        if self.unwritten == 0 {
            return None;
        }
        Some(if self.unwritten >= self.limits.window {
            0
        } else {
            self.written.saturating_add(nanos(self.limits.interval))
        })
    }
}

impl Partition {
    fn new(position: i64) -> Self {
        Self {
            prefix: Prefix::new(position),
            written: position,
        }
    }
}
