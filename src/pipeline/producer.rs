//! The producer of one partition: row → JSON → batch → broker.
//!
//! One request is in flight per partition, so records stay in order; the next batch fills
//! meanwhile. Every send ends acked, rejected or unknown; what is unknown is sent again, and the
//! document's identity makes the second copy harmless.

use std::sync::Arc;

use super::acks::Acks;
use super::context::Context;
use super::dead_letter::DeadLetters;
use super::error::Error;
use super::message::{Composer, Sent};
use super::prepare::Producing;
use super::queue::Queue;
use super::retry::{FIRST_PAUSE, MAX_PAUSE};
use crate::audit::{Ledger, fingerprint};
use crate::broker::client::{Batch, ProduceOutcome};
use crate::broker::{Cause, Partition};
use crate::fleet::Reading;
use crate::measure::{Recorder, Stage, nanos};
use crate::record::DocumentId;

/// Bytes of one produce request. Brokers take 1 MiB unless told otherwise.
const BATCH_BYTES: usize = 900 * 1024;

/// Readings encoded between two looks at the answer of the request in flight.
const CHUNK: usize = 64;

/// Sends everything of one queue to one partition.
#[derive(Debug)]
pub struct Producer {
    filler: Filler,
    partition: Partition,
    acks: Arc<Acks>,
    dead_letters: Arc<DeadLetters>,
    recorder: Arc<Recorder>,
}

/// Turns readings into messages until a batch is full or its linger is over.
#[derive(Debug)]
struct Filler {
    context: Arc<Context>,
    composer: Composer,
    queue: Arc<Queue>,
    incoming: Vec<Reading>,
    flight: Flight,
    ledger: Ledger,
}

/// A batch and the readings in it.
#[derive(Debug, Default)]
struct Flight {
    batch: Batch,
    sent: Vec<Sent>,
}

/// What became of a flight.
enum Delivery {
    Done,
    /// No broker takes this one message.
    Undeliverable(Cause),
}

impl Producer {
    /// Prepares to send what is in `queue` to one partition.
    pub fn new(
        context: Arc<Context>,
        producing: Producing,
        queue: Arc<Queue>,
        acks: Arc<Acks>,
        dead_letters: Arc<DeadLetters>,
    ) -> Self {
        let Producing { partition, form } = producing;
        let filler = Filler {
            composer: Composer::new(Arc::clone(&context), form),
            context,
            queue,
            incoming: Vec::with_capacity(CHUNK),
            flight: Flight::default(),
            ledger: Ledger::default(),
        };
        Self {
            filler,
            partition,
            acks,
            dead_letters,
            recorder: Arc::default(),
        }
    }

    /// Returns what this producer records.
    pub fn recorder(&self) -> Arc<Recorder> {
        Arc::clone(&self.recorder)
    }

    /// Sends until the queue is closed and empty; returns what was emitted, and the failure that
    /// ended it early, if one did.
    pub async fn run(mut self) -> (Ledger, Result<(), Error>) {
        let result = self.send_all().await;
        let Filler {
            queue,
            incoming,
            flight,
            mut ledger,
            ..
        } = self.filler;
        if result.is_err() {
            let unsent = queue.abandon() + incoming.len();
            ledger.not_acked += (unsent + flight.sent.len()) as u64;
            ledger.emitted += unsent as u64;
        }
        (ledger, result)
    }

    async fn send_all(&mut self) -> Result<(), Error> {
        while self.filler.fill_until_due().await? {
            let mut flight = std::mem::take(&mut self.filler.flight);
            let outcome = self.send_while_filling(&mut flight).await?;
            self.settle(flight, outcome).await?;
        }
        Ok(())
    }

    /// Sends one batch and fills the next one meanwhile.
    async fn send_while_filling(&mut self, flight: &mut Flight) -> Result<ProduceOutcome, Error> {
        let batch = std::mem::take(&mut flight.batch);
        let compression = self.filler.context.settings.compression;
        let send = self.partition.produce(batch, compression);
        tokio::pin!(send);
        tokio::select! {
            biased;
            outcome = &mut send => return Ok(outcome),
            filled = self.filler.fill_until_full() => filled?,
        }
        Ok(send.await)
    }

