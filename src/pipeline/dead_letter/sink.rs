//! Writes dead letters to the collection and to the dead letter topic.

use std::collections::BTreeSet;
use std::time::Duration;

use bson::{RawDocumentBuf, doc};
use tokio::sync::Mutex;

use crate::broker::{
    self, BATCH_BYTES, Batch, Compression, Connector, HeaderRef, Isolation, NewRecord,
    ProduceOutcome, Producer, RecordBuf, Value,
};
use crate::cause::{Cause, chain};
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter::TOPIC_SUFFIX;
use crate::pipeline::dead_letter::letter::Letter;
use crate::pipeline::error::Error;
use crate::pipeline::machine::Attempts;
use crate::pipeline::retry::{insert, pause_before_retry, retry_idempotent};
use crate::pipeline::topic_partition::TopicPartition;
use crate::store::Documents;

/// Bytes of the letters of one insert. The limit of a wire message is 48 MB.
const INSERT_BYTES: usize = 30_000_000;

/// Bytes of a fetch for one record.
const FETCH_BYTES: i32 = 1024 * 1024;

/// Attempts to fetch a rejected record again. After that the letter holds its document instead.
const FETCH_ATTEMPTS: u32 = 3;

/// How long such a fetch waits, and the pause between two.
const FETCH_WAIT: Duration = Duration::from_millis(50);

/// The collection of dead letters.
#[derive(Debug)]
pub struct LetterCollection {
    pub documents: Documents,
    /// How long commands are retried.
    pub timeout: Duration,
}

/// Writes dead letters. All producers and writers of a process share it.
#[derive(Debug)]
pub struct DeadLetters {
    /// `None` for a producer without a store.
    collection: Option<LetterCollection>,
    connector: Connector,
    /// By topic of the run: the producer of its dead letters, once there is one.
    topics: Vec<Mutex<Option<Producer>>>,
}

impl DeadLetters {
    /// Prepares for the dead letters of a number of topics. Nothing is created before the first one.
    ///
    /// Without a collection, letters go to the topic only.
    pub fn new(collection: Option<LetterCollection>, connector: Connector, topics: usize) -> Self {
        Self {
            collection,
            connector,
            topics: (0..topics).map(|_| Mutex::default()).collect(),
        }
    }

    /// Writes letters of one topic of the run to the collection, and those that are new there to
    /// the topic.
    pub async fn put(
        &self,
        context: &Context,
        topic: usize,
        letters: &[Letter],
    ) -> Result<(), Error> {
        let Some(collection) = &self.collection else {
            let letters: Vec<&Letter> = letters.iter().collect();
            self.publish(context, topic, &letters).await?;
            context.counters.dead_lettered.add(letters.len());
            return Ok(());
        };
        let documents: Vec<RawDocumentBuf> = letters.iter().map(Letter::document).collect();
        let mut first = 0;
        while first < letters.len() {
            let end = first + fitting(&documents[first..], INSERT_BYTES, |it| it.as_bytes().len());
            let (letters, documents) = (&letters[first..end], &documents[first..end]);
            let new = collection.insert(context, letters, documents).await?;
            self.publish(context, topic, &new).await?;
            first = end;
        }
        Ok(())
    }

    /// Sends letters to the topic, and marks them as published in the collection.
    async fn publish(
        &self,
        context: &Context,
        topic: usize,
        letters: &[&Letter],
    ) -> Result<(), Error> {
        if letters.is_empty() {
            return Ok(());
        }
        let mut producer = self.topics[topic].lock().await;
        let producer = match &mut *producer {
            Some(producer) => producer,
            absent => absent.insert(self.open(context, topic).await?),
        };
        let mut first = 0;
        while first < letters.len() {
            let size = |letter: &&Letter| letter.value.as_ref().map_or(0, Vec::len) + 4_096;
            let end = first + fitting(&letters[first..], BATCH_BYTES, size);
            let letters = &letters[first..end];
            if send(context, producer, letters).await? {
                self.mark(context, letters, true).await?;
            } else {
                for letter in letters {
                    let sent = letters.len() > 1 && send(context, producer, &[letter]).await?;
                    self.mark(context, &[letter], sent).await?;
                }
            }
            first = end;
        }
        Ok(())
    }

    /// Creates the topic if it does not exist.
    async fn open(&self, context: &Context, topic: usize) -> Result<Producer, Error> {
        let name = format!("{}{TOPIC_SUFFIX}", context.settings.topics[topic]);
        let mut attempts = Attempts::new(context.settings.timeouts.broker);
        loop {
            let ensured = self.ensure(&name, context.settings.creation.replication_factor);
            let Err(error) = ensured.await else {
                return Ok(self.connector.producer(&name, 0));
            };
            tracing::warn!(
                error = chain(&error),
                "retrying to create the dead letter topic"
            );
            if !pause_before_retry(context, &mut attempts).await {
                return Err(Error::Broker(error));
            }
        }
    }

    async fn ensure(&self, name: &str, replicas: i16) -> Result<(), broker::Error> {
        if self.connector.topics().await?.contains_key(name) {
            return Ok(());
        }
        match self.connector.create_topic(name, 1, replicas).await {
            // Another process may have created it.
            Err(error) if !self.connector.topics().await?.contains_key(name) => Err(error),
            _ => Ok(()),
        }
    }

