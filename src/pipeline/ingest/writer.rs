//! The writer of one consumer: inserts batches of documents and moves the checkpoints, as
//! [`Writing`] decides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bson::RawDocumentBuf;
use tokio::sync::mpsc;
use tokio::time::error::Elapsed;

use crate::broker::RecordBuf;
use crate::cause::{Cause, chain};
use crate::measure::Recorder;
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter::{DeadLetters, Letter, Poison, Rejection};
use crate::pipeline::emit::Acks;
use crate::pipeline::error::Error;
use crate::pipeline::ingest::checkpoint::Checkpoints;
use crate::pipeline::ingest::intake::Ready;
use crate::pipeline::ingest::partition_consumer::Fetch;
use crate::pipeline::ingest::stopwatch::{Sample, Stopwatch};
use crate::pipeline::machine::writing::{Action, Fetched, Limits};
use crate::pipeline::machine::{Epochs, Writing, batcher};
use crate::pipeline::outage::{Failing, Outage};
use crate::pipeline::retry::retry_idempotent;
use crate::pipeline::settings::{OnError, StorageSettings};
use crate::pipeline::topic_partition::TopicPartition;
use crate::record::{DocumentId, Headers};
use crate::store::{self, Documents, InsertOutcome, Refusal, StoredIdentity};

/// Fetches that wait for one writer.
pub const WRITER_INPUT: usize = 2;

/// Bytes of the documents of one insert. The driver splits a call beyond 48 MB, and drops the first
/// part's response if the second part fails.
const INSERT_BYTES: usize = 40_000_000;

/// How often checkpoints are written.
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(500);

/// Maximum records that are stored without a checkpoint. After a crash, that many and one batch are
/// read again.
pub const CHECKPOINT_WINDOW: u64 = 50_000;

/// Stores the documents of some partitions.
#[derive(Debug)]
pub struct Writer {
    context: Arc<Context>,
    storage: Arc<StorageSettings>,
    input: mpsc::Receiver<Fetch>,
    documents: Documents,
    dead_letters: Arc<DeadLetters>,
    checkpoints: Checkpoints,
    writing: Writing<TopicPartition>,
    /// Leader epochs of what was fetched.
    epochs: BTreeMap<TopicPartition, Epochs>,
    pending: Pending,
    /// Fetch for the next batch.
    held: Option<Fetch>,
    stopwatch: Stopwatch,
    /// Why the last command with an unknown outcome failed.
    failure: Option<Failure>,
    /// Whether the last command failed.
    outage: Option<Failing>,
}

/// Where a writer writes to.
#[derive(Debug, Clone)]
pub struct Targets {
    pub documents: Documents,
    pub dead_letters: Arc<DeadLetters>,
    pub checkpoints: Checkpoints,
}

/// Documents and rejected records of the current batch.
#[derive(Debug, Default)]
struct Pending {
    documents: Vec<RawDocumentBuf>,
    samples: Vec<Sample>,
    bytes: usize,
    poison: Vec<(TopicPartition, Poison)>,
}

/// Documents of one insert whose `_id` is stored, by index.
#[derive(Debug, Default)]
struct Duplicates {
    /// Stored from the same record.
    same: BTreeSet<usize>,
    /// Stored from another record, or with another content.
    different: BTreeSet<usize>,
}

/// A command with an unknown outcome.
#[derive(Debug)]
enum Failure {
    Insert { collection: String, source: Cause },
    Command(store::Error),
}

impl Writer {
    /// `acks` are in the order of [`Context::partitions`], or empty if the producer is another process.
    pub fn new(
        context: Arc<Context>,
        storage: Arc<StorageSettings>,
        input: mpsc::Receiver<Fetch>,
        targets: Targets,
        acks: Arc<[Arc<Acks>]>,
    ) -> Self {
        let limits = Limits {
            batch: batcher::Limits {
                records: storage.batch_records,
                bytes: INSERT_BYTES,
                wait: storage.batch_wait,
            },
            interval: CHECKPOINT_INTERVAL,
            window: CHECKPOINT_WINDOW,
            timeout: storage.store_timeout,
        };
        Self {
            stopwatch: Stopwatch::new(Arc::clone(&context), acks),
            context,
            storage,
            input,
            documents: targets.documents,
            dead_letters: targets.dead_letters,
            checkpoints: targets.checkpoints,
            writing: Writing::new(limits),
            epochs: BTreeMap::new(),
            pending: Pending::default(),
            held: None,
            failure: None,
            outage: None,
        }
    }

