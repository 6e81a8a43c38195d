//! Open cursors: queries that have more documents than their first batch.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::aggregation::{Context, Stage};
use crate::bson::{Builder, Kind, MAX_DOCUMENT_BYTES, Value};
use crate::change_stream::Progress;
use crate::engine::{Row, lock};
use crate::error::{Code, CommandError};

/// Idle time after which a cursor is closed.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// Cursors open at once; each holds what its query has read ahead.
const MAX_CURSORS: usize = 10_000;

/// Cursors of change streams and of tailable queries open at once.
const MAX_TAILS: usize = 1_000;

/// Bytes of the largest batch: a reply must stay below the limit of a message.
const BATCH_BYTES: usize = MAX_DOCUMENT_BYTES;

#[derive(Debug, Default)]
pub struct Cursors {
    open: Mutex<HashMap<i64, Entry>>,
    /// Number of cursors that were closed because they were idle.
    timed_out: AtomicI64,
}

#[derive(Debug)]
pub struct Entry {
    pub namespace: String,
    /// Id of the session that the query belongs to.
    pub session: Option<Vec<u8>>,
    /// The query; `None` while a command reads it.
    pub cursor: Option<Cursor>,
    /// Last use, on the server's clock.
    pub used: u64,
    pub forever: bool,
    /// Whether the query waits for documents to come.
    pub tails: bool,
}

/// A query and the document that it read ahead.
pub struct Cursor {
    stage: Box<dyn Stage>,
    /// Milliseconds since 1970 when the query began: `$$NOW` for all batches.
    now_ms: i64,
    /// The document that did not fit into the last batch.
    pending: Option<Row>,
    /// Set for a query that waits for documents to come.
    tail: Option<Tail>,
}

/// How a cursor waits for documents to come.
#[derive(Debug, Clone)]
pub struct Tail {
    /// Whether `getMore` waits if there are none.
    pub awaits: bool,
    /// How far a change stream has read.
    progress: Option<Progress>,
}

impl Tail {
    /// Returns the tail of a change stream.
    pub fn stream(progress: Progress) -> Self {
        Self {
            awaits: true,
            progress: Some(progress),
        }
    }

    /// Returns the tail of a capped collection.
    pub fn documents(awaits: bool) -> Self {
        Self {
            awaits,
            progress: None,
        }
    }

    fn ended(&self) -> bool {
        self.progress.as_ref().is_some_and(Progress::ended)
    }
}

/// A batch that was written.
#[derive(Debug, Clone, Copy)]
pub struct Filled {
    /// Whether there may be more documents.
    pub more: bool,
    /// Whether there are none in the batch.
    pub empty: bool,
}

/// Options of a first batch.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// Largest number of documents.
    pub documents: u64,
    /// Whether no cursor is opened for the rest.
    pub single: bool,
    /// Whether the cursor never times out.
    pub forever: bool,
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Cursor").finish_non_exhaustive()
    }
}

impl Cursor {
    /// Returns a cursor that has not read a document.
    pub fn new(stage: Box<dyn Stage>, now_ms: i64) -> Self {
        Self {
            stage,
            now_ms,
            pending: None,
            tail: None,
        }
    }

    /// Makes the cursor wait for documents to come.
    #[must_use]
    pub fn tailing(self, tail: Option<Tail>) -> Self {
        Self { tail, ..self }
    }

    /// Returns whether the query waits for documents to come.
    pub fn tails(&self) -> bool {
        self.tail.is_some()
    }

    /// Returns whether `getMore` waits if there are no documents.
    pub fn awaits(&self) -> bool {
        self.tail.as_ref().is_some_and(|tail| tail.awaits)
    }

    /// Writes documents into an array, up to `documents` and the size of a batch.
    fn fill(
        &mut self,
        context: &Context,
        documents: u64,
        batch: &mut Builder,
        last: &mut Option<Row>,
    ) -> Result<Filled, CommandError> {
        let mut digits = itoa::Buffer::new();
        for index in 0..documents {
            let next = match self.pending.take() {
                Some(row) => Some(row),
                None => self.stage.next(context)?,
            };
            let empty = index == 0;
            let Some(row) = next else {
                *last = None;
                let more = self.tail.as_ref().is_some_and(|tail| !tail.ended());
                return Ok(Filled { more, empty });
            };
            if !empty && batch.len() + row.document.len() > BATCH_BYTES {
                self.pending = Some(row);
                return Ok(Filled { more: true, empty });
            }
            let name = digits.format(index).as_bytes();
            batch.push_raw(Kind::Document, name, &row.document);
            if self.tail.is_some() {
                *last = Some(row);
            }
        }
        let empty = documents == 0;
        if let Some(tail) = &self.tail {
            let more = !tail.ended();
            return Ok(Filled { more, empty });
        }
        // Reading ahead saves the client a `getMore` that returns nothing.
        self.pending = self.stage.next(context)?;
        let more = self.pending.is_some();
        Ok(Filled { more, empty })
    }

