//! One writer: what it gathers, sets aside and inserts, and which checkpoint it may move when.
//!
//! ```text
//!  Collect ─▶ SetAside ─▶ Insert ─┬▶ (settled) ─▶ Collect ─▶ Checkpoint, one per partition ─▶ Collect
//!                ▲                │
//!                └── refused ─────┘        no answer: Pause, then the same again, up to a deadline
//! ```
//!
//! A checkpoint follows only what is settled: stored or dead-lettered, and everything before it
//! too. So after a crash at any moment at most [`Limits::window`] records and one batch are read
//! again.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::measure::nanos;
use crate::pipeline::machine::attempts::Attempts;
use crate::pipeline::machine::batcher::{self, Batcher};
use crate::pipeline::machine::prefix::Prefix;

/// What a writer keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// When a batch is due.
    pub batch: batcher::Limits,
    /// How long settled records may wait for their checkpoint.
    pub interval: Duration,
    /// How many settled records may wait for their checkpoint.
    pub window: u64,
    /// How long the store may fail to answer.
    pub patience: Duration,
}

/// The decisions of one writer. `P` names a partition.
#[derive(Debug)]
pub struct Writing<P> {
    limits: Limits,
    batch: Batch<P>,
    partitions: BTreeMap<P, Partition>,
    /// Records settled since the last checkpoints.
    unwritten: u64,
    /// When the last checkpoints were written.
    written: u64,
    closed: bool,
    attempts: Attempts,
    pause: Option<Duration>,
    step: Step,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<P> {
    /// Wait for what a consumer has fetched, until then at the latest.
    Collect {
        /// Nothing is due before; none if only an arrival can change that.
        until: Option<u64>,
    },
    /// Put the batch's letters into the dead letters.
    SetAside,
    /// Insert documents of the batch.
    Insert {
        /// Index of the first one.
        first: usize,
        /// How many at most.
        most: usize,
    },
    /// The batch is settled: forget it.
    Forget,
    /// Write a partition's position down.
    Checkpoint {
        /// The partition.
        partition: P,
        /// Offset before which everything is settled.
        position: i64,
    },
    /// Wait, then ask again.
    Pause(Duration),
    /// Everything is settled and written down.
    Finish,
    /// Give up after so many attempts.
    GiveUp {
        /// Commands sent in vain.
        attempts: u32,
    },
}

/// What a consumer has fetched, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its offsets.
    pub offsets: Range<i64>,
    /// Documents made of it.
    pub documents: usize,
    /// Bytes of documents and letters.
    pub bytes: usize,
    /// Records of it that cannot become documents.
    pub letters: usize,
    /// When it arrived.
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
    /// Position that was written down last.
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
    /// Begins with nothing gathered.
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
            attempts: Attempts::new(limits.patience),
            pause: None,
            step: Step::Collecting,
        }
    }

    /// Returns what is to be done next.
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
                    if let Some((partition, position)) = self.behind() {
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

    /// Notes what a consumer has fetched.
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

    /// Notes that nothing more will be fetched.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Notes that the letters are in the dead letters.
    pub fn set_aside(&mut self) {
        self.answered();
        self.batch.letters = 0;
    }

    /// Notes that the next `documents` of the batch are stored, but for those that were refused.
    pub fn inserted(&mut self, documents: usize, refused: usize) {
        self.answered();
        self.batch.inserted += documents;
        self.batch.letters += refused;
    }

    /// Notes that a partition's position is written down.
    pub fn checkpointed(&mut self, partition: P, position: i64) {
        self.answered();
        if let Some(partition) = self.partitions.get_mut(&partition) {
            partition.written = position;
        }
    }

    /// Forgets a partition that belongs to somebody else now: its position is theirs to write.
    pub fn release(&mut self, partition: P) {
        self.partitions.remove(&partition);
    }

    /// Notes that nobody knows what became of the last command.
    pub fn unanswered(&mut self, now: u64) {
        self.pause = self.attempts.failed(now);
        if self.pause.is_none() {
            self.step = Step::GivenUp;
        }
    }

    /// Gives up, whatever the time.
    pub fn abandon(&mut self) {
        self.step = Step::GivenUp;
    }

    /// Returns how often the command under way was sent in vain.
    pub fn failed_attempts(&self) -> u32 {
        self.attempts.count()
    }

    fn answered(&mut self) {
        self.attempts = Attempts::new(self.limits.patience);
    }

    /// Waits, or returns nothing once another step was taken.
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
            return Action::SetAside;
        }
        if batch.inserted < batch.documents {
            return Action::Insert {
                first: batch.inserted,
                most: self.limits.batch.records,
            };
        }
        for (partition, range) in batch.ranges.drain(..) {
            // A partition that was released meanwhile has no position of ours.
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

    /// Returns a partition whose settled position is not written down.
    fn behind(&self) -> Option<(P, i64)> {
        self.partitions
            .iter()
            .map(|(partition, state)| (*partition, state.prefix.settled(), state.written))
            .find(|(_, settled, written)| settled > written)
            .map(|(partition, settled, _)| (partition, settled))
    }

    /// Returns when the next checkpoints are due, if any position has moved.
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
