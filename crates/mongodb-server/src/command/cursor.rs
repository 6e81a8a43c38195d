//! `getMore` and `killCursors`, and the first batch of every query.

use crate::aggregation::{Context, Stage};
use crate::bson::{ArrayBuilder, Builder, Kind, Value};
use crate::command::arguments::Call;
use crate::command::client::Client;
use crate::command::cursors::{Batch, Cursor, Entry};
use crate::command::query::context;
use crate::command::shared::Shared;
use crate::error::CommandError;

/// Returns the reply with a query's first batch; opens a cursor if there are more documents.
pub fn open(
    shared: &Shared,
    context: &Context,
    namespace: &str,
    stage: Box<dyn Stage>,
    batch: Batch,
) -> Result<Builder, CommandError> {
    let keep = |cursor, more: bool| {
        if !more || batch.single {
            return Ok(0);
        }
        shared.cursors.add(Entry {
            namespace: namespace.to_owned(),
            cursor: Some(cursor),
            used: shared.clock.now(),
            forever: batch.forever,
        })
    };
    Cursor::new(stage, context.now_ms).answer(
        context,
        "firstBatch",
        batch.documents,
        namespace,
        keep,
    )
}

/// Returns the reply with all documents of a result.
pub fn complete(namespace: &str, documents: ArrayBuilder) -> Builder {
    let cursor = Builder::new()
        .array("firstBatch", documents)
        .int64("id", 0)
        .string("ns", namespace);
    Builder::new().document("cursor", cursor)
}

/// `getMore`
pub fn get_more(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&[
        "collection",
        "batchSize",
        "term",
        "lastKnownCommittedOpTime",
    ])?;
    let id = match call.body.get("getMore") {
        Some(Value::Int64(id)) => id,
        other => {
            let kind = other.map_or(Kind::Null, |value| value.kind());
            return Err(call.wrong_type("getMore", kind, "long"));
        }
    };
    let collection = call
        .text("collection")?
        .ok_or_else(|| call.missing("collection"))?;
    let namespace = format!("{}.{collection}", call.database);
    let size = call.natural("batchSize")?.filter(|&size| size > 0);
    let context = context(shared, call)?;
    let cursor = shared.cursors.take(id, &namespace)?;
    let keep = |cursor, more: bool| {
        if more {
            shared.cursors.put_back(id, cursor, shared.clock.now());
            return Ok(id);
        }
        shared.cursors.remove(id);
        Ok(0)
    };
    let documents = size.unwrap_or(u64::MAX);
    let answered = cursor.answer(&context, "nextBatch", documents, &namespace, keep);
    answered.inspect_err(|_| {
        shared.cursors.remove(id);
    })
}

/// `killCursors`
pub fn kill_cursors(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["cursors"])?;
    call.namespace()?;
    let cursors = call
        .array("cursors")?
        .ok_or_else(|| call.missing("cursors"))?;
    if cursors.is_empty() {
        let message = "Must specify at least one cursor id in: killCursors";
        return Err(CommandError::bad_value(message));
    }
    for element in cursors.elements() {
        if element.kind() != Kind::Int64 {
            let name = format!("cursors.{}", element.name());
            return Err(call.wrong_type(&name, element.kind(), "long"));
        }
    }
    let mut killed = ArrayBuilder::default();
    let mut unknown = ArrayBuilder::default();
    for value in cursors.values() {
        match value {
            Value::Int64(id) if shared.cursors.remove(id) => killed.push(&value),
            _ => unknown.push(&value),
        }
    }
    Ok(Builder::new()
        .array("cursorsKilled", killed)
        .array("cursorsNotFound", unknown)
        .strings("cursorsAlive", &[])
        .strings("cursorsUnknown", &[]))
}