    /// Returns the token from which a change stream can be resumed after a batch that ends with an
    /// event; without one, after everything that was read.
    fn token(&self, last: Option<&Row>) -> Option<Vec<u8>> {
        let progress = self.tail.as_ref()?.progress.as_ref()?;
        match last.and_then(|event| event.doc().get("_id")) {
            Some(Value::Document(token)) => Some(token.into_owned()),
            _ => Some(progress.mark()),
        }
    }

    /// Returns the reply with a batch. `keep` gets the cursor and what was written, and returns the id
    /// of the open cursor, or zero.
    pub fn answer(
        mut self,
        context: &Context,
        batch: &str,
        documents: u64,
        namespace: &str,
        keep: impl FnOnce(Self, Filled) -> Result<i64, CommandError>,
    ) -> Result<Builder, CommandError> {
        let mut reply = Builder::new();
        let context = &Context {
            now_ms: self.now_ms,
            ..context.clone()
        };
        reply.nest(Kind::Document, "cursor", |reply| {
            let mut last = None;
            let fill = |batch: &mut Builder| self.fill(context, documents, batch, &mut last);
            let filled = reply.nest(Kind::Array, batch, fill)?;
            if let Some(token) = self.token(last.as_ref()) {
                reply.push("postBatchResumeToken", &Value::Document(token.into()));
            }
            reply.push("id", &Value::Int64(keep(self, filled)?));
            reply.push("ns", &Value::from(namespace));
            Ok::<_, CommandError>(())
        })?;
        Ok(reply)
    }
}

impl Cursors {
    pub fn len(&self) -> usize {
        lock(&self.open).len()
    }

    /// Returns the number of open cursors that never time out.
    pub fn forever(&self) -> usize {
        let open = lock(&self.open);
        open.values().filter(|entry| entry.forever).count()
    }

    /// Returns the number of cursors that were closed because they were idle.
    pub fn timed_out(&self) -> i64 {
        self.timed_out.load(Ordering::Relaxed)
    }

    pub fn reap(&self, now: u64) {
        let timeout = u64::try_from(IDLE_TIMEOUT.as_nanos()).unwrap_or(u64::MAX);
        lock(&self.open).retain(|_, entry| {
            let in_use = entry.cursor.is_none();
            let kept = in_use || entry.forever || now.saturating_sub(entry.used) < timeout;
            if !kept {
                self.timed_out.fetch_add(1, Ordering::Relaxed);
            }
            kept
        });
    }

    /// Keeps a cursor; returns its id.
    pub fn add(&self, entry: Entry) -> Result<i64, CommandError> {
        let mut open = lock(&self.open);
        if open.len() >= MAX_CURSORS {
            let message = format!("{MAX_CURSORS} cursors are open already");
            return Err(CommandError::location(8_023_700, message));
        }
        if entry.tails && open.values().filter(|entry| entry.tails).count() >= MAX_TAILS {
            let message =
                format!("{MAX_TAILS} change streams and tailable cursors are open already");
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

    /// Takes a cursor to read it.
    pub fn take(
        &self,
        id: i64,
        namespace: &str,
        session: Option<&[u8]>,
    ) -> Result<Cursor, CommandError> {
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
        check_session(id, entry.session.as_deref(), session)?;
        entry.cursor.take().ok_or_else(|| {
            CommandError::new(
                Code::CURSOR_IN_USE,
                format!("cursor id {id} is already in use"),
            )
        })
    }

    /// Puts a cursor back after reading.
    pub fn put_back(&self, id: i64, cursor: Cursor, now: u64) {
        // The entry is gone if the cursor was killed meanwhile.
        if let Some(entry) = lock(&self.open).get_mut(&id) {
            entry.cursor = Some(cursor);
            entry.used = now;
        }
    }

    /// Closes the cursors of the sessions that are chosen by their ids.
    pub fn close_sessions(&self, chosen: impl Fn(&[u8]) -> bool) {
        lock(&self.open).retain(|_, entry| !entry.session.as_deref().is_some_and(&chosen));
    }

    /// Closes a cursor; false if it is not open.
    pub fn remove(&self, id: i64) -> bool {
        lock(&self.open).remove(&id).is_some()
    }
}

/// Rejects a read of a cursor in another session than its own.
fn check_session(id: i64, own: Option<&[u8]>, given: Option<&[u8]>) -> Result<(), CommandError> {
    let (code, difference) = match (own, given) {
        (None, Some(_)) => (50_736, "was not created in a session, in a session"),
        (Some(_), None) => (50_737, "was created in a session, without an lsid"),
        (Some(own), Some(given)) if own != given => {
            (50_738, "was created in a session, in another session")
        }
        _ => return Ok(()),
    };
    let message = format!("Cannot run getMore on cursor {id}, which {difference}");
    Err(CommandError::location(code, message))
}

fn not_found(id: i64) -> CommandError {
    CommandError::new(Code::CURSOR_NOT_FOUND, format!("cursor id {id} not found"))
}
