//! The writer of one consumer: does what [`machine::writing`](crate::pipeline::machine::writing) decides.
//! Batches documents of its partitions, inserts them durably, moves the checkpoints.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bson::RawDocumentBuf;
use tokio::sync::mpsc;

use crate::broker::Record;
use crate::cause::Cause;
use crate::measure::Recorder;
use crate::pipeline::context::{Context, TopicPartition};
use crate::pipeline::dead_letter::{DeadLetters, Letter};
use crate::pipeline::emit::acks::Acks;
use crate::pipeline::error::Error;
use crate::pipeline::ingest::checkpoint::Checkpoints;
use crate::pipeline::ingest::partition_consumer::{Fetch, Poison, Ready};
use crate::pipeline::ingest::stopwatch::{Sample, Stopwatch};
use crate::pipeline::machine::batcher;
use crate::pipeline::machine::writing::{Action, Fetched, Limits, Writing};
use crate::pipeline::retry::persistently;
use crate::record::DocumentId;
use crate::store::{self, Documents, InsertOutcome};

/// Bytes of the documents of one insert. A wire message takes 48 MB; beyond, the driver would split
/// the call and forget the first part's answer if the second fails.
const INSERT_BYTES: usize = 40_000_000;

/// How often positions are written while documents flow.
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(500);

/// Records that may be stored without a checkpoint: after a crash so many are read again, and a
/// batch.
pub const CHECKPOINT_WINDOW: u64 = 50_000;

/// Stores what the consumers of some partitions have decoded.
#[derive(Debug)]
pub struct Writer {
    context: Arc<Context>,
    input: mpsc::Receiver<Fetch>,
    documents: Documents,
    dead_letters: Arc<DeadLetters>,
    checkpoints: Checkpoints,
    writing: Writing<TopicPartition>,
    pending: Pending,
    stopwatch: Stopwatch,
    /// How the last command that was not answered failed.
    failure: Option<Failure>,
}

/// Where a writer writes to.
#[derive(Debug, Clone)]
pub struct Targets {
    /// Collection of the documents.
    pub documents: Documents,
    /// Where what does not fit goes.
    pub dead_letters: Arc<DeadLetters>,
    /// Positions.
    pub checkpoints: Checkpoints,
}

/// What waits for its insert.
#[derive(Debug, Default)]
struct Pending {
    documents: Vec<RawDocumentBuf>,
    samples: Vec<Sample>,
    bytes: usize,
    poison: Vec<(TopicPartition, Poison)>,
}

/// A command that was not answered.
#[derive(Debug)]
enum Failure {
    Insert { collection: String, source: Cause },
    Command(store::Error),
}

impl Writer {
    /// Prepares to store what comes through `input`.
    ///
    /// `acks` has those of every partition, or is empty where the producer is another process.
    pub fn new(
        context: Arc<Context>,
        input: mpsc::Receiver<Fetch>,
        targets: Targets,
        acks: Arc<[Arc<Acks>]>,
    ) -> Self {
        let settings = &context.settings;
        let limits = Limits {
            batch: batcher::Limits {
                records: settings.batch_records,
                bytes: INSERT_BYTES,
                wait: settings.batch_wait,
            },
            interval: CHECKPOINT_INTERVAL,
            window: CHECKPOINT_WINDOW,
            patience: settings.store_timeout,
        };
        Self {
            stopwatch: Stopwatch::new(Arc::clone(&context), acks),
            context,
            input,
            documents: targets.documents,
            dead_letters: targets.dead_letters,
            checkpoints: targets.checkpoints,
            writing: Writing::new(limits),
            pending: Pending::default(),
            failure: None,
        }
    }

    /// Records into what others record into as well.
    #[must_use]
    pub fn recording_to(mut self, recorder: Arc<Recorder>) -> Self {
        self.stopwatch = self.stopwatch.recording_to(recorder);
        self
    }

    /// Returns what this writer records.
    pub fn recorder(&self) -> Arc<Recorder> {
        self.stopwatch.recorder()
    }

