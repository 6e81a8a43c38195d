//! One dead letter, as a document and as a message.

use bson::{Binary, Bson, Document, RawDocument, RawDocumentBuf, doc, spec::BinarySubtype};
use convoy_server_kit::unix_ms;

use crate::broker::{BrokenBatch, RecordBuf, TopicId};
use crate::pipeline::context::Context;
use crate::pipeline::settings::StorageSettings;
use crate::pipeline::topic_partition::TopicPartition;
use crate::record::{DocumentId, Headers, RunKey};

/// Maximum bytes of a value in a document. The limit of a whole document is 16 MiB.
const MOST_VALUE: usize = 12 * 1024 * 1024;

/// Maximum bytes of a key, and of all headers together.
const MOST_BESIDE: usize = 1024 * 1024;

/// Maximum bytes of a reason, which may quote the record.
const MOST_REASON: usize = 1024;

/// Start of the reason of a message that exceeds the broker's limit.
pub const REJECTED_BY_BROKER: &str = "the broker rejected the message";

/// Why a record does not become a document.
#[derive(Debug)]
pub struct Rejection {
    /// The run that the record names.
    pub run_id: Option<String>,
    /// Vehicle and sequence, if the record belongs to a known reading.
    pub reading: Option<(u32, u64)>,
    pub reason: String,
}

/// A record that cannot become a document, or a batch that cannot be decoded.
#[derive(Debug)]
pub struct Poison {
    /// The record; the value of a batch is its bytes.
    pub record: RecordBuf,
    pub rejection: Rejection,
    pub batch: Option<Undecodable>,
}

/// A batch that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undecodable {
    /// Offset of its last record.
    pub last_offset: i64,
    /// Its bytes; a letter has the first of them only, if they are many.
    pub bytes: usize,
}

impl Poison {
    /// Takes a batch that cannot be decoded.
    pub fn of_batch(broken: &BrokenBatch) -> Self {
        let (first, last) = (broken.first_offset, broken.last_offset);
        let offsets = if first == last {
            format!("offset {first}")
        } else {
            format!("offsets {first} to {last}")
        };
        let bytes = broken.bytes.len();
        Self {
            record: RecordBuf {
                offset: first,
                value: Some(broken.bytes[..bytes.min(MOST_VALUE)].to_vec()),
                ..RecordBuf::default()
            },
            rejection: Rejection {
                run_id: None,
                reading: None,
                reason: format!(
                    "the batch of {offsets} cannot be decoded: {}",
                    broken.defect
                ),
            },
            batch: Some(Undecodable {
                last_offset: last,
                bytes,
            }),
        }
    }
}

/// A message that exceeds the broker's limit.
#[derive(Debug)]
pub struct Undeliverable {
    pub key: Option<Vec<u8>>,
    pub value: Vec<u8>,
    pub headers: Headers,
    /// Timestamp of the record, milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Vehicle and sequence.
    pub reading: (u32, u64),
    pub reason: String,
}

/// A record or message that cannot become a document, with its reason.
#[derive(Debug, Clone)]
pub struct Letter {
    id: String,
    /// The run that the record names.
    run: Option<String>,
    /// Topic of the record or message.
    topic: String,
    partition: i32,
    /// `None` for a message that is not in the log.
    offset: Option<i64>,
    /// `None` for a record or a message.
    batch: Option<Undecodable>,
    /// `None` if it is unknown, or belongs to the run.
    topic_id: Option<TopicId>,
    /// Vehicle and sequence, if the record belongs to a known reading.
    reading: Option<(u32, u64)>,
    reason: String,
    unix_ms: u64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    headers: Headers,
    /// Timestamp of the record, milliseconds since 1970.
    pub timestamp_ms: i64,
}

impl Letter {
    /// Creates the letter of a record or a batch.
    pub fn of_record(
        context: &Context,
        storage: &StorageSettings,
        partition: TopicPartition,
        poison: Poison,
    ) -> Self {
        let (topic, number) = (context.topic(partition), partition.number);
        let (record, rejection, batch) = (poison.record, poison.rejection, poison.batch);
        let place = match batch {
            Some(batch) => format!("{}-{}", record.offset, batch.last_offset),
            None => record.offset.to_string(),
        };
        let owner = storage.checkpoint_owner(&context.settings);
        // A topic that was created again has other records at its offsets.
        let topic_id = context.topic_id(partition);
        let id = match topic_id {
            Some(id) => format!("{owner}/{topic}/{number}/{place}/{id}"),
            None => format!("{owner}/{topic}/{number}/{place}"),
        };
        // A group reads the records of many runs. A run accounts for every record that it reads.
        let run = match storage.group {
            Some(_) => rejection.run_id,
            None => Some(context.settings.run_id.clone()),
        };
        Self {
            id,
            run,
            topic: topic.to_owned(),
            partition: number,
            offset: Some(record.offset),
            batch,
            topic_id,
            reading: rejection.reading,
            reason: shortened(rejection.reason),
            unix_ms: unix_ms(),
            key: record.key,
            value: record.value,
            headers: record.headers,
            timestamp_ms: record.timestamp_ms,
        }
    }

