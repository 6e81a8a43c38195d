//! Where dead letters go: the collection, and the topic beside the one they come from.

use std::collections::BTreeSet;
use std::time::Duration;

use bson::{RawDocumentBuf, doc};
use tokio::sync::Mutex;

use crate::broker::{Batch, ProduceOutcome, Record};
use crate::broker::{self, Compression, Connector, Partition};
use crate::cause::Cause;
use crate::pipeline::context::{Context, TopicPartition};
use crate::pipeline::dead_letter::TOPIC_SUFFIX;
use crate::pipeline::dead_letter::letter::Letter;
use crate::pipeline::error::Error;
use crate::pipeline::machine::Attempts;
use crate::pipeline::retry::{again, insert, persistently};
use crate::store::Documents;

/// Bytes of the letters of one insert; a wire message takes 48 MB.
const INSERT_BYTES: usize = 30_000_000;

/// Bytes of the letters of one produce request. Brokers take 1 MiB unless told otherwise.
const PRODUCE_BYTES: usize = 900 * 1024;

/// Bytes of a fetch that looks for one record.
const FETCH_BYTES: i32 = 1024 * 1024;

/// Attempts to read a record once more before its document has to do.
const FETCH_ATTEMPTS: u32 = 3;

/// How long such an attempt waits for the record, and the next one for it.
const FETCH_WAIT: Duration = Duration::from_millis(50);

/// Writes dead letters. Shared by all producers and writers of a run.
#[derive(Debug)]
pub struct DeadLetters {
    /// None where only the topic is at hand.
    collection: Option<Documents>,
    connector: Connector,
    /// Per topic of the run, the partition for its dead letters once there has been one.
    topics: Vec<Mutex<Option<Partition>>>,
}