    /// Stores until every consumer is done, then writes the last positions.
    pub async fn run(mut self) -> Result<(), Error> {
        loop {
            match self.writing.action(self.context.clock.now()) {
                Action::Collect { until } => self.collect(until).await,
                Action::SetAside => self.set_aside().await?,
                Action::Insert { first, most } => self.insert(first, most).await?,
                Action::Forget => self.pending.clear(),
                Action::Checkpoint {
                    partition,
                    position,
                } => self.checkpoint(partition, position).await?,
                Action::Pause(pause) => {
                    if self.context.lost.pause(pause).await.is_err() {
                        self.writing.abandon();
                    }
                }
                Action::Finish => return Ok(()),
                Action::GiveUp { attempts } => return self.give_up(attempts),
            }
        }
    }

    /// Waits for what a consumer has fetched, until a stamp at the latest.
    async fn collect(&mut self, until: Option<u64>) {
        let fetch = match until {
            None => self.input.recv().await,
            Some(until) => {
                let left = self.context.clock.until(until);
                match tokio::time::timeout(left, self.input.recv()).await {
                    Ok(fetch) => fetch,
                    Err(_waited) => return,
                }
            }
        };
        match fetch {
            Some(fetch) => {
                let before = self.pending.bytes;
                let mut fetched = Fetched {
                    offsets: fetch.offsets.clone(),
                    documents: fetch.documents.len(),
                    bytes: 0,
                    letters: fetch.poison.len(),
                    at: fetch.fetched,
                };
                let partition = fetch.partition;
                self.pending.add(fetch);
                fetched.bytes = self.pending.bytes - before;
                self.writing.fetched(partition, fetched);
            }
            None => self.writing.close(),
        }
    }

    /// Puts what does not fit into the dead letters, before any checkpoint passes it.
    async fn set_aside(&mut self) -> Result<(), Error> {
        let mut letters: BTreeMap<usize, Vec<Letter>> = BTreeMap::new();
        for (partition, poison) in self.pending.poison.drain(..) {
            let letter = Letter::of_record(&self.context, partition, poison);
            letters.entry(partition.topic).or_default().push(letter);
        }
        for (topic, letters) in letters {
            self.dead_letters
                .put(&self.context, topic, &letters)
                .await?;
        }
        self.writing.set_aside();
        Ok(())
    }

    /// Inserts documents of the batch, from an index on.
    async fn insert(&mut self, first: usize, most: usize) -> Result<(), Error> {
        let chunk = first..self.pending.chunk_end(first, most);
        let documents = &self.pending.documents[chunk.clone()];
        let (duplicates, rejected) = match self.documents.insert(documents).await {
            InsertOutcome::Unknown(source) => {
                let collection = self.documents.name();
                self.unanswered(Failure::Insert { collection, source });
                return Ok(());
            }
            InsertOutcome::Answered {
                duplicates,
                rejected,
            } => (duplicates, rejected),
        };
        let stored = self.context.clock.now();
        self.context.counters.inserts.add(1);
        let samples = &self.pending.samples[chunk.clone()];
        let same = tell_duplicates_apart(&self.context, &self.documents, samples, &duplicates);
        let same = same.await?;
        // After an insert of unknown fate, these are documents that it did store.
        let sent_again = self.writing.failed_attempts() > 0;
        let left_out = |index: &usize| {
            rejected.iter().any(|(rejected, _)| rejected == index)
                || (duplicates.contains(index) && !(sent_again && same.contains(index)))
        };
        self.stopwatch.stored(samples, left_out, stored);
        self.writing.inserted(chunk.len(), rejected.len());
        for (index, reason) in rejected {
            self.reject(first + index, &reason).await;
        }
        Ok(())
    }

