//! The consumer of one partition: broker → decode, validate, type → documents for the writer.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bson::RawDocumentBuf;
use tokio::sync::{mpsc, watch};

use crate::broker::Record;
use crate::broker::{self, Partition};
use crate::pipeline::context::{Context, TopicPartition};
use crate::pipeline::emit::acks::Acks;
use crate::pipeline::error::Error;
use crate::pipeline::ingest::intake::{Intake, Refused};
use crate::pipeline::machine::{Attempts, Position};
use crate::record::Envelope;

/// Bytes of one fetch: a few hundred records, so that decoding them does not delay the writer.
const FETCH_BYTES: i32 = 1024 * 1024;

/// How long a fetch waits for the first record.
const FETCH_WAIT: Duration = Duration::from_millis(500);

/// Answers without any record, though there are some, before a partition counts as unreadable.
const EMPTY_FETCHES: u32 = 3;

/// How often a log that has lost its tail is looked at.
const LOST_LOG_PAUSE: Duration = Duration::from_millis(100);

/// Reads one partition from a position up to wherever it is told to end.
#[derive(Debug)]
pub struct Consumer {
    context: Arc<Context>,
    topic_partition: TopicPartition,
    partition: Partition,
    intake: Intake,
    position: Position,
    /// Acks of its producer, where that is in the same process.
    acks: Option<Arc<Acks>>,
    end: watch::Receiver<Option<Arc<[i64]>>>,
    output: mpsc::Sender<Fetch>,
}

/// What one fetch gave, decoded.
#[derive(Debug)]
pub struct Fetch {
    /// Where it is from.
    pub partition: TopicPartition,
    /// Offsets of its records.
    pub offsets: Range<i64>,
    /// When it arrived, nanoseconds on the run's clock.
    pub fetched: u64,
    /// Documents of the records that fit.
    pub documents: Vec<Ready>,
    /// Records that do not fit.
    pub poison: Vec<Poison>,
}

/// A document ready to be stored, and what measuring needs of its record.
#[derive(Debug)]
pub struct Ready {
    /// The document.
    pub document: RawDocumentBuf,
    /// The record's envelope.
    pub envelope: Envelope,
    /// The record's offset.
    pub offset: i64,
    /// Bytes of its payload.
    pub payload_bytes: usize,
}

/// A record that cannot become a document.
#[derive(Debug)]
pub struct Poison {
    /// The record as it came.
    pub record: Record,
    /// The run that it names, where it names one.
    pub run_id: Option<String>,
    /// Vehicle and sequence, where it says which reading of a run it is.
    pub reading: Option<(u32, u64)>,
    /// Why it does not fit.
    pub reason: String,
}

/// A partition to consume from.
#[derive(Debug)]
pub struct Consuming {
    /// Which one.
    pub topic_partition: TopicPartition,
    /// Its connection.
    pub partition: Partition,
    /// Offset to begin at.
    pub position: i64,
    /// What becomes of its records.
    pub intake: Intake,
}

impl Consumer {
    /// Prepares to read a partition from its position on.
    ///
    /// `end` will tell the offsets at which each partition ends, once they are known.
    pub fn new(
        context: Arc<Context>,
        consuming: Consuming,
        acks: Option<Arc<Acks>>,
        end: watch::Receiver<Option<Arc<[i64]>>>,
        output: mpsc::Sender<Fetch>,
    ) -> Self {
        let Consuming {
            topic_partition,
            partition,
            position,
            intake,
        } = consuming;
        Self {
            context,
            topic_partition,
            partition,
            intake,
            position: Position::new(position),
            acks,
            end,
            output,
        }
    }

    /// Reads until the end is known and reached, nobody will tell it any more, or nobody takes what
    /// is read. Returns the offset behind the last record, and what took the records.
    pub async fn run(mut self) -> Result<(i64, Intake), Error> {
        self.read().await?;
        Ok((self.position.offset(), self.intake))
    }

    async fn read(&mut self) -> Result<(), Error> {
        let index = self.context.index_of(self.topic_partition);
        loop {
            if let Some(rewound) = self.acks.as_ref().and_then(|acks| acks.take_rewound()) {
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
                ) => records,
                // Dropping a fetch is safe: its connection is not used again if the end is reached.
                changed = self.end.changed() => match changed {
                    Ok(()) => continue,
                    Err(_gone) => return Ok(()),
                },
            };
            let records = match records {
                Err(Error::Broker(error @ broker::Error::OffsetOutOfRange { .. })) => {
                    self.wait_for_the_rest_of_a_lost_log(error).await?;
                    continue;
                }
                records => records?,
            };
            if records.is_empty() {
                continue;
            }
            let decoded = self.decode(records)?;
            if self.output.send(decoded).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Waits where a log ends before the position because it may lose its tail on purpose.
    ///
    /// Then the next ack says where the log goes on.
    async fn wait_for_the_rest_of_a_lost_log(&mut self, error: broker::Error) -> Result<(), Error> {
        if !self.context.settings.log_may_be_lost {
            return Err(Error::Broker(error));
        }
        match self.partition.offsets().await {
            Ok((_earliest, end)) if self.position.offset() > end => {
                if self.acks.as_ref().is_some_and(|acks| acks.notice_loss()) {
                    self.context.counters.log_truncations.add(1);
                }
            }
            Ok((earliest, _)) if self.position.offset() < earliest => {
                return Err(Error::Broker(error));
            }
            // The log has grown past the position meanwhile.
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "asking for the end of a log again"),
        }
        tokio::time::sleep(LOST_LOG_PAUSE).await;
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
            match self.intake.document(&record) {
                Ok(ready) => fetch.documents.push(ready),
                Err(Refused {
                    run_id,
                    reading,
                    reason,
                }) => fetch.poison.push(Poison {
                    record,
                    run_id,
                    reading,
                    reason,
                }),
            }
        }
        fetch.offsets.end = self.position.offset();
        Ok(fetch)
    }
}

/// Fetches once, and gets what is needed to decode what came.
async fn fetch_prepared(
    context: &Context,
    partition: &mut Partition,
    intake: &mut Intake,
    position: i64,
) -> Result<Vec<Record>, Error> {
    let records = fetch(context, partition, position).await?;
    intake.prepare(&records).await?;
    Ok(records)
}

/// Fetches once, trying again for a while where the broker does not answer.
async fn fetch(
    context: &Context,
    partition: &mut Partition,
    position: i64,
) -> Result<Vec<Record>, Error> {
    let mut attempts = Attempts::new(context.settings.broker_timeout);
    let mut empty = 0;
    loop {
        let error = match partition.fetch(position, FETCH_BYTES, FETCH_WAIT).await {
            Ok(fetched) => {
                // A batch is sent whole, also the part before the position.
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
        // One empty answer may have been overtaken by a record; the same again and again is a log
        // that cannot be read on.
        let lost = error.is_loss() && (empty == 0 || empty > EMPTY_FETCHES);
        let pause = attempts.failed(context.clock.now()).filter(|_| !lost);
        let Some(pause) = pause else {
            return Err(error);
        };
        context.counters.fetches_failed.add(1);
        tracing::warn!(%error, "fetching again");
        if context.lost.pause(pause).await.is_err() {
            return Err(error);
        }
    }
}
