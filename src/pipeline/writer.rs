//! The writer of one consumer: batches documents of its partitions, inserts them durably, takes
//! the time, and moves the checkpoints.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bson::RawDocumentBuf;
use tokio::sync::mpsc;

use super::acks::{Acked, Acks};
use super::checkpoint::Checkpoints;
use super::consumer::{Fetch, Poison, Ready};
use super::context::{Context, TopicPartition};
use super::dead_letter::{DeadLetters, Letter};
use super::error::Error;
use super::retry::{FIRST_PAUSE, MAX_PAUSE, persistently};
use crate::broker::client::Record;
use crate::measure::{Recorder, Recording, Stage, nanos};
use crate::record::{DocumentId, Envelope};
use crate::store::{Documents, InsertOutcome};

/// Bytes of the documents of one insert. A wire message takes 48 MB; beyond, the driver would split
/// the call and forget the first part's answer if the second fails.
const INSERT_BYTES: usize = 40_000_000;

/// How often positions are written while documents flow.
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(500);

/// Stores what the consumers of some partitions have decoded.
#[derive(Debug)]
pub struct Writer {
    context: Arc<Context>,
    input: mpsc::Receiver<Fetch>,
    documents: Documents,
    dead_letters: Arc<DeadLetters>,
    checkpoints: Checkpoints,
    acks: Arc<[Arc<Acks>]>,
    recorder: Arc<Recorder>,
    pending: Pending,
    /// Positions that are stored but not yet written down.
    positions: BTreeMap<TopicPartition, i64>,
    last_checkpoint: u64,
    /// Offset and fetch time of measured records whose ack has not come yet: it races with the
    /// fetch.
    unacked: BTreeMap<TopicPartition, VecDeque<(i64, u64)>>,
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

/// Documents that wait for their insert.
#[derive(Debug, Default)]
struct Pending {
    documents: Vec<RawDocumentBuf>,
    samples: Vec<Sample>,
    bytes: usize,
    poison: Vec<(TopicPartition, Poison)>,
    positions: BTreeMap<TopicPartition, i64>,
    /// When its oldest document was fetched.
    oldest: Option<u64>,
}

/// What measuring needs of a document once it is stored.
#[derive(Debug, Clone, Copy)]
struct Sample {
    partition: TopicPartition,
    offset: i64,
    envelope: Envelope,
    fetched: u64,
    payload_bytes: usize,
}

impl Writer {
    /// Prepares to store what comes through `input`.
    pub fn new(
        context: Arc<Context>,
        input: mpsc::Receiver<Fetch>,
        targets: Targets,
        acks: Arc<[Arc<Acks>]>,
    ) -> Self {
        Self {
            context,
            input,
            documents: targets.documents,
            dead_letters: targets.dead_letters,
            checkpoints: targets.checkpoints,
            acks,
            recorder: Arc::default(),
            pending: Pending::default(),
            positions: BTreeMap::new(),
            last_checkpoint: 0,
            unacked: BTreeMap::new(),
        }
    }

    /// Returns what this writer records.
    pub fn recorder(&self) -> Arc<Recorder> {
        Arc::clone(&self.recorder)
    }

    /// Stores until every consumer is done, then writes the last positions.
    pub async fn run(mut self) -> Result<(), Error> {
        while self.collect().await {
            let mut pending = std::mem::take(&mut self.pending);
            self.set_aside(&mut pending).await?;
            self.store(&mut pending).await?;
            self.positions.append(&mut pending.positions);
            self.pending = pending.emptied();
            if self.context.clock.now() - self.last_checkpoint > nanos(CHECKPOINT_INTERVAL) {
                self.write_positions().await?;
            }
        }
        self.write_positions().await
    }

    /// Waits for documents until there are enough or the first has waited long enough.
    ///
    /// Returns false when there are none left to come.
    async fn collect(&mut self) -> bool {
        let wait = nanos(self.context.settings.batch_wait);
        while self.pending.documents.len() < self.context.settings.batch_records {
            let fetch = match self.pending.oldest {
                None => self.input.recv().await,
                Some(oldest) => {
                    let left = self.context.clock.until(oldest + wait);
                    match tokio::time::timeout(left, self.input.recv()).await {
                        Ok(fetch) => fetch,
                        Err(_waited) => return true,
                    }
                }
            };
            match fetch {
                Some(fetch) => self.pending.add(fetch),
                None => return self.pending.oldest.is_some(),
            }
        }
        true
    }

