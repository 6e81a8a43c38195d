//! The producer of one partition: row → JSON → batch → broker.
//!
//! At most one request per partition is in flight, so records stay in order; the next batch fills
//! meanwhile. Each request ends acknowledged, rejected or unknown. Unknown ones are retried: a
//! record that is appended twice has the same document id and is stored once.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt as _;

use crate::audit::{Ledger, fingerprint};
use crate::broker::{BATCH_BYTES, Batch, ProduceOutcome, Producer};
use crate::cause::Cause;
use crate::faults::DataKind;
use crate::fleet::Reading;
use crate::measure::{Recorder, Stage};
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter::DeadLetters;
use crate::pipeline::emit::acks::Acks;
use crate::pipeline::emit::data_faults::ExpectedFate;
use crate::pipeline::emit::message::{Composer, Message, Sent};
use crate::pipeline::emit::queue::Queue;
use crate::pipeline::error::Error;
use crate::pipeline::machine::sending::{Action, Answer, Sending};
use crate::pipeline::machine::{Batcher, batcher};
use crate::pipeline::outage::Outage;
use crate::pipeline::settings::EmissionSettings;
use crate::pipeline::topic_partition::TopicPartition;
use crate::pipeline::value_format::ValueFormat;
use crate::record::DocumentId;

/// Readings to encode before the request in flight is polled again.
const CHUNK: usize = 64;

/// Bytes of the batches that fill at one time, of all partitions together.
const FILLING_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of a full batch, however many partitions there are.
const MIN_BATCH_BYTES: usize = 64 * 1024;

/// A partition to produce to.
#[derive(Debug)]
pub struct ProducerPartition {
    pub topic_partition: TopicPartition,
    pub producer: Producer,
    pub format: Arc<ValueFormat>,
}

/// Sends the readings of one queue to one partition.
#[derive(Debug)]
pub struct PartitionProducer {
    filler: Filler,
    topic_partition: TopicPartition,
    producer: Producer,
    acks: Arc<Acks>,
    dead_letters: Arc<DeadLetters>,
    recorder: Arc<Recorder>,
}

/// Fills a batch with messages.
#[derive(Debug)]
struct Filler {
    context: Arc<Context>,
    emission: Arc<EmissionSettings>,
    composer: Composer,
    queue: Arc<Queue>,
    incoming: Vec<Reading>,
    /// Injected out-of-order readings by vehicle: each is sent after the vehicle's next reading.
    late: BTreeMap<u32, Reading>,
    flight: Flight,
    /// Buffers of an earlier flight, for the next one.
    spare: Flight,
    batcher: Batcher,
    ledger: Ledger,
}

/// A batch with its readings.
#[derive(Debug, Default)]
struct Flight {
    batch: Batch,
    sent: Vec<Sent>,
}

impl PartitionProducer {
    /// Other producers may have the same recorder.
    pub fn new(
        context: Arc<Context>,
        emission: Arc<EmissionSettings>,
        target: ProducerPartition,
        queue: Arc<Queue>,
        acks: Arc<Acks>,
        dead_letters: Arc<DeadLetters>,
        recorder: Arc<Recorder>,
    ) -> Self {
        let batcher = Batcher::new(batcher::Limits {
            records: usize::MAX,
            bytes: context.share(FILLING_BYTES, MIN_BATCH_BYTES..=BATCH_BYTES),
            wait: emission.linger,
        });
        let (shared, settings) = (Arc::clone(&context), Arc::clone(&emission));
        let filler = Filler {
            composer: Composer::new(shared, settings, &target.format),
            context,
            emission,
            queue,
            incoming: Vec::with_capacity(CHUNK),
            late: BTreeMap::new(),
            flight: Flight::default(),
            spare: Flight::default(),
            batcher,
            ledger: Ledger::default(),
        };
        Self {
            filler,
            topic_partition: target.topic_partition,
            producer: target.producer,
            acks,
            dead_letters,
            recorder,
        }
    }