    /// Uses a recorder that other writers share.
    #[must_use]
    pub fn recording_to(mut self, recorder: Arc<Recorder>) -> Self {
        self.stopwatch = self.stopwatch.recording_to(recorder);
        self
    }

    pub fn recorder(&self) -> Arc<Recorder> {
        self.stopwatch.recorder()
    }

    /// Stores until every consumer has ended, then writes the last checkpoints.
    pub async fn run(mut self) -> Result<(), Error> {
        loop {
            match self.writing.action(self.context.clock.now()) {
                Action::Collect { until } => self.collect(until).await,
                Action::WriteLetters => self.write_letters().await?,
                Action::Insert { first, most } => self.insert(first, most).await?,
                Action::Forget => self.pending.clear(),
                Action::Checkpoint {
                    partition,
                    position,
                } => self.checkpoint(partition, position).await?,
                Action::Pause(pause) => {
                    if self.context.terminated_servers.pause(pause).await.is_err() {
                        self.writing.abandon();
                    }
                }
                Action::Finish => return Ok(()),
                Action::GiveUp { attempts } => return self.give_up(attempts),
            }
        }
    }

    /// Waits for a fetch, at most until a time, and takes those that wait with it, until the batch is
    /// full.
    async fn collect(&mut self, until: Option<u64>) {
        let Ok(fetch) = self.next_fetch(until).await else {
            return;
        };
        let Some(fetch) = fetch else {
            self.writing.close();
            return;
        };
        self.add(fetch);
        while !self.writing.is_full()
            && let Ok(fetch) = self.input.try_recv()
        {
            self.add(fetch);
        }
    }

    /// Returns the next fetch, if there is one before `until`; `None` after the last one.
    async fn next_fetch(&mut self, until: Option<u64>) -> Result<Option<Fetch>, Elapsed> {
        if let Some(fetch) = self.held.take() {
            return Ok(Some(fetch));
        }
        let Some(until) = until else {
            return Ok(self.input.recv().await);
        };
        let left = self.context.clock.until(until);
        tokio::time::timeout(left, self.input.recv()).await
    }

    /// Adds a fetch to the batch, or holds it for the next one if the batch would need one more insert.
    fn add(&mut self, fetch: Fetch) {
        let documents = self.pending.documents.len();
        if documents > 0 && documents + fetch.documents.len() > self.storage.batch_records {
            self.held = Some(fetch);
            self.writing.fill();
            return;
        }
        let before = self.pending.bytes;
        let mut fetched = Fetched {
            offsets: fetch.offsets.clone(),
            documents: fetch.documents.len(),
            bytes: 0,
            letters: fetch.poison.len(),
            at: fetch.fetched,
        };
        let partition = fetch.partition;
        if let Some(epoch) = fetch.leader_epoch {
            let epochs = self.epochs.entry(partition).or_default();
            epochs.note(fetch.offsets.start, epoch);
        }
        self.pending.add(fetch);
        fetched.bytes = self.pending.bytes - before;
        self.writing.fetched(partition, fetched);
    }

    /// Writes the dead letters of rejected records, before a checkpoint passes them.
    async fn write_letters(&mut self) -> Result<(), Error> {
        if self.storage.on_error == OnError::Stop
            && let Some((partition, poison)) = self.pending.poison.first()
        {
            return Err(Error::Rejected {
                topic: self.context.topic(*partition).to_owned(),
                partition: partition.number,
                offset: poison.record.offset,
                reason: poison.rejection.reason.clone(),
            });
        }
        let mut letters: BTreeMap<usize, Vec<Letter>> = BTreeMap::new();
        for (partition, poison) in self.pending.poison.drain(..) {
            let letter = Letter::of_record(&self.context, &self.storage, partition, poison);
            letters.entry(partition.topic).or_default().push(letter);
        }
        for (topic, letters) in letters {
            self.dead_letters
                .put(&self.context, topic, &letters)
                .await?;
        }
        self.writing.letters_written();
        Ok(())
    }

