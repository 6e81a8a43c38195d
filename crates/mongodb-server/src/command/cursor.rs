//! Cursors: what is left of a query after its first batch.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::aggregation::{Context, Stage};
use crate::bson::{ArrayBuilder, Builder, Kind, MAX_DOCUMENT_BYTES, Value};
use crate::command::query::context;
use crate::command::{Call, Client, Shared};
use crate::engine::{Row, lock};
use crate::error::{Code, CommandError};

/// How long a cursor may be idle.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// Cursors open at once; each holds what its query has read ahead.
const MAX_CURSORS: usize = 10_000;

/// Bytes of a batch: a reply must stay below the limit of a message.
const BATCH_BYTES: usize = MAX_DOCUMENT_BYTES;

/// The open cursors of a store.
#[derive(Debug, Default)]
pub struct Cursors {
    open: Mutex<HashMap<i64, Entry>>,
}

/// An open cursor, or the place of one that is being read.
#[derive(Debug)]
struct Entry {
    namespace: String,
    cursor: Option<Cursor>,
    /// When it was last used, on the store's clock.
    used: u64,
    /// Whether it waits for ever.
    forever: bool,
}

/// A query under way.
struct Cursor {
    stage: Box<dyn Stage>,
    /// The document that did not fit into the last batch.
    pending: Option<Row>,
}

/// What a first batch is to be.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// How many documents at most.
    pub documents: u64,
    /// Whether it is the only one.
    pub single: bool,
    /// Whether the cursor may be idle for ever.
    pub forever: bool,
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Cursor").finish_non_exhaustive()
    }
}

impl Cursor {
    /// Writes documents into an array, up to a number and the size of a reply; whether there may be
    /// more.
    fn fill(
        &mut self,
        context: &Context,
        documents: u64,
        batch: &mut Builder,
    ) -> Result<bool, CommandError> {
        let mut digits = itoa::Buffer::new();
        for index in 0..documents {
            let next = match self.pending.take() {
                Some(row) => Some(row),
                None => self.stage.next(context)?,
            };
            let Some(row) = next else {
                return Ok(false);
            };
            if index > 0 && batch.len() + row.document.len() > BATCH_BYTES {
                self.pending = Some(row);
                return Ok(true);
            }
            let name = digits.format(index).as_bytes();
            batch.push_raw(Kind::Document, name, &row.document);
        }
        // Look ahead, so that a client is not sent back for nothing.
        self.pending = self.stage.next(context)?;
        Ok(self.pending.is_some())
    }

    /// Writes a batch as the reply of a command; `keep` is told whether there may be more, and
    /// returns the number of the cursor that goes on, zero if none.
    fn answer(
        mut self,
        context: &Context,
        (batch, documents): (&str, u64),
        namespace: &str,
        keep: impl FnOnce(Self, bool) -> Result<i64, CommandError>,
    ) -> Result<Builder, CommandError> {
        let mut reply = Builder::new();
        reply.nest(Kind::Document, "cursor", |reply| {
            let fill = |batch: &mut Builder| self.fill(context, documents, batch);
            let more = reply.nest(Kind::Array, batch, fill)?;
            reply.push("id", &Value::Int64(keep(self, more)?));
            reply.push("ns", &Value::from(namespace));
            Ok::<_, CommandError>(())
        })?;
        Ok(reply)
    }
}

impl Cursors {
    /// Returns how many are open.
    pub fn len(&self) -> usize {
        lock(&self.open).len()
    }

    /// Closes cursors that were idle for too long.
    pub fn reap(&self, now: u64) {
        let timeout = u64::try_from(IDLE_TIMEOUT.as_nanos()).unwrap_or(u64::MAX);
        lock(&self.open).retain(|_, entry| {
            let in_use = entry.cursor.is_none();
            in_use || entry.forever || now.saturating_sub(entry.used) < timeout
        });
    }

    fn add(&self, entry: Entry) -> Result<i64, CommandError> {
        let mut open = lock(&self.open);
        if open.len() >= MAX_CURSORS {
            let message = format!("{MAX_CURSORS} cursors are open already");
            return Err(CommandError::location(8_023_700, message));
        }
        loop {
            let id = rand::random::<u64>() >> 1;
            let id = i64::try_from(id).unwrap_or(i64::MAX);
            if id != 0 && !open.contains_key(&id) {
                open.insert(id, entry);
                return Ok(id);
            }
        }
    }

    fn take(&self, id: i64, namespace: &str) -> Result<Cursor, CommandError> {
        let mut open = lock(&self.open);
        let entry = open.get_mut(&id).ok_or_else(|| not_found(id))?;
        if entry.namespace != namespace {
            let message = format!(
                "Requested getMore on namespace '{namespace}', but cursor belongs to a different \
                 namespace {}",
                entry.namespace
            );
            return Err(CommandError::new(Code::UNAUTHORIZED, message));
        }
        entry.cursor.take().ok_or_else(|| {
            CommandError::new(
                Code::CURSOR_IN_USE,
                format!("cursor id {id} is already in use"),
            )
        })
    }

    fn put_back(&self, id: i64, cursor: Cursor, now: u64) {
        // Gone if it was killed meanwhile.
        if let Some(entry) = lock(&self.open).get_mut(&id) {
            entry.cursor = Some(cursor);
            entry.used = now;
        }
    }

    fn remove(&self, id: i64) -> bool {
        lock(&self.open).remove(&id).is_some()
    }
}

/// Answers with a query's first batch and opens a cursor if there is more.
pub fn open(
    shared: &Shared,
    context: &Context,
    namespace: &str,
    stage: Box<dyn Stage>,
    batch: Batch,
) -> Result<Builder, CommandError> {
    let cursor = Cursor {
        stage,
        pending: None,
    };
    let first = ("firstBatch", batch.documents);
    cursor.answer(context, first, namespace, |cursor, more| {
        if !more || batch.single {
            return Ok(0);
        }
        shared.cursors.add(Entry {
            namespace: namespace.to_owned(),
            cursor: Some(cursor),
            used: shared.clock.now(),
            forever: batch.forever,
        })
    })
}

/// Answers with documents that are all there is.
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
    let next = ("nextBatch", size.unwrap_or(u64::MAX));
    let answered = cursor.answer(&context, next, &namespace, |cursor, more| {
        if more {
            shared.cursors.put_back(id, cursor, shared.clock.now());
            return Ok(id);
        }
        shared.cursors.remove(id);
        Ok(0)
    });
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
    let cursors = call
        .array("cursors")?
        .ok_or_else(|| call.missing("cursors"))?;
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

fn not_found(id: i64) -> CommandError {
    CommandError::new(Code::CURSOR_NOT_FOUND, format!("cursor id {id} not found"))
}