    /// Does with a batch what its outcome asks for, until its fate is known.
    async fn settle(&mut self, flight: Flight, outcome: ProduceOutcome) -> Result<(), Error> {
        // Splitting is rare, so a stack of what is left serves better than recursion.
        let mut left = vec![(flight, Some(outcome))];
        while let Some((flight, outcome)) = left.pop() {
            let count = flight.sent.len();
            match self.deliver(&flight, outcome).await {
                Ok(Delivery::Done) => {}
                Ok(Delivery::Undeliverable(_)) if count > 1 => {
                    let (first, second) = flight.sent.split_at(count / 2);
                    left.push((Flight::of(second), None));
                    left.push((Flight::of(first), None));
                }
                Ok(Delivery::Undeliverable(cause)) => {
                    tracing::warn!(%cause, "setting a reading aside that no broker takes");
                    if let Err(error) = self.set_aside(&flight, &cause).await {
                        self.filler.ledger.not_acked += unsent(&flight, &left);
                        return Err(error);
                    }
                }
                Err(error) => {
                    self.filler.ledger.not_acked += unsent(&flight, &left);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Puts the one reading of a flight into the dead letters.
    async fn set_aside(&mut self, flight: &Flight, cause: &Cause) -> Result<(), Error> {
        let context = Arc::clone(&self.filler.context);
        for sent in &flight.sent {
            let partition = (self.partition.topic(), self.partition.number());
            let letter = self.filler.composer.letter(sent, partition, cause)?;
            let topic = context.workload.topic_of(sent.reading.row);
            self.dead_letters.put(&context, topic, &[letter]).await?;
        }
        Ok(())
    }

    /// Sends one flight again until it is acked, given up or found too large.
    async fn deliver(
        &mut self,
        flight: &Flight,
        mut outcome: Option<ProduceOutcome>,
    ) -> Result<Delivery, Error> {
        let context = Arc::clone(&self.filler.context);
        let counters = &context.counters;
        let deadline = context.clock.now() + nanos(context.settings.patience);
        let (mut attempts, mut pause) = (0, FIRST_PAUSE);
        loop {
            let current = if let Some(outcome) = outcome.take() {
                outcome
            } else {
                let batch = self.filler.encode_again(&flight.sent)?;
                self.partition
                    .produce(batch, context.settings.compression)
                    .await
            };
            attempts += 1;
            let cause = match current {
                ProduceOutcome::Acked { base_offset } => {
                    self.acked(flight, base_offset);
                    return Ok(Delivery::Done);
                }
                ProduceOutcome::TooLarge(cause) => return Ok(Delivery::Undeliverable(cause)),
                ProduceOutcome::Refused(cause) => return Err(self.gave_up(attempts, cause)),
                ProduceOutcome::Rejected(cause) => {
                    counters.produce_rejected.add(1);
                    cause
                }
                ProduceOutcome::Unknown(cause) => {
                    counters.produce_unknown.add(1);
                    cause
                }
            };
            tracing::warn!(%cause, attempts, "sending a batch again");
            if context.clock.now() >= deadline {
                return Err(self.gave_up(attempts, cause));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    fn gave_up(&self, attempts: u32, source: Cause) -> Error {
        let (topic, partition) = (self.partition.topic().to_owned(), self.partition.number());
        Error::Delivery {
            topic,
            partition,
            attempts,
            source,
        }
    }

    fn acked(&self, flight: &Flight, base_offset: i64) {
        let context = &self.filler.context;
        let acked = context.clock.now();
        self.acks.push(base_offset, flight.sent.len(), acked);
        context.counters.acked.add(flight.sent.len());
        context.counters.produce_requests.add(1);
        let mut recording = self.recorder.lock();
        for sent in flight.sent.iter().filter(|sent| !sent.reading.warm_up) {
            let stages = &mut recording.stages;
            stages
                .get_mut(Stage::PublishDelay)
                .record(sent.reading.intended, sent.sent);
            stages
                .get_mut(Stage::PublishLatency)
                .record(sent.sent, acked);
        }
    }
}

impl Flight {
    /// Makes a flight whose batch is still to be encoded.
    fn of(sent: &[Sent]) -> Self {
        Self {
            batch: Batch::default(),
            sent: sent.to_vec(),
        }
    }
}

/// Returns how many readings are in a flight and in those that were to follow.
fn unsent(flight: &Flight, left: &[(Flight, Option<ProduceOutcome>)]) -> u64 {
    let left: usize = left.iter().map(|(flight, _)| flight.sent.len()).sum();
    (flight.sent.len() + left) as u64
}

impl Filler {
    /// Fills the batch until it is full or has waited for its linger.
    ///
    /// Returns false when the queue is closed and nothing is left.
    async fn fill_until_due(&mut self) -> Result<bool, Error> {
        self.encode_incoming()?;
        if self.flight.sent.is_empty() && !self.take_and_encode().await? {
            return Ok(false);
        }
        while !self.full() {
            let Some(first) = self.flight.sent.first() else {
                return Ok(false);
            };
            let linger = nanos(self.context.settings.linger);
            let left = self.context.clock.until(first.sent + linger);
            if left.is_zero() {
                return Ok(true);
            }
            match tokio::time::timeout(left, self.take_and_encode()).await {
                Ok(more) => {
                    if !more? {
                        return Ok(true);
                    }
                }
                Err(_lingered) => return Ok(true),
            }
        }
        Ok(true)
    }

    /// Fills the batch until it is full or the queue is closed. Cancel safe.
    async fn fill_until_full(&mut self) -> Result<(), Error> {
        self.encode_incoming()?;
        while !self.full() && self.take_and_encode().await? {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn full(&self) -> bool {
        !self.incoming.is_empty() || self.flight.batch.bytes() >= BATCH_BYTES
    }

    async fn take_and_encode(&mut self) -> Result<bool, Error> {
        let more = self.queue.take(CHUNK, &mut self.incoming).await;
        self.encode_incoming()?;
        Ok(more)
    }

    /// Moves readings into the batch; those that do not fit stay for the next one.
    fn encode_incoming(&mut self) -> Result<(), Error> {
        let mut encoded = 0;
        let sent = self.context.clock.now();
        for reading in &self.incoming {
            let ledger = &mut self.ledger;
            let count_label = |label: &str| ledger.count_label(label);
            let reading = *reading;
            let sent = Sent { reading, sent };
            let message = self.composer.compose(&sent, count_label)?;
            let id = DocumentId::new(self.context.run, reading.vehicle, reading.sequence);
            let (hash, date) = (message.payload_hash, message.emitted_at_unix_ms);
            self.ledger.messages.add(fingerprint(&id, hash, date));
            message.push_to(&mut self.flight.batch);
            self.flight.sent.push(sent);
            encoded += 1;
            if self.flight.batch.bytes() >= BATCH_BYTES {
                break;
            }
        }
        self.ledger.emitted += encoded as u64;
        self.incoming.drain(..encoded);
        Ok(())
    }

    /// Writes the messages of an earlier batch once more, with their first stamps.
    fn encode_again(&mut self, sent: &[Sent]) -> Result<Batch, Error> {
        let mut batch = Batch::default();
        for sent in sent {
            let message = self.composer.compose(sent, |_label| ())?;
            message.push_to(&mut batch);
        }
        Ok(batch)
    }
}