    /// Sends until the queue is closed and empty. Returns the account of the readings, and the error
    /// that ended the producer early, if any.
    pub async fn run(mut self) -> (Ledger, Result<(), Error>) {
        let result = self.send_all().await;
        let Filler {
            queue,
            incoming,
            late,
            flight,
            mut ledger,
            ..
        } = self.filler;
        // Nothing is left unless sending has failed.
        let unsent = (queue.abandon() + incoming.len() + late.len()) as u64;
        ledger.not_acked += unsent + readings(&flight.sent);
        ledger.emitted += unsent;
        (ledger, result)
    }

    async fn send_all(&mut self) -> Result<(), Error> {
        while self.filler.fill_until_due().await? {
            let mut flight = self.filler.take();
            let outcome = self.send_while_filling(&mut flight).await?;
            self.settle(&mut flight, outcome).await?;
            self.filler.recycle(flight);
        }
        Ok(())
    }

    /// Sends one batch while filling the next one.
    async fn send_while_filling(&mut self, flight: &mut Flight) -> Result<ProduceOutcome, Error> {
        let compression = self.filler.emission.compression;
        let send = self.producer.produce(&mut flight.batch, compression);
        tokio::pin!(send);
        tokio::select! {
            biased;
            outcome = &mut send => return Ok(outcome),
            filled = self.filler.fill_until_full() => filled?,
        }
        Ok(send.await)
    }

    /// Retries, splits or rejects messages of a batch until the outcome of each is known.
    async fn settle(&mut self, flight: &mut Flight, outcome: ProduceOutcome) -> Result<(), Error> {
        let Flight { batch, sent: all } = flight;
        let context = Arc::clone(&self.filler.context);
        let mut sending = Sending::new(all.len(), context.settings.timeouts.broker);
        let (mut first, mut last_cause) = (Some(outcome), None);
        let mut outage = None;
        loop {
            match sending.action() {
                Action::Send(range) => {
                    let sent = &all[range];
                    let outcome = match first.take() {
                        Some(outcome) => outcome,
                        None => self.resend(sent, batch).await?,
                    };
                    let (answer, cause) = self.count(sent, outcome);
                    let now = context.clock.now();
                    match &cause {
                        Some(cause) if answer == Answer::Again => {
                            context.broker_outage.failed(&mut outage, now, cause);
                        }
                        _ => Outage::end(&mut outage, now),
                    }
                    let alone = sending.answered(answer, context.clock.now());
                    if let (Some(alone), Some(cause)) = (alone, &cause)
                        && !all[alone].copy
                        && let Err(error) = self.write_letter(&all[alone], cause).await
                    {
                        self.filler.ledger.not_acked += 1 + sending.unacked() as u64;
                        return Err(error);
                    }
                    last_cause = cause;
                }
                Action::Pause(pause) => {
                    if context.terminated_servers.pause(pause).await.is_err() {
                        sending.abandon();
                    }
                }
                Action::Finish => return Ok(()),
                Action::GiveUp { attempts } => {
                    self.filler.ledger.not_acked += sending.unacked() as u64;
                    return Err(Error::Delivery {
                        topic: self.producer.topic().to_owned(),
                        partition: self.producer.number(),
                        attempts,
                        source: last_cause.unwrap_or(Cause::Other(String::new())),
                    });
                }
            }
        }
    }

    async fn resend(&mut self, sent: &[Sent], batch: &mut Batch) -> Result<ProduceOutcome, Error> {
        self.filler.encode_again(sent, batch)?;
        let compression = self.filler.emission.compression;
        Ok(self.producer.produce(batch, compression).await)
    }