    /// Puts what does not fit into the dead letters, before any checkpoint passes it.
    async fn set_aside(&mut self, pending: &mut Pending) -> Result<(), Error> {
        let mut letters: BTreeMap<usize, Vec<Letter>> = BTreeMap::new();
        for (partition, poison) in std::mem::take(&mut pending.poison) {
            let letter = Letter::of_record(&self.context, partition, poison);
            letters.entry(partition.topic).or_default().push(letter);
        }
        for (topic, letters) in letters {
            self.dead_letters
                .put(&self.context, topic, &letters)
                .await?;
        }
        Ok(())
    }

    async fn store(&mut self, pending: &mut Pending) -> Result<(), Error> {
        let mut first = 0;
        while first < pending.documents.len() {
            let end = pending.chunk_end(first, self.context.settings.batch_records);
            let documents = &pending.documents[first..end];
            let answered = insert(&self.context, &self.documents, documents).await?;
            let stored = self.context.clock.now();
            let samples = &pending.samples[first..end];
            self.tell_duplicates_apart(samples, &answered.duplicates)
                .await?;
            self.set_rejected_aside(&pending.documents[first..end], samples, &answered)
                .await?;
            self.record(samples, &answered, stored);
            first = end;
        }
        Ok(())
    }

    /// Finds out what each duplicate is: read again, appended again, or something else.
    async fn tell_duplicates_apart(
        &self,
        samples: &[Sample],
        duplicates: &[usize],
    ) -> Result<(), Error> {
        let Some(_some) = duplicates.first() else {
            return Ok(());
        };
        let repeated: Vec<&Sample> = duplicates.iter().map(|index| &samples[*index]).collect();
        let ids: Vec<DocumentId> = repeated
            .iter()
            .map(|sample| sample.envelope.document_id())
            .collect();
        let look_up = || self.documents.identities(&ids);
        let stored = persistently(&self.context, look_up)
            .await
            .map_err(Error::Store)?;
        let stored: BTreeMap<_, _> = stored.iter().map(|found| (found.id, found)).collect();
        let counters = &self.context.counters;
        for sample in repeated {
            let Some(found) = stored.get(sample.envelope.document_id().as_bytes()) else {
                continue;
            };
            let same_place = found.partition == i64::from(sample.partition.number)
                && found.offset == sample.offset;
            if found.payload_hash.cast_unsigned() != sample.envelope.payload_hash {
                counters.conflicting.add(1);
            } else if same_place {
                counters.replayed.add(1);
            } else {
                counters.producer_duplicated.add(1);
            }
        }
        Ok(())
    }

    /// Puts documents that the store does not take into the dead letters.
    async fn set_rejected_aside(
        &mut self,
        documents: &[RawDocumentBuf],
        samples: &[Sample],
        answered: &Answered,
    ) -> Result<(), Error> {
        let mut pending = Pending::default();
        for (index, reason) in &answered.rejected {
            let sample = &samples[*index];
            let (partition, offset) = (sample.partition, sample.offset);
            let original = self.dead_letters.original(&self.context, partition, offset);
            let record = original.await.unwrap_or_else(|| Record {
                offset,
                timestamp_ms: 0,
                key: None,
                value: Some(documents[*index].as_bytes().to_vec()),
                headers: BTreeMap::new(),
            });
            let reason = format!("the store refused the document: {reason}");
            let poison = Poison {
                record,
                reading: Some((sample.envelope.vehicle, sample.envelope.sequence)),
                reason,
            };
            pending.poison.push((sample.partition, poison));
        }
        self.set_aside(&mut pending).await
    }

    /// Takes the time of every document that this insert has stored for the first time.
    fn record(&mut self, samples: &[Sample], answered: &Answered, stored: u64) {
        let rejected: Vec<usize> = answered.rejected.iter().map(|(index, _)| *index).collect();
        // After an insert of unknown fate, duplicates are documents that it did store.
        let left_out = |index: &usize| {
            rejected.contains(index)
                || (!answered.sent_again && answered.duplicates.contains(index))
        };
        let recorder = Arc::clone(&self.recorder);
        let mut recording = recorder.lock();
        recording.first_stored = recording.first_stored.or(Some(stored));
        let mut new = 0;
        for (index, sample) in samples.iter().enumerate() {
            if !left_out(&index) {
                new += 1;
                self.record_sample(&mut recording, sample, stored);
            }
        }
        self.record_fetch_latencies(&mut recording);
        self.context.counters.stored.add(new);
    }

