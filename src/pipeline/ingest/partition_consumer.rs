//! The consumer of one partition: broker ─▶ decode and validate ─▶ documents for the writer.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::broker::{self, Partition, Record};
use crate::cause::chain;
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter::Poison;
use crate::pipeline::emit::Acks;
use crate::pipeline::error::Error;
use crate::pipeline::ingest::intake::{Intake, Ready};
use crate::pipeline::lag::PartitionProgress;
use crate::pipeline::machine::{Attempts, Position};
use crate::pipeline::outage::Outage;
use crate::pipeline::topic_partition::TopicPartition;

/// Bytes of one fetch: a few hundred records, so that decoding does not delay the writer.
const FETCH_BYTES: i32 = 1024 * 1024;

/// How long a fetch waits for the first record.
const FETCH_WAIT: Duration = Duration::from_millis(500);

/// Empty responses before the log's end until a partition counts as unreadable.
const EMPTY_FETCHES: u32 = 3;

/// Pause between two checks of a truncated log.
const TRUNCATED_LOG_PAUSE: Duration = Duration::from_millis(100);

/// Offsets at which the partitions end, in the order of [`Context::partitions`], once known.
pub type End = watch::Receiver<Option<Arc<[i64]>>>;

/// Reads one partition from a position to its end.
#[derive(Debug)]
pub struct PartitionConsumer<I> {
    context: Arc<Context>,
    topic_partition: TopicPartition,
    partition: Partition,
    intake: I,
    position: Position,
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
    pub partition: Partition,
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
            position: Position::new(source.position),
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
        Ok((self.position.offset(), self.intake))
    }

    async fn read(&mut self) -> Result<(), Error> {
        let index = self.context.index_of(self.topic_partition);
        loop {
            let producer = self.producer.as_ref();
            if let Some(rewound) = producer.and_then(|it| it.acks.take_rewound()) {
                self.position = Position::new(self.position.offset().min(rewound));
            }
            let end = self
                .end
                .borrow_and_update()
                .as_ref()
                .map(|ends| ends[index]);
            let position = self.position.offset();
            if end.is_some_and(|end| position >= end) {
                return Ok(());
            }
            let records = tokio::select! {
                records = fetch_prepared(
                    &self.context,
                    &mut self.partition,
                    &mut self.intake,
                    position,
                    self.progress.as_deref(),
                ) => records,
                // The writer has failed, and no later record would tell.
                () = self.output.closed() => return Ok(()),
                // A fetch can be dropped: if the end is reached, its connection is not used again.
                changed = self.end.changed() => match changed {
                    Ok(()) => continue,
                    Err(_closed) => return Ok(()),
                },
            };
            let records = match records {
                Err(Error::Broker(error @ broker::Error::OffsetOutOfRange { .. })) => {
                    self.wait_for_truncated_log(error).await?;
                    continue;
                }
                records => records?,
            };
            if records.is_empty() {
                continue;
            }
            let decoded = self.decode(records)?;
            if let Some(progress) = &self.progress {
                progress.read(decoded.offsets.end);
            }
            if self.output.send(decoded).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Waits if the log ends before the position because of an injected fault.
    ///
    /// The next ack then says at which offset the log continues.
    async fn wait_for_truncated_log(&mut self, error: broker::Error) -> Result<(), Error> {
        let Some(producer) = self.producer.as_ref().filter(|it| it.log_may_be_lost) else {
            return Err(Error::Broker(error));
        };
        match self.partition.offsets().await {
            Ok((_earliest, end)) if self.position.offset() > end => {
                if producer.acks.notice_truncation() {
                    self.context.counters.log_truncations.add(1);
                }
            }
            Ok((earliest, _)) if self.position.offset() < earliest => {
                return Err(Error::Broker(error));
            }
            // The log has grown beyond the position in the meantime.
            Ok(_) => {}
            Err(error) => tracing::debug!(error = chain(&error), "retrying to list offsets"),
        }
        tokio::time::sleep(TRUNCATED_LOG_PAUSE).await;
        Ok(())
    }

    fn decode(&mut self, records: Vec<Record>) -> Result<Fetch, Error> {
        let fetched = self.context.clock.now();
        self.context.counters.fetched.add(records.len());
        let mut fetch = Fetch {
            partition: self.topic_partition,
            offsets: self.position.offset()..self.position.offset(),
            fetched,
            documents: Vec::with_capacity(records.len()),
            poison: Vec::new(),
        };
        for record in records {
            self.position
                .pass(record.offset)
                .map_err(|jump| Error::Gap {
                    topic: self.partition.topic().to_owned(),
                    partition: self.partition.number(),
                    expected: jump.expected,
                    found: jump.found,
                })?;
            if self.intake.skips(&record) {
                self.context.counters.tombstones.add(1);
                continue;
            }
            match self.intake.document(&record, fetched) {
                Ok(ready) => fetch.documents.push(ready),
                Err(rejection) => fetch.poison.push(Poison { record, rejection }),
            }
        }
        fetch.offsets.end = self.position.offset();
        Ok(fetch)
    }
}

/// Fetches once and prepares the intake for the records.
async fn fetch_prepared<I: Intake>(
    context: &Context,
    partition: &mut Partition,
    intake: &mut I,
    position: i64,
    progress: Option<&PartitionProgress>,
) -> Result<Vec<Record>, Error> {
    let records = fetch(context, partition, position, progress).await?;
    intake.prepare(&records).await?;
    Ok(records)
}

/// Fetches once and retries until the broker timeout.
async fn fetch(
    context: &Context,
    partition: &mut Partition,
    position: i64,
    progress: Option<&PartitionProgress>,
) -> Result<Vec<Record>, Error> {
    let mut outage = None;
    let mut attempts = Attempts::new(context.settings.timeouts.broker);
    let mut empty = 0;
    loop {
        let error = match partition.fetch(position, FETCH_BYTES, FETCH_WAIT).await {
            Ok(fetched) => {
                let now = context.clock.now();
                Outage::end(&mut outage, now);
                if let Some(progress) = progress {
                    progress.answered(position, fetched.high_watermark, now);
                }
                // The broker sends whole batches, also the part before the position.
                let mut records = fetched.records;
                records.retain(|record| record.offset >= position);
                if !records.is_empty() || fetched.high_watermark <= position {
                    return Ok(records);
                }
                empty += 1;
                Error::Unreadable {
                    topic: partition.topic().to_owned(),
                    partition: partition.number(),
                    offset: position,
                }
            }
            Err(error) => Error::Broker(error),
        };
        // A record may have arrived just after one empty response. Several in a row mean that the
        // log cannot be read further.
        let lost = error.is_loss() && (empty == 0 || empty > EMPTY_FETCHES);
        let pause = attempts.failed(context.clock.now()).filter(|_| !lost);
        let Some(pause) = pause else {
            return Err(error);
        };
        context.counters.fetches_failed.add(1);
        let cause = chain(&error);
        context
            .broker_outage
            .failed(&mut outage, context.clock.now(), &cause);
        tracing::debug!(error = cause, "retrying a fetch");
        if context.terminated_servers.pause(pause).await.is_err() {
            return Err(error);
        }
    }
}
