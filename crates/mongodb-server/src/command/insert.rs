//! `insert`
//!
//! The bytes of a batch go from the client's message to the log unchanged: validated once, their
//! `_id` read in place.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use convoy_server_kit::unix_ms;

use crate::bson::{ArrayBuilder, Builder, Doc, Element, Kind, MAX_DOCUMENT_BYTES, ObjectId, Value};
use crate::command::retry::Retryable;
use crate::command::write_concern::WriteConcern;
use crate::command::{Call, Client, Shared, system, time_series};
use crate::engine::{Inserted, Namespace, Retry, Writer};
use crate::error::{Code, CommandError};
use crate::faults::Fault;

/// `insert`
pub fn insert(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["documents", "ordered", "bypassDocumentValidation"])?;
    let namespace = call.namespace()?;
    system::check_write(&namespace)?;
    let concern = WriteConcern::parse(call)?;
    let ordered = call.flag("ordered")?.unwrap_or(true);
    let documents = call.documents("documents")?;
    let mut retryable = Retryable::begin(shared, call)?;
    let mut pending = Vec::with_capacity(documents.len());
    let mut places = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        if retryable.executed(index)?.is_none() {
            pending.push(*document);
            places.push(index);
        }
    }
    let statements = retryable.statements(&places);
    let writer = retryable.writer(&statements, None);
    let mut inserted = insert_all(shared, &namespace, &pending, ordered, call.fault, writer)?;
    for (index, _) in &mut inserted.errors {
        *index = places.get(*index).copied().unwrap_or(*index);
    }
    concern.wait(&shared.engine, inserted.position)?;
    let done = documents.len() - pending.len();
    let reply = retryable.describe(Builder::new().count("n", inserted.count + done));
    Ok(with_errors(reply, &inserted.errors))
}

