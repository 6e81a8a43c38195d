//! The producer of one partition: row → JSON → batch → broker.
//!
//! One request is in flight per partition, so records stay in order; the next batch fills
//! meanwhile. Every send ends acked, rejected or unknown; what is unknown is sent again, and the
//! document's identity makes the second copy harmless.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::audit::{Ledger, fingerprint};
use crate::broker::Partition;
use crate::broker::{Batch, ProduceOutcome};
use crate::cause::Cause;
use crate::faults::DataKind;
use crate::fleet::Reading;
use crate::measure::{Recorder, Stage};
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter::DeadLetters;
use crate::pipeline::emit::acks::Acks;
use crate::pipeline::emit::message::{Composer, Message, Sent};
use crate::pipeline::emit::queue::Queue;
use crate::pipeline::emit::data_faults::Fate;
use crate::pipeline::error::Error;
use crate::pipeline::machine::sending::{Action, Answer, Sending};
use crate::pipeline::machine::{Batcher, batcher};
use crate::pipeline::run::prepare::Producing;
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
    /// Readings that are sent after their vehicle's next one on purpose.
    late: BTreeMap<u32, Reading>,
    flight: Flight,
    batcher: Batcher,
    ledger: Ledger,
}

/// A batch and the readings in it.
#[derive(Debug, Default)]
struct Flight {
    batch: Batch,
    sent: Vec<Sent>,
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
        let batcher = Batcher::new(batcher::Limits {
            records: usize::MAX,
            bytes: BATCH_BYTES,
            wait: context.settings.linger,
        });
        let filler = Filler {
            composer: Composer::new(Arc::clone(&context), form),
            context,
            queue,
            incoming: Vec::with_capacity(CHUNK),
            late: BTreeMap::new(),
            flight: Flight::default(),
            batcher,
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

    /// Does with a batch what its outcome asks for, until the fate of each message is known.
    async fn settle(&mut self, flight: Flight, outcome: ProduceOutcome) -> Result<(), Error> {
        let context = Arc::clone(&self.filler.context);
        let mut sending = Sending::new(flight.sent.len(), context.settings.broker_timeout);
        let (mut first, mut last_cause) = (Some(outcome), None);
        loop {
            match sending.action() {
                Action::Send(range) => {
                    let sent = &flight.sent[range];
                    let outcome = match first.take() {
                        Some(outcome) => outcome,
                        None => self.send_again(sent).await?,
                    };
                    let (answer, cause) = self.note(sent, outcome);
                    let alone = sending.answered(answer, context.clock.now());
                    if let (Some(alone), Some(cause)) = (alone, &cause)
                        && !flight.sent[alone].copy
                        && let Err(error) = self.set_aside(&flight.sent[alone], cause).await
                    {
                        self.filler.ledger.not_acked += 1 + sending.unacked() as u64;
                        return Err(error);
                    }
                    last_cause = cause;
                }
                Action::Pause(pause) => {
                    if context.lost.pause(pause).await.is_err() {
                        sending.abandon();
                    }
                }
                Action::Finish => return Ok(()),
                Action::GiveUp { attempts } => {
                    self.filler.ledger.not_acked += sending.unacked() as u64;
                    return Err(Error::Delivery {
                        topic: self.partition.topic().to_owned(),
                        partition: self.partition.number(),
                        attempts,
                        source: last_cause.unwrap_or(Cause::Other(String::new())),
                    });
                }
            }
        }
    }

    async fn send_again(&mut self, sent: &[Sent]) -> Result<ProduceOutcome, Error> {
        let batch = self.filler.encode_again(sent)?;
        let compression = self.filler.context.settings.compression;
        Ok(self.partition.produce(batch, compression).await)
    }

    /// Counts how a request ended.
    fn note(&self, sent: &[Sent], outcome: ProduceOutcome) -> (Answer, Option<Cause>) {
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
                tracing::warn!(%cause, "sending a batch again: it was rejected");
                (Answer::Again, Some(cause))
            }
            ProduceOutcome::Unknown(cause) => {
                counters.produce_unknown.add(1);
                tracing::warn!(%cause, "sending a batch again: its fate is unknown");
                (Answer::Again, Some(cause))
            }
        }
    }

    /// Puts one reading that no broker takes into the dead letters.
    async fn set_aside(&mut self, sent: &Sent, cause: &Cause) -> Result<(), Error> {
        tracing::warn!(%cause, "setting a reading aside that no broker takes");
        let context = Arc::clone(&self.filler.context);
        let partition = (self.partition.topic(), self.partition.number());
        let letter = self.filler.composer.letter(sent, partition, cause)?;
        let topic = context.workload.topic_of(sent.reading.row);
        self.dead_letters.put(&context, topic, &[letter]).await
    }

    fn acked(&self, sent: &[Sent], base_offset: i64) {
        let context = &self.filler.context;
        let acked = context.clock.now();
        if self.acks.push(base_offset, sent.len(), acked) {
            context.counters.log_truncations.add(1);
        }
        context.counters.acked.add(sent.len());
        context.counters.produce_requests.add(1);
        let mut recording = self.recorder.lock();
        let measured = |sent: &&Sent| !sent.reading.warm_up && !sent.copy;
        for sent in sent.iter().filter(measured) {
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

/// Returns the number of readings among what is sent, each counted once.
fn readings(sent: &[Sent]) -> u64 {
    sent.iter().filter(|sent| !sent.copy).count() as u64
}

impl Filler {
    /// Fills the batch until it is full or has waited for its linger.
    ///
    /// Returns false when the queue is closed and nothing is left.
    async fn fill_until_due(&mut self) -> Result<bool, Error> {
        self.encode_incoming()?;
        // What is taken may all have to wait for its turn.
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

    /// Returns the batch and begins the next one.
    fn take(&mut self) -> Flight {
        self.batcher.clear();
        std::mem::take(&mut self.flight)
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
        // No later reading comes any more, so these are the last of their vehicles.
        let sent = self.context.clock.now();
        for (_vehicle, reading) in std::mem::take(&mut self.late) {
            self.put(reading, None, sent)?;
        }
        Ok(true)
    }

    /// Moves readings into the batch; those that do not fit stay for the next one.
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

    /// Puts a reading into the batch, or keeps it until after its vehicle's next one.
    fn put_in_turn(&mut self, reading: Reading, sent: u64) -> Result<(), Error> {
        let struck = self.composer.strikes(&reading);
        let vehicle = reading.vehicle;
        if struck == Some(DataKind::OutOfOrder) && !self.late.contains_key(&vehicle) {
            self.late.insert(vehicle, reading);
            return Ok(());
        }
        let fate = self.put(reading, struck, sent)?;
        if fate == Fate::Stored
            && let Some(late) = self.late.remove(&vehicle)
        {
            self.put(late, None, sent)?;
            self.ledger.count_injected(DataKind::OutOfOrder);
        }
        Ok(())
    }

    /// Puts a reading into the batch, and does to it what the plan says.
    fn put(
        &mut self,
        reading: Reading,
        struck: Option<DataKind>,
        sent: u64,
    ) -> Result<Fate, Error> {
        let struck = struck.filter(|kind| *kind != DataKind::OutOfOrder);
        let fate = struck.map_or(Fate::Stored, |kind| self.composer.fate(kind, &reading));
        let mut sent = Sent {
            reading,
            sent,
            copy: false,
        };
        let ledger = &mut self.ledger;
        let message = self.composer.compose(&sent, |label| {
            if fate == Fate::Stored {
                ledger.count_label(label);
            }
        })?;
        ledger.emitted += 1;
        if fate == Fate::Stored {
            let id = DocumentId::new(self.context.run, reading.vehicle, reading.sequence);
            let (hash, date) = (message.payload_hash, message.emitted_at_unix_ms);
            ledger.messages.add(fingerprint(&id, hash, date));
        } else {
            ledger.spoilt += 1;
        }
        self.push(message, sent);
        if let Some(kind) = struck {
            self.ledger.count_injected(kind);
        }
        if struck == Some(DataKind::Duplicate) {
            let message = self.composer.compose(&sent, |_label| ())?;
            sent.copy = true;
            self.push(message, sent);
        }
        Ok(fate)
    }

    fn push(&mut self, message: Message, sent: Sent) {
        let before = self.flight.batch.bytes();
        message.push_to(&mut self.flight.batch);
        let bytes = self.flight.batch.bytes() - before;
        self.batcher.add(1, bytes, sent.sent);
        self.flight.sent.push(sent);
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