    /// Marks letters in the collection as published, or as too large for the topic.
    async fn mark(
        &self,
        context: &Context,
        letters: &[&Letter],
        published: bool,
    ) -> Result<(), Error> {
        let Some(collection) = &self.collection else {
            return Ok(());
        };
        let ids: Vec<&str> = letters.iter().map(|letter| letter.id()).collect();
        let update = || {
            let filter = doc! { "_id": { "$in": ids.clone() } };
            let update = doc! { "$set": { "published": published } };
            collection.documents.update_all(filter, update)
        };
        let updated = retry_idempotent(context, collection.timeout, update);
        updated.await.map_err(Error::Store)
    }

    /// Fetches a record again; `None` if the broker does not return it.
    pub async fn original(
        &self,
        context: &Context,
        partition: TopicPartition,
        offset: i64,
    ) -> Option<RecordBuf> {
        let topic = context.topic(partition);
        let (number, any) = (partition.number, Isolation::ReadUncommitted);
        let mut reader = self.connector.reader(topic, number, any);
        for _ in 0..FETCH_ATTEMPTS {
            match reader.fetch(offset, FETCH_BYTES, FETCH_WAIT).await {
                Ok(fetched) => {
                    let mut undecoded = fetched.records;
                    let part = undecoded.next_part()?;
                    let record = part.records().find(|record| record.offset == offset);
                    return record.map(|record| record.to_buf());
                }
                Err(error) => tracing::warn!(
                    error = chain(&error),
                    "failed to fetch a rejected record again"
                ),
            }
            tokio::time::sleep(FETCH_WAIT).await;
        }
        None
    }
}

impl LetterCollection {
    /// Inserts letters and returns those that are not in the topic yet.
    async fn insert<'a>(
        &self,
        context: &Context,
        letters: &'a [Letter],
        documents: &[RawDocumentBuf],
    ) -> Result<Vec<&'a Letter>, Error> {
        for letter in letters {
            tracing::debug!(id = letter.id(), reason = letter.reason(), "dead letter");
        }
        let inserted = insert(context, self.timeout, &self.documents, documents).await?;
        if let Some(refusal) = inserted.rejected.into_iter().next() {
            return Err(Error::Insert {
                collection: self.documents.name(),
                attempts: 1,
                source: Cause::Other(refusal.reason),
            });
        }
        let known = inserted.duplicates;
        let counters = &context.counters;
        if inserted.retried {
            // An earlier attempt of this insert has stored the known ones.
            counters.dead_lettered.add(letters.len());
        } else {
            counters.dead_lettered.add(letters.len() - known.len());
            counters.replayed.add(known.len());
        }
        let published = self.published(context, letters, &known).await?;
        let new = letters.iter();
        Ok(new
            .filter(|letter| !published.contains(letter.id()))
            .collect())
    }

    /// Returns the ids of those known letters that are in the topic.
    async fn published(
        &self,
        context: &Context,
        letters: &[Letter],
        known: &BTreeSet<usize>,
    ) -> Result<BTreeSet<String>, Error> {
        if known.is_empty() {
            return Ok(BTreeSet::new());
        }
        let ids: Vec<&str> = known.iter().map(|index| letters[*index].id()).collect();
        let look_up = || async {
            let mut published = BTreeSet::new();
            let filter = doc! { "_id": { "$in": ids.clone() }, "published": { "$exists": true } };
            let scan = self.documents.scan(filter, |letter| {
                published.extend(letter.get_str("_id").ok().map(str::to_owned));
            });
            scan.await?;
            Ok(published)
        };
        let found = retry_idempotent(context, self.timeout, look_up);
        found.await.map_err(Error::Store)
    }
}

/// Sends letters in one batch and retries until an ack. Returns false if the batch is too large.
async fn send(
    context: &Context,
    producer: &mut Producer,
    letters: &[&Letter],
) -> Result<bool, Error> {
    let mut attempts = Attempts::new(context.settings.timeouts.broker);
    let mut batch = Batch::default();
    for letter in letters {
        push(&mut batch, letter);
    }
    loop {
        let cause = match producer.produce(&mut batch, Compression::None).await {
            ProduceOutcome::Acked { .. } => return Ok(true),
            ProduceOutcome::TooLarge(_) => return Ok(false),
            ProduceOutcome::Refused(cause) => {
                return Err(delivery_error(producer, attempts.count() + 1, cause));
            }
            ProduceOutcome::Rejected(cause) | ProduceOutcome::Unknown(cause) => cause,
        };
        tracing::warn!(%cause, "retrying to send dead letters");
        if !pause_before_retry(context, &mut attempts).await {
            return Err(delivery_error(producer, attempts.count(), cause));
        }
    }
}

fn push(batch: &mut Batch, letter: &Letter) {
    let headers = letter.message_headers();
    let headers: Vec<HeaderRef<'_>> = headers.as_slice().iter().map(HeaderRef::from).collect();
    batch.push(&NewRecord {
        key: letter.key.as_deref(),
        value: letter.value.as_deref().map(Value::from),
        headers: &headers,
        timestamp_ms: letter.message_timestamp_ms(),
    });
}

fn delivery_error(producer: &Producer, attempts: u32, source: Cause) -> Error {
    Error::Delivery {
        topic: producer.topic().to_owned(),
        partition: producer.number(),
        attempts,
        source,
    }
}

/// Returns how many of the first items fit into a number of bytes, at least 1.
fn fitting<T>(items: &[T], most: usize, size: impl Fn(&T) -> usize) -> usize {
    let mut bytes = 0;
    let fitting = items.iter().take_while(|item| {
        bytes += size(item);
        bytes <= most
    });
    fitting.count().max(1)
}
