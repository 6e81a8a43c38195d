//! `getMore` and `killCursors`, and the first batch of every query.

use std::time::Duration;

use crate::aggregation::{Context, GivenDocuments};
use crate::bson::{ArrayBuilder, Builder, Doc, Kind, Value};
use crate::command::arguments::Call;
use crate::command::client::Client;
use crate::command::cursors::{Batch, Cursor, Entry, Filled};
use crate::command::query::context;
use crate::command::shared::Shared;
use crate::engine::Row;
use crate::error::{Code, CommandError};

/// Longest time that `getMore` waits for documents; the client may ask again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Time that `getMore` waits for documents if the client names none.
const DEFAULT_WAIT: Duration = Duration::from_secs(1);

/// Returns the reply with a query's first batch; opens a cursor if there are more documents.
pub fn open(
    shared: &Shared,
    context: &Context,
    namespace: &str,
    cursor: Cursor,
    batch: Batch,
) -> Result<Builder, CommandError> {
    let tails = cursor.tails();
    let keep = |cursor, filled: Filled| {
        if !filled.more || batch.single {
            return Ok(0);
        }
        shared.cursors.add(Entry {
            namespace: namespace.to_owned(),
            session: context.session.as_ref().map(|id| id.to_vec()),
            cursor: Some(cursor),
            used: shared.clock.now(),
            forever: batch.forever,
            tails,
        })
    };
    cursor.answer(context, "firstBatch", batch.documents, namespace, keep)
}

/// Returns the reply with the first batch of a list, as large as the command asks for.
pub fn list(
    shared: &Shared,
    call: &Call<'_>,
    namespace: &str,
    rows: Vec<Vec<u8>>,
) -> Result<Builder, CommandError> {
    let context = context(shared, call)?;
    let rows: Vec<Row> = rows.into_iter().map(Row::computed).collect();
    let stage = Box::new(GivenDocuments {
        rows: rows.into_iter(),
    });
    let cursor = Cursor::new(stage, context.now_ms);
    let batch = Batch {
        documents: call.batch_size()?.unwrap_or(u64::MAX),
        single: false,
        forever: false,
    };
    let reply = open(shared, &context, namespace, cursor, batch)?.finish();
    // The fields of a list's cursor are in another order than those of a query's.
    let cursor = Doc::new(&reply).get("cursor");
    let cursor = cursor.as_ref().and_then(Value::as_document);
    let mut ordered = Builder::new();
    for name in ["id", "ns", "firstBatch"] {
        let element = cursor.and_then(|cursor| cursor.element(name));
        if let Some(element) = element {
            ordered.push_element(element);
        }
    }
    Ok(Builder::new().document("cursor", ordered))
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
    client: &mut Client,
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
        Some(other) if !other.is_nullish() => {
            return Err(call.wrong_type("getMore", other.kind(), "long"));
        }
        _ => return Err(call.missing("getMore")),
    };
    match call.value("term") {
        Some(Value::Int64(_)) | None => {}
        Some(term) => return Err(call.wrong_type("term", term.kind(), "long")),
    }
    let collection = call
        .text("collection")?
        .ok_or_else(|| call.missing("collection"))?;
    let namespace = format!("{}.{collection}", call.database);
    let size = call.natural("batchSize")?.filter(|&size| size > 0);
    let mut context = context(shared, call)?;
    let cursor = shared
        .cursors
        .take(id, &namespace, call.session().as_deref())?;
    let tails = cursor.tails();
    if !cursor.awaits() && call.value("maxTimeMS").is_some() {
        shared.cursors.put_back(id, cursor, shared.clock.now());
        let message = "cannot set maxTimeMS on getMore command for a non-awaitData cursor";
        return Err(CommandError::bad_value(message));
    }
    let wait = if cursor.awaits() {
        // The client says how long to wait, not how long the query may take.
        context.deadline = None;
        let asked = call.natural("maxTimeMS")?.filter(|&asked| asked > 0);
        let asked = asked.map_or(DEFAULT_WAIT, Duration::from_millis);
        Some(asked.min(LONGEST_WAIT))
    } else {
        None
    };
    let keep = |cursor, filled: Filled| {
        if filled.more {
            client.wait = wait.filter(|_| filled.empty);
            shared.cursors.put_back(id, cursor, shared.clock.now());
            return Ok(id);
        }
        shared.cursors.remove(id);
        Ok(0)
    };
    let documents = size.unwrap_or(u64::MAX);
    let answered = cursor.answer(&context, "nextBatch", documents, &namespace, keep);
    answered.map_err(|error| {
        shared.cursors.remove(id);
        if tails && error.code() == Code::INTERRUPTED_AT_SHUTDOWN {
            return error.labelled("ResumableChangeStreamError");
        }
        error
    })
}

/// `killCursors`
pub fn kill_cursors(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["cursors"])?;
    // Cursors of databases have a name that no collection has, such as `$cmd.aggregate`.
    match call.body.get(call.name) {
        Some(Value::String(name)) if name.starts_with("$cmd.") => {}
        _ => drop(call.namespace()?),
    }
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
    // One of them may be waiting for documents.
    shared.engine.log().changes().notify_waiters();
    Ok(Builder::new()
        .array("cursorsKilled", killed)
        .array("cursorsNotFound", unknown)
        .strings("cursorsAlive", &[])
        .strings("cursorsUnknown", &[]))
}
