//! Retries dead letters after their cause is fixed.

use std::slice;
use std::sync::Arc;

use bson::{RawBsonRef, RawDocument, RawDocumentBuf, doc};
use convoy_server_kit::unix_ms;

use crate::broker::{RecordBuf, TopicId};
use crate::pipeline::context::Context;
use crate::pipeline::error::Error;
use crate::pipeline::ingest::group_intake::GroupIntake;
use crate::pipeline::ingest::intake::Intake;
use crate::pipeline::ingest::schemas::Schemas;
use crate::pipeline::retry::{insert, retry_idempotent};
use crate::pipeline::settings::StorageSettings;
use crate::pipeline::topic_partition::TopicPartition;
use crate::record::Headers;
use crate::store::{Connection, Refusal};

/// Letters of one insert; each has up to 16 MiB.
const PAGE: u32 = 32;

/// A letter and the document of its record.
struct Fixed {
    id: String,
    document: RawDocumentBuf,
}

/// Stores every dead letter of the context's topics that can be stored now.
///
/// A letter is kept and gets the time of its replay. Letters that are cut or were never records stay
/// dead letters, as do those that are rejected again.
pub async fn replay(
    context: &Arc<Context>,
    storage: &StorageSettings,
    store: &Connection,
    schemas: Option<&Arc<Schemas>>,
) -> Result<(), Error> {
    let documents = store.documents(&storage.collection);
    let letters = store.documents(&storage.dead_letter_collection());
    let timeout = storage.store_timeout;
    let counters = &context.counters;
    let mut last = String::new();
    loop {
        let filter = doc! {
            "_id": { "$gt": &last },
            "kafka.topic": { "$in": context.settings.topics.clone() },
            "replayed_at": { "$exists": false },
        };
        let page = retry_idempotent(context, timeout, || letters.page(filter.clone(), PAGE));
        let page = page.await.map_err(Error::Store)?;
        let Some(end) = page.last() else {
            return Ok(());
        };
        last = end.get_str("_id").unwrap_or_default().to_owned();
        let mut fixed = Vec::new();
        for letter in &page {
            fixed.extend(fix(context, storage, letter, schemas).await?);
        }
        let batch: Vec<RawDocumentBuf> = fixed.iter().map(|it| it.document.clone()).collect();
        let mut stored: Vec<&str> = fixed.iter().map(|it| it.id.as_str()).collect();
        if !batch.is_empty() {
            let inserted = insert(context, timeout, &documents, &batch).await?;
            for Refusal { index, reason } in inserted.rejected {
                tracing::debug!(id = fixed[index].id, reason, "still rejected by the store");
                stored.retain(|id| *id != fixed[index].id);
            }
            let now = bson::DateTime::from_millis(unix_ms().cast_signed());
            let mark = || {
                let filter = doc! { "_id": { "$in": stored.clone() } };
                letters.update_all(filter, doc! { "$set": { "replayed_at": now } })
            };
            let marked = retry_idempotent(context, timeout, mark);
            marked.await.map_err(Error::Store)?;
        }
        counters.dead_letters_replayed.add(stored.len());
        counters.dead_letters_kept.add(page.len() - stored.len());
    }
}

/// Returns the document of a letter's record, if it is valid now.
async fn fix(
    context: &Arc<Context>,
    storage: &StorageSettings,
    letter: &RawDocument,
    schemas: Option<&Arc<Schemas>>,
) -> Result<Option<Fixed>, Error> {
    let id = letter.get_str("_id").unwrap_or_default().to_owned();
    let Some((partition, topic_id, record)) = record(context, letter) else {
        return Ok(None);
    };
    let (context, schemas) = (Arc::clone(context), schemas.cloned());
    let mut intake = GroupIntake::new(Arc::clone(&context), partition, topic_id, schemas, storage);
    let mut headers = Vec::new();
    let record = record.as_record(&mut headers);
    intake.prepare(slice::from_ref(&record)).await?;
    Ok(match intake.document(&record, context.clock.now()) {
        Ok(ready) => Some(Fixed {
            id,
            document: ready.document,
        }),
        Err(rejection) => {
            tracing::debug!(id, reason = rejection.reason, "still a dead letter");
            None
        }
    })
}

/// Returns the record of a letter, unless it is cut, a batch, or was never a record.
fn record(
    context: &Context,
    letter: &RawDocument,
) -> Option<(TopicPartition, Option<TopicId>, RecordBuf)> {
    if letter.get_bool("cut").unwrap_or_default() {
        return None;
    }
    let kafka = letter.get_document("kafka").ok()?;
    if kafka.get("last_offset").ok()?.is_some() {
        return None;
    }
    let name = kafka.get_str("topic").ok()?;
    let topic = context.settings.topics.iter().position(|it| it == name)?;
    let partition = TopicPartition {
        topic,
        number: kafka.get_i32("partition").ok()?,
    };
    let mut headers = Headers::default();
    for header in letter.get_array("headers").ok()? {
        let RawBsonRef::Document(header) = header.ok()? else {
            return None;
        };
        headers.push(header.get_str("name").ok()?, bytes(header, "value"));
    }
    let record = RecordBuf {
        offset: kafka.get_i64("offset").ok()?,
        timestamp_ms: letter.get_datetime("timestamp").ok()?.timestamp_millis(),
        key: bytes(letter, "key"),
        value: bytes(letter, "value"),
        headers,
    };
    let topic_id = kafka.get_str("topic_id").ok();
    let topic_id = topic_id.and_then(|id| id.parse().ok());
    Some((partition, topic_id, record))
}

fn bytes(document: &RawDocument, field: &str) -> Option<Vec<u8>> {
    Some(document.get_binary(field).ok()?.bytes.to_vec())
}