impl DeadLetters {
    /// Prepares for the dead letters of so many topics; nothing is made before there is one.
    ///
    /// Without a collection, as for a producer that knows no store, they go to the topic alone.
    pub fn new(collection: Option<Documents>, connector: Connector, topics: usize) -> Self {
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
            self.put_fitting(context, topic, (collection, letters), documents)
                .await?;
            first = end;
        }
        Ok(())
    }

    async fn put_fitting(
        &self,
        context: &Context,
        topic: usize,
        (collection, letters): (&Documents, &[Letter]),
        documents: &[RawDocumentBuf],
    ) -> Result<(), Error> {
        for letter in letters {
            tracing::debug!(id = letter.id(), reason = letter.reason(), "dead letter");
        }
        let answered = insert(context, collection, documents).await?;
        if let Some((_, reason)) = answered.rejected.into_iter().next() {
            return Err(Error::Insert {
                collection: collection.name(),
                attempts: 1,
                source: Cause::Other(reason),
            });
        }
        let known: BTreeSet<usize> = answered.duplicates.iter().copied().collect();
        let counters = &context.counters;
        if answered.sent_again {
            // Known are those that an earlier attempt stored without saying so.
            counters.dead_lettered.add(letters.len());
        } else {
            counters.dead_lettered.add(letters.len() - known.len());
            counters.replayed.add(known.len());
        }
        let published = self
            .published(context, (collection, letters), &known)
            .await?;
        let new: Vec<&Letter> = letters
            .iter()
            .filter(|letter| !published.contains(letter.id()))
            .collect();
        self.publish(context, topic, &new).await
    }

    /// Returns which of the letters that were in the collection already are in the topic too.
    async fn published(
        &self,
        context: &Context,
        (collection, letters): (&Documents, &[Letter]),
        known: &BTreeSet<usize>,
    ) -> Result<BTreeSet<String>, Error> {
        if known.is_empty() {
            return Ok(BTreeSet::new());
        }
        let ids: Vec<&str> = known.iter().map(|index| letters[*index].id()).collect();
        let look_up = || async {
            let mut published = BTreeSet::new();
            let filter = doc! { "_id": { "$in": ids.clone() }, "published": { "$exists": true } };
            let scan = collection.scan(filter, |letter| {
                published.extend(letter.get_str("_id").ok().map(str::to_owned));
            });
            scan.await?;
            Ok(published)
        };
        persistently(context, look_up).await.map_err(Error::Store)
    }

    /// Sends letters to the topic, and notes in the collection that they are there.
    async fn publish(
        &self,
        context: &Context,
        topic: usize,
        letters: &[&Letter],
    ) -> Result<(), Error> {
        if letters.is_empty() {
            return Ok(());
        }
        let mut partition = self.topics[topic].lock().await;
        let partition = match &mut *partition {
            Some(partition) => partition,
            absent => absent.insert(self.open(context, topic).await?),
        };
        let mut first = 0;
        while first < letters.len() {
            let size = |letter: &&Letter| letter.value.as_ref().map_or(0, Vec::len) + 4_096;
            let end = first + fitting(&letters[first..], PRODUCE_BYTES, size);
            let letters = &letters[first..end];
            if send(context, partition, letters).await? {
                self.note(context, letters, true).await?;
            } else {
                for letter in letters {
                    let taken = letters.len() > 1 && send(context, partition, &[letter]).await?;
                    self.note(context, &[letter], taken).await?;
                }
            }
            first = end;
        }
        Ok(())
    }

    /// Makes the topic if it is not there.
    async fn open(&self, context: &Context, topic: usize) -> Result<Partition, Error> {
        let name = format!("{}{TOPIC_SUFFIX}", context.settings.topics[topic]);
        let mut attempts = Attempts::new(context.settings.broker_timeout);
        loop {
            let ensured = self.ensure(&name, context.settings.replication_factor);
            let Err(error) = ensured.await else {
                return Ok(self.connector.partition(&name, 0));
            };
            tracing::warn!(%error, "preparing the dead letters' topic again");
            if !again(context, &mut attempts).await {
                return Err(Error::Broker(error));
            }
        }
    }

    async fn ensure(&self, name: &str, replicas: i16) -> Result<(), broker::Error> {
        if self.connector.topics().await?.contains_key(name) {
            return Ok(());
        }
        match self.connector.create_topic(name, 1, replicas).await {
            // Another process may have been faster.
            Err(error) if !self.connector.topics().await?.contains_key(name) => Err(error),
            _ => Ok(()),
        }
    }

    /// Notes of letters whether they are in the topic; those that are too large for it are not.
    async fn note(
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
            collection.update_all(filter, update)
        };
        persistently(context, update).await.map_err(Error::Store)
    }

    /// Reads a record of the run once more; none if the broker does not give it any more.
    pub async fn original(
        &self,
        context: &Context,
        partition: TopicPartition,
        offset: i64,
    ) -> Option<Record> {
        let mut reader = self
            .connector
            .partition(context.topic(partition), partition.number);
        for _ in 0..FETCH_ATTEMPTS {
            match reader.fetch(offset, FETCH_BYTES, FETCH_WAIT).await {
                Ok(fetched) => {
                    let mut records = fetched.records.into_iter();
                    return records.find(|record| record.offset == offset);
                }
                Err(error) => tracing::warn!(%error, "cannot read a refused record again"),
            }
            tokio::time::sleep(FETCH_WAIT).await;
        }
        None
    }
}

/// Sends letters in one batch until they are acknowledged; false if the batch is too large.
async fn send(
    context: &Context,
    partition: &mut Partition,
    letters: &[&Letter],
) -> Result<bool, Error> {
    let mut attempts = Attempts::new(context.settings.broker_timeout);
    loop {
        let mut batch = Batch::default();
        for letter in letters {
            batch.push_message(
                letter.key.clone(),
                letter.value.clone(),
                letter.message_headers(),
                letter.timestamp_ms,
            );
        }
        let cause = match partition.produce(batch, Compression::None).await {
            ProduceOutcome::Acked { .. } => return Ok(true),
            ProduceOutcome::TooLarge(_) => return Ok(false),
            ProduceOutcome::Refused(cause) => {
                return Err(gave_up(partition, attempts.count() + 1, cause));
            }
            ProduceOutcome::Rejected(cause) | ProduceOutcome::Unknown(cause) => cause,
        };
        tracing::warn!(%cause, "sending dead letters again");
        if !again(context, &mut attempts).await {
            return Err(gave_up(partition, attempts.count(), cause));
        }
    }
}

fn gave_up(partition: &Partition, attempts: u32, source: Cause) -> Error {
    Error::Delivery {
        topic: partition.topic().to_owned(),
        partition: partition.number(),
        attempts,
        source,
    }
}

/// Returns how many of the first items are within a number of bytes; at least one.
fn fitting<T>(items: &[T], most: usize, size: impl Fn(&T) -> usize) -> usize {
    let mut bytes = 0;
    let fitting = items.iter().take_while(|item| {
        bytes += size(item);
        bytes <= most
    });
    fitting.count().max(1)
}
