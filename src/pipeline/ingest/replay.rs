//! Dead letters tried again, once what was wrong with them or with the store is mended.

use std::collections::BTreeMap;
use std::slice;
use std::sync::Arc;

use bson::{RawBsonRef, RawDocument, RawDocumentBuf, doc};

use crate::broker::Record;
use crate::measure::clock::unix_ms;
use crate::pipeline::context::{Context, TopicPartition};
use crate::pipeline::error::Error;
use crate::pipeline::ingest::intake::Intake;
use crate::pipeline::ingest::schemas::Schemas;
use crate::pipeline::retry::{insert, persistently};
use crate::store::Documents;

/// Letters that are tried at once; each may take 16 MiB.
const PAGE: u32 = 32;

/// A letter and the document that its record makes.
struct Mended {
    id: String,
    document: RawDocumentBuf,
}

/// Stores every dead letter of the context's topics that can be stored by now.
///
/// A letter stays where it is, with the time of its replay. What is cut or never was a record stays
/// a dead letter, as does what still does not fit.
pub async fn replay(
    context: &Arc<Context>,
    documents: &Documents,
    letters: &Documents,
    schemas: Option<&Arc<Schemas>>,
) -> Result<(), Error> {
    let counters = &context.counters;
    let mut last = String::new();
    loop {
        let filter = doc! {
            "_id": { "$gt": &last },
            "kafka.topic": { "$in": context.settings.topics.clone() },
            "replayed_at": { "$exists": false },
        };
        let page = persistently(context, || letters.page(filter.clone(), PAGE));
        let page = page.await.map_err(Error::Store)?;
        let Some(end) = page.last() else {
            return Ok(());
        };
        last = end.get_str("_id").unwrap_or_default().to_owned();
        let mut mended = Vec::new();
        for letter in &page {
            mended.extend(mend(context, letter, schemas).await?);
        }
        let batch: Vec<RawDocumentBuf> = mended.iter().map(|it| it.document.clone()).collect();
        let mut stored: Vec<&str> = mended.iter().map(|it| it.id.as_str()).collect();
        if !batch.is_empty() {
            let answered = insert(context, documents, &batch).await?;
            for (index, reason) in answered.rejected {
                tracing::debug!(id = mended[index].id, reason, "still refused");
                stored.retain(|id| *id != mended[index].id);
            }
            note(context, letters, &stored).await?;
        }
        counters.dead_letters_replayed.add(stored.len());
        counters.dead_letters_kept.add(page.len() - stored.len());
    }
}

/// Makes the document of a letter's record; none if that is still impossible.
async fn mend(
    context: &Arc<Context>,
    letter: &RawDocument,
    schemas: Option<&Arc<Schemas>>,
) -> Result<Option<Mended>, Error> {
    let id = letter.get_str("_id").unwrap_or_default().to_owned();
    let Some((partition, record)) = record(context, letter) else {
        return Ok(None);
    };
    let mut intake = Intake::of_everything(Arc::clone(context), partition, schemas.cloned());
    intake.prepare(slice::from_ref(&record)).await?;
    Ok(match intake.document(&record) {
        Ok(ready) => Some(Mended {
            id,
            document: ready.document,
        }),
        Err(refused) => {
            tracing::debug!(id, reason = refused.reason, "still a dead letter");
            None
        }
    })
}

/// Reads a letter's record; none if it is cut, or never was one.
fn record(context: &Context, letter: &RawDocument) -> Option<(TopicPartition, Record)> {
    if letter.get_bool("cut").unwrap_or_default() {
        return None;
    }
    let kafka = letter.get_document("kafka").ok()?;
    let name = kafka.get_str("topic").ok()?;
    let topic = context.settings.topics.iter().position(|it| it == name)?;
    let partition = TopicPartition {
        topic,
        number: kafka.get_i32("partition").ok()?,
    };
    let mut headers = BTreeMap::new();
    for header in letter.get_array("headers").ok()? {
        let RawBsonRef::Document(header) = header.ok()? else {
            return None;
        };
        let name = header.get_str("name").ok()?.to_owned();
        headers.insert(name, bytes(header, "value")?);
    }
    let record = Record {
        offset: kafka.get_i64("offset").ok()?,
        timestamp_ms: letter.get_datetime("timestamp").ok()?.timestamp_millis(),
        key: bytes(letter, "key"),
        value: bytes(letter, "value"),
        headers,
    };
    Some((partition, record))
}

fn bytes(document: &RawDocument, field: &str) -> Option<Vec<u8>> {
    Some(document.get_binary(field).ok()?.bytes.to_vec())
}

/// Notes in letters that they are stored by now.
async fn note(context: &Context, letters: &Documents, ids: &[&str]) -> Result<(), Error> {
    let now = bson::DateTime::from_millis(unix_ms().cast_signed());
    let update = || {
        let filter = doc! { "_id": { "$in": ids.to_vec() } };
        letters.update_all(filter, doc! { "$set": { "replayed_at": now } })
    };
    persistently(context, update).await.map_err(Error::Store)
}