    /// Creates the letter of a message that did not get into the log.
    pub fn of_message(
        context: &Context,
        partition: TopicPartition,
        message: Undeliverable,
    ) -> Self {
        let (topic, number) = (context.topic(partition), partition.number);
        let run = &context.settings.run_id;
        let (vehicle, sequence) = message.reading;
        Self {
            id: format!("{run}/{topic}/{number}/vehicle-{vehicle}/{sequence}"),
            run: Some(run.to_owned()),
            topic: topic.to_owned(),
            partition: number,
            offset: None,
            batch: None,
            topic_id: None,
            reading: Some(message.reading),
            reason: shortened(message.reason),
            unix_ms: unix_ms(),
            key: message.key,
            value: Some(message.value),
            headers: message.headers,
            timestamp_ms: message.timestamp_ms,
        }
    }

    /// Returns its `_id`: run or group, and coordinates. It is the same whenever the record is read.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the bytes of its value, also of those that were left out.
    fn value_bytes(&self) -> usize {
        let present = length(self.value.as_deref());
        self.batch.map_or(present, |batch| batch.bytes)
    }

    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns its document. Large values are cut; `cut` and `value_bytes` say so.
    pub fn document(&self) -> RawDocumentBuf {
        let mut beside = MOST_BESIDE;
        let all = self.headers.as_slice();
        let headers: Vec<Document> = all
            .iter()
            .map_while(|header| {
                let value = header.value.as_deref();
                beside = beside.checked_sub(header.name.len() + length(value))?;
                Some(doc! { "name": &header.name, "value": bytes(value, usize::MAX) })
            })
            .collect();
        let cut = headers.len() < all.len()
            || length(self.key.as_deref()) > MOST_BESIDE
            || self.value_bytes() > MOST_VALUE;
        let mut kafka =
            doc! { "topic": &self.topic, "partition": self.partition, "offset": self.offset };
        if let Some(id) = self.topic_id {
            kafka.insert("topic_id", id.to_string());
        }
        // The records of a batch that cannot be decoded have timestamps of their own.
        let mut timestamp = Some(bson::DateTime::from_millis(self.timestamp_ms));
        if let Some(batch) = self.batch {
            kafka.insert("last_offset", batch.last_offset);
            timestamp = None;
        }
        let mut letter = doc! {
            "_id": &self.id,
            "run": &self.run,
            "reason": &self.reason,
            "at": bson::DateTime::from_millis(self.unix_ms.cast_signed()),
            "kafka": kafka,
            "timestamp": timestamp,
            "key": bytes(self.key.as_deref(), MOST_BESIDE),
            "value": bytes(self.value.as_deref(), MOST_VALUE),
            "headers": headers,
        };
        if cut {
            let value_bytes = i64::try_from(self.value_bytes()).unwrap_or(i64::MAX);
            letter.insert("cut", true);
            letter.insert("value_bytes", value_bytes);
        }
        if let Some((vehicle, sequence)) = self.reading {
            letter.insert("vehicle", i64::from(vehicle));
            letter.insert("sequence", sequence.cast_signed());
        }
        RawDocumentBuf::try_from(&letter).expect("a document of plain values is always BSON")
    }

    /// Returns the timestamp of its message: the original one, unless brokers refuse it because it is
    /// in the future or before 1970.
    pub fn message_timestamp_ms(&self) -> i64 {
        let now = self.unix_ms.cast_signed();
        if (0..=now).contains(&self.timestamp_ms) {
            self.timestamp_ms
        } else {
            now
        }
    }

    /// Returns the headers of its message: the original ones and those of the dead letter.
    pub fn message_headers(&self) -> Headers {
        let added = [
            ("dead-letter.id", self.id.clone()),
            ("dead-letter.reason", self.reason.clone()),
            ("dead-letter.topic", self.topic.clone()),
            ("dead-letter.partition", self.partition.to_string()),
            (
                "dead-letter.offset",
                self.offset.map_or_else(String::new, |at| at.to_string()),
            ),
            ("dead-letter.at-unix-ms", self.unix_ms.to_string()),
            ("dead-letter.timestamp-ms", self.timestamp_ms.to_string()),
        ];
        let mut headers = self.headers.clone();
        for (name, value) in added {
            headers.push(name, Some(value.into_bytes()));
        }
        if let Some(batch) = self.batch {
            let last = batch.last_offset.to_string();
            headers.push("dead-letter.last-offset", Some(last.into_bytes()));
        }
        headers
    }
}

/// What a dead letter belongs to: a reading of the run, or only a position in the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// Vehicle and sequence.
    Reading(u32, u64),
    /// The letter's `_id`, if the record does not identify a reading.
    Place(String),
}

impl Identity {
    /// Returns the id of the reading's document.
    pub fn document_id(&self, run: RunKey) -> Option<DocumentId> {
        match self {
            Self::Reading(vehicle, sequence) => Some(DocumentId::new(run, *vehicle, *sequence)),
            Self::Place(_) => None,
        }
    }
}

/// Returns what a dead letter belongs to.
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
