//! The consumer of one partition: broker ─▶ decode and validate ─▶ documents for the writer.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::broker::{self, Part, PartitionReader, Passed, Record};
use crate::cause::chain;
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter::Poison;
use crate::pipeline::emit::Acks;
use crate::pipeline::error::Error;
use crate::pipeline::ingest::fetching::Fetching;
use crate::pipeline::ingest::intake::{Intake, Ready};
use crate::pipeline::lag::PartitionProgress;
use crate::pipeline::topic_partition::TopicPartition;

/// Maximum records and bytes of one message to the writer. A compressed batch may have many more.
const PORTION_RECORDS: usize = 5_000;
const PORTION_BYTES: usize = 4 * 1024 * 1024;

/// Pause between two checks of a truncated log.
const TRUNCATED_LOG_PAUSE: Duration = Duration::from_millis(100);

/// Offsets at which the partitions end, in the order of [`Context::partitions`], once known.
pub type End = watch::Receiver<Option<Arc<[i64]>>>;

/// Reads one partition from a position to its end.
#[derive(Debug)]
pub struct PartitionConsumer<I> {
    context: Arc<Context>,
    topic_partition: TopicPartition,
    partition: PartitionReader,
    intake: I,
    position: i64,
    /// `None` if the producer is another process.
    producer: Option<ProducerAcks>,
    end: End,
    output: mpsc::Sender<Fetch>,
    /// `None` if the lag is not measured.
    progress: Option<Arc<PartitionProgress>>,
}

/// What a consumer knows of the producer in the same process.
#[derive(Debug)]
pub struct ProducerAcks {
    pub acks: Arc<Acks>,
    /// Whether an injected fault may truncate the broker's log.
    pub log_may_be_lost: bool,
}

/// A decoded fetch.
#[derive(Debug)]
pub struct Fetch {
    pub partition: TopicPartition,
    pub offsets: Range<i64>,
    /// Epoch of the leader that appended the last of them, if it is known.
    pub leader_epoch: Option<i32>,
    /// When it arrived, nanoseconds on the run's clock.
    pub fetched: u64,
    pub documents: Vec<Ready>,
    /// Rejected records.
    pub poison: Vec<Poison>,
}

/// A partition to consume from.
#[derive(Debug)]
pub struct ConsumerPartition<I> {
    pub topic_partition: TopicPartition,
    pub partition: PartitionReader,
    /// Offset to start at.
    pub position: i64,
    pub intake: I,
}

impl<I: Intake> PartitionConsumer<I> {
    pub fn new(
        context: Arc<Context>,
        source: ConsumerPartition<I>,
        producer: Option<ProducerAcks>,
        end: End,
        output: mpsc::Sender<Fetch>,
    ) -> Self {
        Self {
            context,
            topic_partition: source.topic_partition,
            partition: source.partition,
            intake: source.intake,
            position: source.position,
            producer,
            end,
            output,
            progress: None,
        }
    }

    /// Reports what is read, and where the log ends.
    #[must_use]
    pub fn reporting_to(mut self, progress: Arc<PartitionProgress>) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Reads until the known end offset, or until the end channel or the output channel closes.
    ///
    /// Returns the offset after the last record, and the intake.
    pub async fn run(mut self) -> Result<(i64, I), Error> {
        self.read().await?;
        Ok((self.position, self.intake))
    }

    async fn read(&mut self) -> Result<(), Error> {
        let index = self.context.index_of(self.topic_partition);
        loop {
            let producer = self.producer.as_ref();
            if let Some(rewound) = producer.and_then(|it| it.acks.take_rewound()) {
                self.position = self.position.min(rewound);
            }
            let end = self
                .end
                .borrow_and_update()
                .as_ref()
                .map(|ends| ends[index]);
            if end.is_some_and(|end| self.position >= end) {
                return Ok(());
            }
            let fetching = Fetching {
                context: &self.context,
                partition: &mut self.partition,
                position: self.position,
                progress: self.progress.as_deref(),
                own_log: self.producer.is_some(),
            };
            let response = tokio::select! {
                response = fetching.fetch() => response,
                // The writer has failed, and no later record would tell.
                () = self.output.closed() => return Ok(()),
                // A fetch can be dropped: if the end is reached, its connection is not used again.
                changed = self.end.changed() => match changed {
                    Ok(()) => continue,
                    Err(_closed) => return Ok(()),
                },
            };
            let mut response = match response {
                Err(Error::Broker(error @ broker::Error::OffsetOutOfRange { .. })) => {
                    self.wait_for_truncated_log(error).await?;
                    continue;
                }
                response => response?,
            };
            let fetched = self.context.clock.now();
            while let Some(part) = response.next_part() {
                if !self.hand_on(part, fetched).await? {
                    return Ok(());
                }
            }
        }
    }