    /// Turns a document that the store does not take into a letter, of the record as it came where
    /// the broker still has it.
    async fn reject(&mut self, index: usize, reason: &str) {
        let sample = self.pending.samples[index];
        let (partition, offset) = (sample.partition, sample.offset);
        let original = self.dead_letters.original(&self.context, partition, offset);
        let record = original.await.unwrap_or_else(|| Record {
            offset,
            timestamp_ms: 0,
            key: None,
            value: Some(self.pending.documents[index].as_bytes().to_vec()),
            headers: BTreeMap::new(),
        });
        // A record that names no run is no reading either.
        let run_id = self.pending.documents[index].get_str("run").ok();
        let reading = (sample.envelope.vehicle, sample.envelope.sequence);
        let poison = Poison {
            record,
            run_id: run_id.map(str::to_owned),
            reading: run_id.map(|_run| reading),
            reason: format!("the store refused the document: {reason}"),
        };
        self.pending.poison.push((partition, poison));
    }

    async fn checkpoint(&mut self, partition: TopicPartition, position: i64) -> Result<(), Error> {
        let written = self.checkpoints.write(&self.context, partition, position);
        match written.await {
            Ok(()) => self.writing.checkpointed(partition, position),
            Err(error @ store::Error::Command { .. }) => {
                self.unanswered(Failure::Command(error));
            }
            Err(error) => return Err(Error::Store(error)),
        }
        Ok(())
    }

    /// Notes that nobody knows what became of a command.
    fn unanswered(&mut self, failure: Failure) {
        let attempts = self.writing.failed_attempts() + 1;
        match &failure {
            Failure::Insert { source, .. } => {
                self.context.counters.inserts_unknown.add(1);
                tracing::warn!(%source, attempts, "inserting a batch again");
            }
            Failure::Command(error) => {
                tracing::warn!(%error, attempts, "sending a command again");
            }
        }
        self.failure = Some(failure);
        self.writing.unanswered(self.context.clock.now());
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

/// Finds out what each duplicate is: read again, appended again, or something else.
///
/// Returns those that are stored from the very record that was to be stored.
async fn tell_duplicates_apart(
    context: &Context,
    documents: &Documents,
    samples: &[Sample],
    duplicates: &[usize],
) -> Result<Vec<usize>, Error> {
    let mut same = Vec::new();
    if duplicates.is_empty() {
        return Ok(same);
    }
    let repeated: Vec<&Sample> = duplicates.iter().map(|index| &samples[*index]).collect();
    let ids: Vec<DocumentId> = repeated
        .iter()
        .map(|sample| sample.envelope.document_id())
        .collect();
    let stored = persistently(context, || documents.identities(&ids))
        .await
        .map_err(Error::Store)?;
    let stored: BTreeMap<_, _> = stored.iter().map(|found| (found.id, found)).collect();
    let counters = &context.counters;
    for (index, sample) in duplicates.iter().zip(repeated) {
        let Some(found) = stored.get(sample.envelope.document_id().as_bytes()) else {
            continue;
        };
        let same_place =
            found.partition == i64::from(sample.partition.number) && found.offset == sample.offset;
        if found.payload_hash.cast_unsigned() != sample.envelope.payload_hash {
            counters.conflicting.add(1);
        } else if same_place {
            same.push(*index);
            counters.replayed.add(1);
        } else {
            counters.producer_duplicated.add(1);
        }
    }
    Ok(same)
}

impl Pending {
    fn add(&mut self, fetch: Fetch) {
        let (partition, fetched) = (fetch.partition, fetch.fetched);
        for Ready {
            document,
            envelope,
            offset,
            payload_bytes,
        } in fetch.documents
        {
            self.bytes += document.as_bytes().len();
            self.documents.push(document);
            self.samples.push(Sample {
                partition,
                offset,
                envelope,
                fetched,
                payload_bytes,
            });
        }
        for poison in fetch.poison {
            self.bytes += poison.record.value.as_ref().map_or(0, Vec::len);
            self.poison.push((partition, poison));
        }
    }

    /// Returns the end of the next insert's documents.
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

    /// Forgets its content and keeps the memory.
    fn clear(&mut self) {
        self.documents.clear();
        self.samples.clear();
        self.poison.clear();
        self.bytes = 0;
    }
}