/// Inserts documents; adds missing `_id`s.
pub fn insert_all(
    shared: &Shared,
    namespace: &Namespace,
    documents: &[Doc<'_>],
    ordered: bool,
    fault: &Fault,
    writer: Writer<'_>,
) -> Result<Inserted, CommandError> {
    let series = shared.engine.time_series(namespace);
    let mut prepared = Vec::with_capacity(documents.len());
    let mut refused = Vec::new();
    for (index, &document) in documents.iter().enumerate() {
        let prepared_or_refused = match fault.write_error(index) {
            Some(error) => Err(error),
            None => time_series::check_measurement(series.as_ref(), document)
                .and_then(|()| prepare(document)),
        };
        match prepared_or_refused {
            Ok(document) => prepared.push((index, document)),
            Err(error) => {
                refused.push((index, error));
                if ordered {
                    break;
                }
            }
        }
    }
    let ready: Vec<Doc<'_>> = prepared.iter().map(|(_, bytes)| Doc::new(bytes)).collect();
    let statements = match &writer.retry {
        Some(retry) => {
            let known = prepared
                .iter()
                .map(|(index, _)| retry.statements.get(*index));
            known
                .map(|known| known.copied().unwrap_or_default())
                .collect()
        }
        None => Vec::new(),
    };
    let retry = writer.retry.map(|retry| Retry {
        statements: &statements,
        ..retry
    });
    let mut inserted = insert_ready(shared, namespace, &ready, ordered, writer.of(retry))?;
    for (index, _) in &mut inserted.errors {
        *index = prepared
            .get(*index)
            .map_or(*index, |(original, _)| *original);
    }
    if !ordered || inserted.errors.is_empty() {
        inserted.errors.extend(refused);
        inserted.errors.sort_by_key(|(index, _)| *index);
    }
    Ok(inserted)
}

/// Inserts into the collection; retries if it is dropped meanwhile.
fn insert_ready(
    shared: &Shared,
    namespace: &Namespace,
    documents: &[Doc<'_>],
    ordered: bool,
    writer: Writer<'_>,
) -> Result<Inserted, CommandError> {
    if documents.is_empty() {
        return Ok(Inserted::default());
    }
    loop {
        let collection = shared.engine.collection_or_create(namespace)?;
        if let Some(inserted) = collection.insert(writer, documents, ordered)? {
            return Ok(inserted);
        }
    }
}

/// Returns a document as it is stored: with a valid `_id` first.
fn prepare(document: Doc<'_>) -> Result<Cow<'_, [u8]>, CommandError> {
    let mut ids = 0;
    let mut empty_timestamp = false;
    for element in document.elements() {
        let id = element.name_bytes() == b"_id";
        ids += usize::from(id);
        empty_timestamp |= !id && is_empty_timestamp(element);
    }
    if ids > 1 {
        let message = "can't have multiple _id fields in one document";
        return Err(CommandError::bad_value(message));
    }
    let ready = match document.elements().next() {
        Some(first) if first.name_bytes() == b"_id" => Cow::Borrowed(document.bytes()),
        _ => Cow::Owned(with_id_first(document)),
    };
    let ready = if empty_timestamp {
        Cow::Owned(with_timestamps(Doc::new(&ready)))
    } else {
        ready
    };
    let id = Doc::new(&ready).get("_id").unwrap_or(Value::Null);
    check_id(&id)?;
    check_size(ready.len())?;
    Ok(ready)
}

fn is_empty_timestamp(element: Element<'_>) -> bool {
    element.kind() == Kind::Timestamp && matches!(element.value(), Value::Timestamp(0))
}

/// Replaces empty timestamps in top-level fields by the time.
pub fn with_timestamps(document: Doc<'_>) -> Vec<u8> {
    /// The last timestamp: all are different.
    static LAST: AtomicU64 = AtomicU64::new(0);
    let mut builder = Builder::new();
    for element in document.elements() {
        if element.name_bytes() == b"_id" || !is_empty_timestamp(element) {
            builder.push_element(element);
            continue;
        }
        let now = (unix_ms() / 1_000) << 32 | 1;
        let next = |last: u64| Some(now.max(last + 1));
        let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        let stamp = last.map_or(now, |last| now.max(last + 1));
        builder.push(element.name(), &Value::Timestamp(stamp));
    }
    builder.finish()
}

/// Moves `_id` to the front, or adds one.
pub fn with_id_first(document: Doc<'_>) -> Vec<u8> {
    let mut builder = match document.element("_id") {
        Some(id) => {
            let mut builder = Builder::new();
            builder.push_element(id);
            builder
        }
        None => Builder::new().with("_id", &Value::ObjectId(ObjectId::generate())),
    };
    for element in document.elements() {
        if element.name_bytes() != b"_id" {
            builder.push_element(element);
        }
    }
    builder.finish()
}

/// Rejects values that cannot be an `_id`.
pub fn check_id(id: &Value<'_>) -> Result<(), CommandError> {
    match id {
        Value::Array(_) | Value::Regex { .. } | Value::Undefined => Err(CommandError::new(
            Code::INVALID_ID_FIELD,
            format!("The '_id' value cannot be of type {}", id.kind().alias()),
        )),
        Value::Document(bytes) => {
            let mut names = Doc::new(bytes).elements();
            match names.find(|element| element.name().starts_with('$')) {
                Some(element) => Err(CommandError::new(
                    Code::DOLLAR_PREFIXED_FIELD,
                    format!(
                        "_id fields may not contain '$'-prefixed fields: {} is not valid for \
                         storage.",
                        element.name()
                    ),
                )),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Rejects documents that are too large.
pub fn check_size(bytes: usize) -> Result<(), CommandError> {
    if bytes > MAX_DOCUMENT_BYTES {
        return Err(CommandError::new(
            Code::BSON_OBJECT_TOO_LARGE,
            format!(
                "object to insert too large. size in bytes: {bytes}, max size: {MAX_DOCUMENT_BYTES}"
            ),
        ));
    }
    Ok(())
}

/// Adds `writeErrors` to a reply, if there are any.
pub fn with_errors(reply: Builder, errors: &[(usize, CommandError)]) -> Builder {
    if errors.is_empty() {
        return reply;
    }
    let mut array = ArrayBuilder::default();
    for (index, error) in errors {
        array.push_built(error.write_error(*index));
    }
    reply.array("writeErrors", array)
}
