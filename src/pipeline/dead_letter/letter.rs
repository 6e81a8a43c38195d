//! One dead letter, as a document and as a message.

use std::collections::BTreeMap;

use bson::{Binary, Bson, Document, RawDocument, RawDocumentBuf, doc, spec::BinarySubtype};

use crate::measure::clock::unix_ms;
use crate::pipeline::context::{Context, TopicPartition};
use crate::pipeline::ingest::partition_consumer::Poison;
use crate::record::{DocumentId, RunKey};

/// Bytes of a value that a document keeps; a document takes 16 MiB in all.
const MOST_VALUE: usize = 12 * 1024 * 1024;

/// Bytes of a key that a document keeps, and of all headers together.
const MOST_BESIDE: usize = 1024 * 1024;

/// Bytes of a reason; it can quote the record.
const MOST_REASON: usize = 1024;

/// A record or message that cannot become a document.
#[derive(Debug, Clone)]
pub struct Letter {
    id: String,
    /// None where a record names none.
    run: Option<String>,
    /// Topic that it was read from or meant for.
    pub topic: String,
    partition: i32,
    /// None for a message that no broker took.
    offset: Option<i64>,
    /// Vehicle and sequence, where it says which reading of this run it is.
    reading: Option<(u32, u64)>,
    reason: String,
    unix_ms: u64,
    /// Key as it was.
    pub key: Option<Vec<u8>>,
    /// Value as it was.
    pub value: Option<Vec<u8>>,
    /// Headers as they were.
    pub headers: BTreeMap<String, Vec<u8>>,
    /// Timestamp of the record, milliseconds since 1970.
    pub timestamp_ms: i64,
}

/// A message that no broker takes.
#[derive(Debug)]
pub struct Undeliverable {
    /// Key as it was to be sent.
    pub key: Option<Vec<u8>>,
    /// Value as it was to be sent.
    pub value: Vec<u8>,
    /// Headers as they were to be sent.
    pub headers: BTreeMap<String, Vec<u8>>,
    /// Timestamp of the record, milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Vehicle and sequence.
    pub reading: (u32, u64),
    /// What the broker says.
    pub reason: String,
}

impl Letter {
    /// Makes the letter of a record that was read.
    pub fn of_record(context: &Context, partition: TopicPartition, poison: Poison) -> Self {
        let (topic, number) = (context.topic(partition), partition.number);
        let settings = &context.settings;
        let record = poison.record;
        // A group reads the records of many runs; a run's own consumers answer for all they read.
        let run = match settings.group {
            Some(_) => poison.run_id,
            None => Some(settings.run_id.clone()),
        };
        Self {
            id: format!("{}/{topic}/{number}/{}", settings.reader(), record.offset),
            run,
            topic: topic.to_owned(),
            partition: number,
            offset: Some(record.offset),
            reading: poison.reading,
            reason: shortened(poison.reason),
            unix_ms: unix_ms(),
            key: record.key,
            value: record.value,
            headers: record.headers,
            timestamp_ms: record.timestamp_ms,
        }
    }

    /// Makes the letter of a message that never became a record.
    pub fn of_message(topic: &str, partition: i32, run: &str, message: Undeliverable) -> Self {
        let (vehicle, sequence) = message.reading;
        Self {
            id: format!("{run}/{topic}/{partition}/vehicle-{vehicle}/{sequence}"),
            run: Some(run.to_owned()),
            topic: topic.to_owned(),
            partition,
            offset: None,
            reading: Some(message.reading),
            reason: shortened(message.reason),
            unix_ms: unix_ms(),
            key: message.key,
            value: Some(message.value),
            headers: message.headers,
            timestamp_ms: message.timestamp_ms,
        }
    }

