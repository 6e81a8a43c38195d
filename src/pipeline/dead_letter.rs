//! Records that cannot be stored: kept with their bytes, coordinates and reason.

use bson::{Binary, Bson, RawDocument, RawDocumentBuf, doc, spec::BinarySubtype};

use super::consumer::Poison;
use super::context::{Context, TopicPartition};
use crate::measure::clock::unix_ms;
use crate::record::{DocumentId, RunKey};

/// Makes the document of a dead letter. Its `_id` are the coordinates, so a replay changes nothing.
pub fn document(context: &Context, partition: TopicPartition, poison: &Poison) -> RawDocumentBuf {
    let topic = context.topic(partition);
    let (settings, record) = (&context.settings, &poison.record);
    // A group reads the records of many runs; a run's own consumers answer for all they read.
    let run = match settings.group {
        Some(_) => poison.run_id.as_deref(),
        None => Some(settings.run_id.as_str()),
    };
    let mut letter = doc! {
        "_id": format!("{}/{topic}/{}/{}", settings.reader(), partition.number, record.offset),
        "run": run,
        "reason": &poison.reason,
        "at": bson::DateTime::from_millis(unix_ms().cast_signed()),
        "kafka": { "topic": topic, "partition": partition.number, "offset": record.offset },
        "key": bytes(record.key.as_deref()),
        "value": bytes(record.value.as_deref()),
        "headers": record.headers.iter().map(|(name, value)| {
            doc! { "name": name, "value": bytes(Some(value)) }
        }).collect::<Vec<_>>(),
    };
    if let Some(envelope) = &poison.envelope {
        letter.insert("vehicle", i64::from(envelope.vehicle));
        letter.insert("sequence", envelope.sequence.cast_signed());
    }
    RawDocumentBuf::try_from(&letter).expect("a document of plain values is always BSON")
}

/// What a dead letter stands for: a reading, or a place in the broker's log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// Vehicle and sequence.
    Reading(i64, i64),
    /// The letter's own `_id`, where the record does not say which reading it was.
    Place(String),
}

impl Identity {
    /// Returns the id that the reading's document has, if it was stored after all.
    pub fn document_id(&self, run: RunKey) -> Option<DocumentId> {
        let Self::Reading(vehicle, sequence) = self else {
            return None;
        };
        let vehicle = u32::try_from(*vehicle).ok()?;
        Some(DocumentId::new(
            run,
            vehicle,
            u64::try_from(*sequence).ok()?,
        ))
    }
}

/// Reads what a dead letter stands for.
pub fn identity(letter: &RawDocument) -> Identity {
    match (letter.get_i64("vehicle"), letter.get_i64("sequence")) {
        (Ok(vehicle), Ok(sequence)) => Identity::Reading(vehicle, sequence),
        _ => Identity::Place(letter.get_str("_id").unwrap_or_default().to_owned()),
    }
}

fn bytes(bytes: Option<&[u8]>) -> Bson {
    bytes.map_or(Bson::Null, |bytes| {
        Bson::Binary(Binary {
            subtype: BinarySubtype::Generic,
            bytes: bytes.to_vec(),
        })
    })
}