    fn record_sample(&mut self, recording: &mut Recording, sample: &Sample, stored: u64) {
        let envelope = &sample.envelope;
        if envelope.warm_up {
            recording.warm_up.record(envelope.intended, stored);
            return;
        }
        recording.count_stored(envelope.intended, stored, sample.payload_bytes as u64);
        let stages = &mut recording.stages;
        stages
            .get_mut(Stage::StoreLatency)
            .record(sample.fetched, stored);
        stages
            .get_mut(Stage::EndToEndLatency)
            .record(envelope.intended, stored);
        let unacked = self.unacked.entry(sample.partition).or_default();
        unacked.push_back((sample.offset, sample.fetched));
    }

    /// Records the fetch latency of every record whose ack is known by now.
    fn record_fetch_latencies(&mut self, recording: &mut Recording) {
        let latencies = recording.stages.get_mut(Stage::FetchLatency);
        for (partition, unacked) in &mut self.unacked {
            let mut acks = self.acks[self.context.index_of(*partition)].reader();
            while let Some((offset, fetched)) = unacked.front() {
                match acks.acked(*offset) {
                    Acked::At(acked) => latencies.record(acked, *fetched),
                    Acked::Never => {}
                    Acked::NotYet => break,
                }
                unacked.pop_front();
            }
        }
    }

    async fn write_positions(&mut self) -> Result<(), Error> {
        for (partition, position) in std::mem::take(&mut self.positions) {
            let write = || self.checkpoints.write(&self.context, partition, position);
            persistently(&self.context, write)
                .await
                .map_err(Error::Store)?;
        }
        self.last_checkpoint = self.context.clock.now();
        Ok(())
    }
}

impl Pending {
    fn add(&mut self, fetch: Fetch) {
        self.oldest.get_or_insert(fetch.fetched);
        for Ready {
            document,
            envelope,
            offset,
            payload_bytes,
        } in fetch.documents
        {
            self.bytes += document.as_bytes().len();
            self.documents.push(document);
            let (partition, fetched) = (fetch.partition, fetch.fetched);
            self.samples.push(Sample {
                partition,
                offset,
                envelope,
                fetched,
                payload_bytes,
            });
        }
        self.poison.extend(
            fetch
                .poison
                .into_iter()
                .map(|poison| (fetch.partition, poison)),
        );
        self.positions.insert(fetch.partition, fetch.next_offset);
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

    /// Returns itself without content, keeping the memory.
    fn emptied(mut self) -> Self {
        self.documents.clear();
        self.samples.clear();
        Self {
            documents: self.documents,
            samples: self.samples,
            ..Self::default()
        }
    }
}

/// What the store said of a batch in the end.
#[derive(Debug)]
pub(super) struct Answered {
    /// Indices of what was there already.
    pub duplicates: Vec<usize>,
    /// Indices of what the store does not take, with its reason.
    pub rejected: Vec<(usize, String)>,
    /// Whether an earlier attempt's fate was unknown.
    pub sent_again: bool,
}

/// Inserts a batch, again and again while its fate is unknown, up to a deadline.
pub(super) async fn insert(
    context: &Context,
    collection: &Documents,
    batch: &[RawDocumentBuf],
) -> Result<Answered, Error> {
    let deadline = context.clock.now() + nanos(context.settings.patience);
    let (mut attempts, mut pause) = (0, FIRST_PAUSE);
    loop {
        attempts += 1;
        match collection.insert(batch).await {
            InsertOutcome::Answered {
                duplicates,
                rejected,
            } => {
                context.counters.inserts.add(1);
                return Ok(Answered {
                    duplicates,
                    rejected,
                    sent_again: attempts > 1,
                });
            }
            InsertOutcome::Unknown(source) => {
                context.counters.inserts_unknown.add(1);
                tracing::warn!(%source, attempts, "inserting a batch again");
                if context.clock.now() >= deadline {
                    let collection = collection.name();
                    return Err(Error::Insert {
                        collection,
                        attempts,
                        source,
                    });
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}