    /// Returns its `_id`: run and coordinates, the same whenever the record is read again.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns why it is one.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Makes its document. What exceeds a document is cut, and the whole length told.
    pub fn document(&self) -> RawDocumentBuf {
        let mut beside = MOST_BESIDE;
        let headers: Vec<Document> = self
            .headers
            .iter()
            .map_while(|(name, value)| {
                beside = beside.checked_sub(name.len() + value.len())?;
                Some(doc! { "name": name, "value": bytes(Some(value), usize::MAX) })
            })
            .collect();
        let cut = headers.len() < self.headers.len()
            || length(self.key.as_deref()) > MOST_BESIDE
            || length(self.value.as_deref()) > MOST_VALUE;
        let mut letter = doc! {
            "_id": &self.id,
            "run": &self.run,
            "reason": &self.reason,
            "at": bson::DateTime::from_millis(self.unix_ms.cast_signed()),
            "kafka": { "topic": &self.topic, "partition": self.partition, "offset": self.offset },
            "timestamp": bson::DateTime::from_millis(self.timestamp_ms),
            "key": bytes(self.key.as_deref(), MOST_BESIDE),
            "value": bytes(self.value.as_deref(), MOST_VALUE),
            "headers": headers,
        };
        if cut {
            let value_bytes = i64::try_from(length(self.value.as_deref())).unwrap_or(i64::MAX);
            letter.insert("cut", true);
            letter.insert("value_bytes", value_bytes);
        }
        if let Some((vehicle, sequence)) = self.reading {
            letter.insert("vehicle", i64::from(vehicle));
            letter.insert("sequence", sequence.cast_signed());
        }
        RawDocumentBuf::try_from(&letter).expect("a document of plain values is always BSON")
    }

    /// Returns the headers of its message: those it came with, and what it is.
    pub fn message_headers(&self) -> BTreeMap<String, Vec<u8>> {
        let told = [
            ("dead-letter.id", self.id.clone()),
            ("dead-letter.reason", self.reason.clone()),
            ("dead-letter.topic", self.topic.clone()),
            ("dead-letter.partition", self.partition.to_string()),
            (
                "dead-letter.offset",
                self.offset.map_or_else(String::new, |at| at.to_string()),
            ),
            ("dead-letter.at-unix-ms", self.unix_ms.to_string()),
        ];
        let mut headers = self.headers.clone();
        headers.extend(
            told.into_iter()
                .map(|(name, value)| (name.to_owned(), value.into_bytes())),
        );
        headers
    }
}

/// What a dead letter stands for: a reading of the run, or a place in the broker's log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// Vehicle and sequence.
    Reading(u32, u64),
    /// The letter's own `_id`, where the record does not say which reading it was.
    Place(String),
}

impl Identity {
    /// Returns the id that the reading's document has, if it was stored after all.
    pub fn document_id(&self, run: RunKey) -> Option<DocumentId> {
        match self {
            Self::Reading(vehicle, sequence) => Some(DocumentId::new(run, *vehicle, *sequence)),
            Self::Place(_) => None,
        }
    }
}

/// Reads what a dead letter stands for.
pub fn identity(letter: &RawDocument) -> Identity {
    let vehicle = letter.get_i64("vehicle").ok();
    let sequence = letter.get_i64("sequence").ok();
    let reading = vehicle
        .and_then(|vehicle| u32::try_from(vehicle).ok())
        .zip(sequence.map(i64::cast_unsigned));
    match reading {
        Some((vehicle, sequence)) => Identity::Reading(vehicle, sequence),
        None => Identity::Place(letter.get_str("_id").unwrap_or_default().to_owned()),
    }
}

fn length(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(0, <[u8]>::len)
}

fn bytes(bytes: Option<&[u8]>, most: usize) -> Bson {
    bytes.map_or(Bson::Null, |bytes| {
        Bson::Binary(Binary {
            subtype: BinarySubtype::Generic,
            bytes: bytes[..bytes.len().min(most)].to_vec(),
        })
    })
}

fn shortened(mut reason: String) -> String {
    if reason.len() > MOST_REASON {
        let end = (0..=MOST_REASON)
            .rev()
            .find(|at| reason.is_char_boundary(*at));
        reason.truncate(end.unwrap_or_default());
        reason.push('…');
    }
    reason
}
