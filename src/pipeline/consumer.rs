//! The consumer of one partition: broker → decode, validate, type → documents for the writer.

use std::sync::Arc;
use std::time::Duration;

use bson::RawDocumentBuf;
use tokio::sync::{mpsc, watch};

use super::context::{Context, TopicPartition};
use super::error::Error;
use super::intake::{Intake, Refused};
use crate::broker::client::Record;
use crate::broker::{Error as BrokerError, Partition};
use crate::measure::nanos;
use crate::record::Envelope;

/// Bytes of one fetch: a few hundred records, so that decoding them does not delay the writer.
const FETCH_BYTES: i32 = 1024 * 1024;

/// How long a fetch waits for the first record.
const FETCH_WAIT: Duration = Duration::from_millis(500);

/// How long a partition may fail to answer before the run gives up.
const FETCH_DEADLINE: Duration = Duration::from_secs(60);

/// Pause between two attempts.
const FETCH_PAUSE: Duration = Duration::from_millis(100);

/// Reads one partition from a position up to wherever it is told to end.
#[derive(Debug)]
pub struct Consumer {
    context: Arc<Context>,
    topic_partition: TopicPartition,
    partition: Partition,
    intake: Intake,
    position: i64,
    end: watch::Receiver<Option<Arc<[i64]>>>,
    output: mpsc::Sender<Fetch>,
}

/// What one fetch gave, decoded.
#[derive(Debug)]
pub struct Fetch {
    /// Where it is from.
    pub partition: TopicPartition,
    /// Offset behind its last record.
    pub next_offset: i64,
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
    /// Its envelope, where it has one.
    pub envelope: Option<Envelope>,
    /// The run that it names, where it names one.
    pub run_id: Option<String>,
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
            position,
            end,
            output,
        }
    }

    /// Reads until the end is known and reached, nobody will tell it any more, or nobody takes what
    /// is read. Returns the offset behind the last record, and what took the records.
    pub async fn run(mut self) -> Result<(i64, Intake), Error> {
        self.read().await?;
        Ok((self.position, self.intake))
    }

    async fn read(&mut self) -> Result<(), Error> {
        let index = self.context.index_of(self.topic_partition);
        loop {
            let end = self
                .end
                .borrow_and_update()
                .as_ref()
                .map(|ends| ends[index]);
            if end.is_some_and(|end| self.position >= end) {
                return Ok(());
            }
            let position = self.position;
            let records = tokio::select! {
                records = fetch(&self.context, &mut self.partition, position) => records?,
                // Dropping a fetch is safe: its connection is not used again if the end is reached.
                changed = self.end.changed() => match changed {
                    Ok(()) => continue,
                    Err(_gone) => return Ok(()),
                },
            };
            if records.is_empty() {
                continue;
            }
            let decoded = self.decode(records)?;
            self.position = decoded.next_offset;
            if self.output.send(decoded).await.is_err() {
                return Ok(());
            }
        }
    }

    fn decode(&mut self, records: Vec<Record>) -> Result<Fetch, Error> {
        let fetched = self.context.clock.now();
        self.context.counters.fetched.add(records.len());
        let mut fetch = Fetch {
            partition: self.topic_partition,
            next_offset: self.position,
            fetched,
            documents: Vec::with_capacity(records.len()),
            poison: Vec::new(),
        };
        for record in records {
            if record.offset != fetch.next_offset {
                return Err(Error::Gap {
                    topic: self.partition.topic().to_owned(),
                    partition: self.partition.number(),
                    expected: fetch.next_offset,
                    found: record.offset,
                });
            }
            fetch.next_offset += 1;
            match self.intake.document(&record) {
                Ok(ready) => fetch.documents.push(ready),
                Err(Refused {
                    envelope,
                    run_id,
                    reason,
                }) => fetch.poison.push(Poison {
                    record,
                    envelope,
                    run_id,
                    reason,
                }),
            }
        }
        Ok(fetch)
    }
}

/// Fetches once, trying again for a while where the broker does not answer.
async fn fetch(
    context: &Context,
    partition: &mut Partition,
    position: i64,
) -> Result<Vec<Record>, Error> {
    let started = context.clock.now();
    loop {
        match partition.fetch(position, FETCH_BYTES, FETCH_WAIT).await {
            Ok(fetched) => {
                // A batch is sent whole, also the part before the position.
                let mut records = fetched.records;
                records.retain(|record| record.offset >= position);
                return Ok(records);
            }
            Err(error @ BrokerError::OffsetOutOfRange { .. }) => return Err(Error::Broker(error)),
            Err(error) if context.clock.now() - started > nanos(FETCH_DEADLINE) => {
                return Err(Error::Broker(error));
            }
            Err(error) => {
                context.counters.fetches_failed.add(1);
                tracing::warn!(%error, "fetching again");
                tokio::time::sleep(FETCH_PAUSE).await;
            }
        }
    }
}