    /// Inserts up to `most` documents of the batch, from index `first`.
    async fn insert(&mut self, first: usize, most: usize) -> Result<(), Error> {
        let chunk = first..self.pending.chunk_end(first, most);
        let documents = &self.pending.documents[chunk.clone()];
        let (taken, mut rejected) = match self.documents.insert(documents).await {
            InsertOutcome::Unknown(source) => {
                let collection = self.documents.name();
                self.unanswered(Failure::Insert { collection, source });
                return Ok(());
            }
            InsertOutcome::Answered { taken, rejected } => (taken, rejected),
        };
        let stored = self.context.clock.now();
        Outage::end(&mut self.outage, stored);
        self.context.counters.inserts.add(1);
        let samples = &self.pending.samples[chunk.clone()];
        let Duplicates { same, different } = self
            .classify_duplicates(samples, taken, &mut rejected)
            .await?;
        // After an insert with unknown outcome, these are documents that it has stored.
        let retried = self.writing.failed_attempts() > 0;
        let left_out = |index: &usize| {
            rejected.iter().any(|refusal| refusal.index == *index)
                || different.contains(index)
                || (same.contains(index) && !retried)
        };
        self.stopwatch.stored(samples, left_out, stored);
        self.writing.inserted(chunk.len(), rejected.len());
        for Refusal { index, reason } in rejected {
            self.reject(first + index, &reason).await;
        }
        Ok(())
    }

    /// Turns a document that the store rejected into a rejected record. If the broker no longer has
    /// the record, its value is the document.
    async fn reject(&mut self, index: usize, reason: &str) {
        let sample = self.pending.samples[index];
        let (partition, offset) = (sample.partition, sample.offset);
        let original = self.dead_letters.original(&self.context, partition, offset);
        let record = original.await.unwrap_or_else(|| RecordBuf {
            offset,
            timestamp_ms: 0,
            key: None,
            value: Some(self.pending.documents[index].as_bytes().to_vec()),
            headers: Headers::default(),
        });
        // Without a run, the record is not a reading.
        let own = self.pending.documents[index].get_document("_convoy").ok();
        let run_id = own.and_then(|own| own.get_str("run").ok());
        let reading = (sample.envelope.vehicle, sample.envelope.sequence);
        let poison = Poison {
            record,
            rejection: Rejection {
                run_id: run_id.map(str::to_owned),
                reading: run_id.map(|_run| reading),
                reason: format!("the store rejected the document: {reason}"),
            },
            batch: None,
        };
        self.pending.poison.push((partition, poison));
    }

    /// Counts each document whose `_id` is stored as read twice, appended twice, or different.
    ///
    /// A document whose `_id` is not stored collides in another unique index, so it is rejected.
    async fn classify_duplicates(
        &self,
        samples: &[Sample],
        taken: Vec<Refusal>,
        rejected: &mut Vec<Refusal>,
    ) -> Result<Duplicates, Error> {
        let mut duplicates = Duplicates::default();
        if taken.is_empty() {
            return Ok(duplicates);
        }
        let stored = self.identities(samples, &taken).await?;
        let counters = &self.context.counters;
        for refusal in taken {
            let sample = &samples[refusal.index];
            let Some(found) = stored.get(sample.envelope.document_id().as_bytes()) else {
                rejected.push(refusal);
                continue;
            };
            let same_place = found.partition == i64::from(sample.partition.number)
                && found.offset == sample.offset;
            if found.payload_hash.cast_unsigned() != sample.envelope.payload_hash {
                counters.conflicting.add(1);
                duplicates.different.insert(refusal.index);
            } else if same_place {
                duplicates.same.insert(refusal.index);
                counters.replayed.add(1);
            } else {
                counters.producer_duplicated.add(1);
                duplicates.different.insert(refusal.index);
            }
        }
        Ok(duplicates)
    }

