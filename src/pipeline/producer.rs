//! The producer of one partition: row → JSON → batch → broker.
//!
//! One request is in flight per partition, so records stay in order; the next batch fills
//! meanwhile. Every send ends acked, rejected or unknown; what is unknown is sent again, and the
//! document's identity makes the second copy harmless.

use std::sync::Arc;
use std::time::Duration;

use super::acks::Acks;
use super::context::Context;
use super::error::Error;
use super::form::Form;
use super::prepare::Producing;
use super::queue::Queue;
use super::retry::{FIRST_PAUSE, MAX_PAUSE};
use super::workload::Scratch;
use crate::audit::{Ledger, fingerprint};
use crate::broker::client::{Batch, ProduceOutcome};
use crate::broker::{Cause, Partition};
use crate::fleet::Reading;
use crate::measure::{Recorder, Stage, nanos};
use crate::record::{DocumentId, Emission, Envelope, payload_hash};

/// Bytes of one produce request. Brokers take 1 MiB unless told otherwise.
const BATCH_BYTES: usize = 900 * 1024;

/// Readings encoded between two looks at the answer of the request in flight.
const CHUNK: usize = 64;

/// How long one batch is tried before the run gives up.
const DELIVERY_DEADLINE: Duration = Duration::from_secs(60);

/// Sends everything of one queue to one partition.
#[derive(Debug)]
pub struct Producer {
    filler: Filler,
    partition: Partition,
    acks: Arc<Acks>,
    recorder: Arc<Recorder>,
}

/// Turns readings into messages until a batch is full or its linger is over.
#[derive(Debug)]
struct Filler {
    context: Arc<Context>,
    form: Arc<Form>,
    queue: Arc<Queue>,
    incoming: Vec<Reading>,
    scratch: Scratch,
    flight: Flight,
    ledger: Ledger,
}

/// A batch and the readings in it.
#[derive(Debug, Default)]
struct Flight {
    batch: Batch,
    sent: Vec<Sent>,
}

/// A reading and when the producer took it.
#[derive(Debug, Clone, Copy)]
struct Sent {
    reading: Reading,
    sent: u64,
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
    ) -> Self {
        let Producing { partition, form } = producing;
        let filler = Filler {
            context,
            form,
            queue,
            incoming: Vec::with_capacity(CHUNK),
            scratch: Scratch::default(),
            flight: Flight::default(),
            ledger: Ledger::default(),
        };
        Self {
            filler,
            partition,
            acks,
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
                    tracing::warn!(%cause, "set a reading aside that no broker takes");
                    self.filler.context.counters.dead_lettered.add(count);
                    self.filler.ledger.dead_lettered += count as u64;
                }
                Err(error) => {
                    let unsent: usize = left.iter().map(|(flight, _)| flight.sent.len()).sum();
                    self.filler.ledger.not_acked += (count + unsent) as u64;
                    return Err(error);
                }
            }
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
        let deadline = context.clock.now() + nanos(DELIVERY_DEADLINE);
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
            let (context, ledger) = (&*self.context, &mut self.ledger);
            let count_label = |label: &str| ledger.count_label(label);
            context
                .workload
                .encode(reading.row, &mut self.scratch, count_label)?;
            let message = Sent {
                reading: *reading,
                sent,
            };
            let payload = &self.scratch.payload;
            let hash = payload_hash(payload);
            let value = self.form.value(payload);
            push(context, &mut self.flight.batch, message, hash, value);
            self.flight.sent.push(message);
            let id = DocumentId::new(context.run, reading.vehicle, reading.sequence);
            let date = emitted_at(context, reading);
            self.ledger.messages.add(fingerprint(&id, hash, date));
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
        for message in sent {
            let row = message.reading.row;
            self.context
                .workload
                .encode(row, &mut self.scratch, |_label| ())?;
            let payload = &self.scratch.payload;
            let (hash, value) = (payload_hash(payload), self.form.value(payload));
            push(&self.context, &mut batch, *message, hash, value);
        }
        Ok(batch)
    }
}

/// Puts a value into its batch, beside its envelope.
fn push(context: &Context, batch: &mut Batch, message: Sent, payload_hash: u64, value: Vec<u8>) {
    let reading = message.reading;
    let envelope = Envelope {
        run: context.run,
        vehicle: reading.vehicle,
        sequence: reading.sequence,
        warm_up: reading.warm_up,
        intended: context.clock.since_boot(reading.intended),
        sent: context.clock.since_boot(message.sent),
        payload_hash,
    };
    let emission = Emission {
        run_id: &context.settings.run_id,
        boot: context.boot,
        emitted_at_unix_ms: emitted_at(context, &reading),
    };
    let seed = context.settings.fleet.seed;
    let key = context
        .settings
        .key
        .of(seed, reading.vehicle, reading.sequence);
    batch.push(
        key.map(|key| key.as_ref().to_vec()),
        envelope.encode(&emission),
        value,
        emission.emitted_at_unix_ms,
    );
}

/// Returns the wall-clock date of a reading, milliseconds since 1970.
pub fn emitted_at(context: &Context, reading: &Reading) -> i64 {
    context.clock.unix_ms(reading.intended).cast_signed()
}