    /// Counts the outcome of a request.
    fn count(&self, sent: &[Sent], outcome: ProduceOutcome) -> (Answer, Option<Cause>) {
        let counters = &self.filler.context.counters;
        match outcome {
            ProduceOutcome::Acked { base_offset } => {
                self.acked(sent, base_offset);
                (Answer::Acked, None)
            }
            ProduceOutcome::TooLarge(cause) => (Answer::TooLarge, Some(cause)),
            ProduceOutcome::Refused(cause) => (Answer::Refused, Some(cause)),
            ProduceOutcome::Rejected(cause) => {
                counters.produce_rejected.add(1);
                tracing::debug!(%cause, "retrying a rejected batch");
                (Answer::Again, Some(cause))
            }
            ProduceOutcome::Unknown(cause) => {
                counters.produce_unknown.add(1);
                tracing::debug!(%cause, "retrying a batch with unknown outcome");
                (Answer::Again, Some(cause))
            }
        }
    }

    /// Writes a dead letter for a reading whose message exceeds the broker's limit.
    async fn write_letter(&mut self, sent: &Sent, cause: &Cause) -> Result<(), Error> {
        tracing::warn!(%cause, "writing a dead letter for a rejected message");
        let context = Arc::clone(&self.filler.context);
        let partition = self.topic_partition;
        let letter = self.filler.composer.letter(sent, partition, cause)?;
        let topic = partition.topic;
        self.dead_letters.put(&context, topic, &[letter]).await
    }

    fn acked(&self, sent: &[Sent], base_offset: i64) {
        let context = &self.filler.context;
        let acked = context.clock.now();
        if self.acks.push(base_offset, sent.len(), acked) {
            context.counters.log_truncations.add(1);
        }
        context.counters.acked.add(sent.len());
        if let Some(flow) = context.flow(self.topic_partition) {
            flow.acked.add(sent.len());
        }
        context.counters.produce_requests.add(1);
        // If this process stores records, they arrive later.
        if let Some(last_readings) = context.last_readings()
            && !self.acks.are_kept()
        {
            for Sent { reading, .. } in sent {
                last_readings.arrived(reading.vehicle, reading.sequence);
            }
        }
        let mut recording = self.recorder.lock();
        recording.counted.acked += sent.len() as u64;
        let measured = |sent: &&Sent| !sent.reading.warm_up && !sent.copy;
        for sent in sent.iter().filter(measured) {
            let stages = &mut recording.stages;
            stages
                .get_mut(Stage::PublishDelay)
                .record(sent.reading.intended, sent.at);
            stages.get_mut(Stage::PublishLatency).record(sent.at, acked);
        }
    }
}

/// Returns the number of readings, without second copies.
fn readings(sent: &[Sent]) -> u64 {
    sent.iter().filter(|sent| !sent.copy).count() as u64
}

impl Flight {
    fn push(&mut self, message: &Message<'_>, sent: Sent, batcher: &mut Batcher) {
        let before = self.batch.bytes();
        message.push_to(&mut self.batch);
        batcher.add(1, self.batch.bytes() - before, sent.at);
        self.sent.push(sent);
    }
}