    /// Looks up the documents that have the ids of these samples.
    async fn identities(
        &self,
        samples: &[Sample],
        taken: &[Refusal],
    ) -> Result<BTreeMap<[u8; 16], StoredIdentity>, Error> {
        let ids: Vec<DocumentId> = taken
            .iter()
            .map(|refusal| samples[refusal.index].envelope.document_id())
            .collect();
        let timeout = self.storage.store_timeout;
        // A server that reads the whole collection for a look-up gets more time at each attempt.
        let mut deadline = self.documents.command_timeout();
        let look_up = || {
            let looking_up = self.documents.identities(&ids, deadline);
            deadline = (deadline * 2).min(timeout.max(deadline));
            looking_up
        };
        let found = retry_idempotent(&self.context, timeout, look_up).await;
        let found = found.map_err(Error::Store)?;
        Ok(found.into_iter().map(|found| (found.id, found)).collect())
    }

    async fn checkpoint(&mut self, partition: TopicPartition, position: i64) -> Result<(), Error> {
        let epochs = self.epochs.get_mut(&partition);
        let epoch = epochs.and_then(|epochs| epochs.before(position));
        let written = self
            .checkpoints
            .write(&self.context, partition, position, epoch);
        match written.await {
            Ok(()) => {
                Outage::end(&mut self.outage, self.context.clock.now());
                self.writing.checkpointed(partition, position);
            }
            Err(error @ store::Error::Command { .. }) => {
                self.unanswered(Failure::Command(error));
            }
            Err(error) => return Err(Error::Store(error)),
        }
        Ok(())
    }

    /// Counts a command with an unknown outcome.
    fn unanswered(&mut self, failure: Failure) {
        let attempts = self.writing.failed_attempts() + 1;
        match &failure {
            Failure::Insert { source, .. } => {
                self.context.counters.inserts_unknown.add(1);
                self.outage_by(source);
                tracing::debug!(%source, attempts, "retrying an insert");
            }
            Failure::Command(error) => {
                let cause = chain(error);
                self.outage_by(&cause);
                tracing::debug!(error = cause, attempts, "retrying a command");
            }
        }
        self.failure = Some(failure);
        self.writing.unanswered(self.context.clock.now());
    }

    fn outage_by(&mut self, cause: &dyn std::fmt::Display) {
        let now = self.context.clock.now();
        let outage = &self.context.store_outage;
        outage.failed(&mut self.outage, now, cause);
    }

    fn give_up(self, attempts: u32) -> Result<(), Error> {
        match self.failure {
            Some(Failure::Insert { collection, source }) => Err(Error::Insert {
                collection,
                attempts,
                source,
            }),
            Some(Failure::Command(error)) => Err(Error::Store(error)),
            None => Ok(()),
        }
    }
}

impl Pending {
    fn add(&mut self, fetch: Fetch) {
        let partition = fetch.partition;
        for Ready { document, sample } in fetch.documents {
            self.bytes += document.as_bytes().len();
            self.documents.push(document);
            self.samples.push(sample);
        }
        for poison in fetch.poison {
            self.bytes += poison.record.value.as_ref().map_or(0, Vec::len);
            self.poison.push((partition, poison));
        }
    }

    /// Returns the end index of the next insert's documents.
    fn chunk_end(&self, first: usize, most: usize) -> usize {
        let end = self.documents.len().min(first + most);
        if self.bytes <= INSERT_BYTES {
            return end;
        }
        let mut bytes = 0;
        let fitting = self.documents[first..end].iter().take_while(|document| {
            bytes += document.as_bytes().len();
            bytes <= INSERT_BYTES
        });
        first + fitting.count().max(1)
    }

    /// Clears the content and keeps the memory.
    fn clear(&mut self) {
        self.documents.clear();
        self.samples.clear();
        self.poison.clear();
        self.bytes = 0;
    }
}