    /// Decodes a part of a response and hands it to the writer, in portions of bounded size. Returns
    /// false if it is not wanted any more.
    async fn hand_on(&mut self, part: Part, fetched: u64) -> Result<bool, Error> {
        self.count_passed(&part)?;
        let mut poison: Vec<Poison> = part.broken.iter().map(Poison::of_batch).collect();
        self.context.counters.fetched.add(poison.len());
        let mut records = part.records().peekable();
        loop {
            let portion = portion(&mut records);
            let end = match portion.last() {
                Some(last) if records.peek().is_some() => last.offset.saturating_add(1),
                _ => part.next_offset,
            };
            let prepared = tokio::select! {
                prepared = self.intake.prepare(&portion) => prepared,
                () = closed(&mut self.end) => return Ok(false),
            };
            prepared?;
            let mut decoded = self.decode(&portion, end, fetched);
            decoded.leader_epoch = part.leader_epoch;
            // Letters of batches come first: they are written before a checkpoint passes them.
            decoded.poison.append(&mut poison);
            if let Some(progress) = &self.progress {
                progress.read(end);
            }
            if self.output.send(decoded).await.is_err() {
                return Ok(false);
            }
            if records.peek().is_none() {
                self.remember_leader(part.leader_epoch);
                return Ok(true);
            }
        }
    }

    /// Lets the reader notice a leader whose log lacks what was read. A run finds out by itself.
    fn remember_leader(&mut self, epoch: Option<i32>) {
        if epoch.is_some() && self.producer.is_none() {
            self.partition.set_leader_epoch(epoch);
        }
    }

    /// Counts the offsets without a record. In a log that only this run writes, they are a loss.
    fn count_passed(&self, part: &Part) -> Result<(), Error> {
        let passed = part.passed;
        if let Some(jump) = passed.first.filter(|_| self.producer.is_some()) {
            return Err(Error::Gap {
                topic: self.partition.topic().to_owned(),
                partition: self.partition.number(),
                expected: jump.expected,
                found: jump.found,
            });
        }
        if passed != Passed::default() {
            let counters = &self.context.counters;
            let absent = usize::try_from(passed.absent).unwrap_or(usize::MAX);
            counters.offset_gaps.add(passed.gaps);
            counters.absent_offsets.add(absent);
            counters.skipped_control_batches.add(passed.control_batches);
            counters.aborted_records.add(passed.aborted_records);
        }
        Ok(())
    }

    /// Waits if the log ends before the position because of an injected fault.
    ///
    /// The next ack then says at which offset the log continues.
    async fn wait_for_truncated_log(&mut self, error: broker::Error) -> Result<(), Error> {
        let Some(producer) = self.producer.as_ref().filter(|it| it.log_may_be_lost) else {
            return Err(Error::Broker(error));
        };
        match self.partition.offsets().await {
            Ok((_earliest, end)) if self.position > end => {
                if producer.acks.notice_truncation() {
                    self.context.counters.log_truncations.add(1);
                }
            }
            Ok((earliest, _)) if self.position < earliest => {
                return Err(Error::Broker(error));
            }
            // The log has grown beyond the position in the meantime.
            Ok(_) => {}
            Err(error) => tracing::debug!(error = chain(&error), "retrying to list offsets"),
        }
        tokio::time::sleep(TRUNCATED_LOG_PAUSE).await;
        Ok(())
    }

    fn decode(&mut self, records: &[Record<'_>], end: i64, fetched: u64) -> Fetch {
        self.context.counters.fetched.add(records.len());
        let mut fetch = Fetch {
            partition: self.topic_partition,
            offsets: self.position..end,
            leader_epoch: None,
            fetched,
            documents: Vec::with_capacity(records.len()),
            poison: Vec::new(),
        };
        for record in records {
            if self.intake.skips(record) {
                self.context.counters.tombstones.add(1);
                continue;
            }
            match self.intake.document(record, fetched) {
                Ok(ready) => fetch.documents.push(ready),
                Err(rejection) => fetch.poison.push(Poison {
                    record: record.to_buf(),
                    rejection,
                    batch: None,
                }),
            }
        }
        self.position = end;
        fetch
    }
}

/// Waits until the end channel closes.
async fn closed(end: &mut End) {
    while end.changed().await.is_ok() {}
}

/// Takes records for one message to the writer.
fn portion<'a>(records: &mut impl Iterator<Item = Record<'a>>) -> Vec<Record<'a>> {
    let mut portion = Vec::new();
    let mut bytes = 0;
    for record in records {
        bytes += record.bytes();
        portion.push(record);
        if portion.len() >= PORTION_RECORDS || bytes >= PORTION_BYTES {
            break;
        }
    }
    portion
}