impl Filler {
    /// Fills the batch until it is full, or until no reading waits and its linger is over.
    ///
    /// Returns false if the queue is closed and no reading is left.
    async fn fill_until_due(&mut self) -> Result<bool, Error> {
        self.encode_incoming()?;
        // All readings may be held back for reordering, which leaves the batch empty.
        while self.batcher.is_empty() {
            if !self.take_and_encode().await? {
                return Ok(false);
            }
        }
        while !self.full() {
            let Some(due) = self.batcher.due() else {
                return Ok(false);
            };
            let left = self.context.clock.until(due);
            let more = if left.is_zero() {
                // Takes what waits. A timeout of zero would last until the timer's next tick.
                self.take_and_encode().now_or_never()
            } else {
                let taking = self.take_and_encode();
                tokio::time::timeout(left, taking).await.ok()
            };
            // Without a result, no reading waits; without more, none will come.
            if !more.transpose()?.unwrap_or(false) {
                return Ok(true);
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

    /// Takes the batch and starts the next one.
    fn take(&mut self) -> Flight {
        self.batcher.clear();
        let next = std::mem::take(&mut self.spare);
        std::mem::replace(&mut self.flight, next)
    }

    /// Keeps the buffers of a flight that has ended.
    fn recycle(&mut self, mut flight: Flight) {
        flight.batch.clear();
        flight.sent.clear();
        self.spare = flight;
    }

    fn full(&self) -> bool {
        !self.incoming.is_empty() || self.batcher.is_full()
    }

    async fn take_and_encode(&mut self) -> Result<bool, Error> {
        let more = self.queue.take(CHUNK, &mut self.incoming).await;
        self.encode_incoming()?;
        if more || self.late.is_empty() {
            return Ok(more);
        }
        // No later reading will follow, so these are the last of their vehicles.
        let sent = self.context.clock.now();
        for (_vehicle, reading) in std::mem::take(&mut self.late) {
            self.put(reading, None, sent)?;
        }
        Ok(true)
    }

    /// Moves readings into the batch. Those that do not fit stay for the next one.
    fn encode_incoming(&mut self) -> Result<(), Error> {
        let mut encoded = 0;
        let sent = self.context.clock.now();
        let mut result = Ok(());
        while let Some(reading) = self.incoming.get(encoded).copied() {
            encoded += 1;
            result = self.put_in_turn(reading, sent);
            if result.is_err() || self.batcher.is_full() {
                break;
            }
        }
        self.incoming.drain(..encoded);
        result
    }

    /// Puts a reading into the batch, or holds an out-of-order one back until its vehicle's next one.
    fn put_in_turn(&mut self, reading: Reading, sent: u64) -> Result<(), Error> {
        let fault = self.composer.fault_for(&reading);
        let vehicle = reading.vehicle;
        if fault == Some(DataKind::OutOfOrder) && !self.late.contains_key(&vehicle) {
            self.late.insert(vehicle, reading);
            return Ok(());
        }
        let fate = self.put(reading, fault, sent)?;
        if fate == ExpectedFate::Stored
            && let Some(late) = self.late.remove(&vehicle)
        {
            self.put(late, None, sent)?;
            self.ledger.count_injected(DataKind::OutOfOrder);
        }
        Ok(())
    }

    /// Puts a reading into the batch, with its injected fault.
    fn put(
        &mut self,
        reading: Reading,
        fault: Option<DataKind>,
        sent: u64,
    ) -> Result<ExpectedFate, Error> {
        let fault = fault.filter(|kind| *kind != DataKind::OutOfOrder);
        let fate = fault.map_or(ExpectedFate::Stored, |kind| {
            self.composer.expected_fate(kind, &reading)
        });
        let mut sent = Sent {
            reading,
            at: sent,
            copy: false,
        };
        let Self {
            composer,
            ledger,
            flight,
            batcher,
            ..
        } = self;
        let message = composer.compose(&sent, |label| {
            if fate == ExpectedFate::Stored {
                ledger.count_label(label);
            }
        })?;
        ledger.emitted += 1;
        if fate == ExpectedFate::Stored {
            let id = DocumentId::new(self.context.run, reading.vehicle, reading.sequence);
            let (hash, date) = (message.payload_hash, message.emitted_at_unix_ms);
            ledger.messages.add(fingerprint(&id, hash, date));
        } else {
            ledger.invalid += 1;
        }
        flight.push(&message, sent, batcher);
        if let Some(kind) = fault {
            ledger.count_injected(kind);
        }
        if fault == Some(DataKind::Duplicate) {
            sent.copy = true;
            flight.push(&message, sent, batcher);
        }
        Ok(fate)
    }

    /// Replaces a batch by the messages of readings, with their original timestamps.
    fn encode_again(&mut self, sent: &[Sent], batch: &mut Batch) -> Result<(), Error> {
        batch.clear();
        for sent in sent {
            let message = self.composer.compose(sent, |_label| ())?;
            message.push_to(batch);
        }
        Ok(())
    }
}
