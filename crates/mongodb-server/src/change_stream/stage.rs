//! The first and the last stage of a change stream.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::aggregation::{Context, Stage};
use crate::bson::{Doc, MAX_DOCUMENT_BYTES, Value};
use crate::change_stream::event::Event;
use crate::change_stream::options::{NOT_RESUMABLE, Options, history_lost};
use crate::change_stream::token::{Token, TokenKind};
use crate::engine::{Engine, Oplog, OplogEntry, Row, lock};
use crate::error::{Code, CommandError};

/// How far a stream has read. The cursor shares it with the stages.
#[derive(Debug, Clone)]
pub struct Progress(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Every entry up to this timestamp was read, and its events were returned.
    read: u64,
    /// The token of the last event.
    event: Option<Token>,
    ended: bool,
}

/// `$changeStream`: returns the events of the oplog's entries; `None` until there are more.
pub struct ChangeStream {
    options: Options,
    /// The last entry that was read from the oplog.
    read: u64,
    /// Entries whose events are still to be made.
    entries: VecDeque<OplogEntry>,
    /// Events of the entry before them.
    ready: VecDeque<Event>,
    /// The event that the stream is resumed after, until its entry was read.
    resumed: Option<Token>,
    progress: Progress,
}

impl Progress {
    /// Returns whether the stream returns no more events.
    pub fn ended(&self) -> bool {
        lock(&self.0).ended
    }

    /// Returns the token of the last event.
    pub fn last_event(&self) -> Option<Vec<u8>> {
        lock(&self.0).event.map(Token::document)
    }

    /// Returns the token from which the stream can be resumed after everything that it has read.
    pub fn mark(&self) -> Vec<u8> {
        let state = lock(&self.0);
        let kind = TokenKind::Mark;
        match state.event {
            Some(event) if event.stamp >= state.read || state.ended => event,
            _ => Token {
                stamp: state.read,
                kind,
            },
        }
        .document()
    }
}

impl ChangeStream {
    /// Opens a stream at the place that its options name.
    pub fn open(options: Options, oplog: &Oplog) -> Result<Self, CommandError> {
        let start = options.start(oplog)?;
        // The entry is read again: a drop is followed by the event that ends the stream.
        let resumed = options.resumed_event();
        let resumed = resumed.filter(|event| oplog.covers(event.stamp.saturating_sub(1)));
        let read = resumed.map_or(start, |event| event.stamp.saturating_sub(1));
        let progress = Progress(Arc::new(Mutex::new(State {
            read: start,
            event: resumed,
            ended: false,
        })));
        Ok(Self {
            options,
            read,
            entries: VecDeque::new(),
            ready: VecDeque::new(),
            resumed,
            progress,
        })
    }

    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Returns the next event; `None` until there are more.
    fn next_event(&mut self, context: &Context) -> Result<Option<Event>, CommandError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.entries.is_empty() {
                context.check()?;
                self.read_entries(&context.engine)?;
            }
            let Some(entry) = self.entries.pop_front() else {
                return Ok(None);
            };
            let document = Doc::new(&entry.bytes);
            let mut events = self
                .options
                .events(&context.engine, entry.stamp, document)?;
            if let Some(resumed) = self.resumed.take_if(|event| event.stamp <= entry.stamp)
                && resumed.stamp == entry.stamp
            {
                events.retain(|event| event.token.kind == TokenKind::Invalidate);
            }
            self.ready.extend(events);
        }
    }

    fn read_entries(&mut self, engine: &Engine) -> Result<(), CommandError> {
        let oplog = engine.oplog().ok_or_else(history_lost)?;
        let entries = oplog.read_after(engine.log(), self.read)?;
        self.entries
            .extend(entries.map_err(|_lost| history_lost())?);
        if let Some(last) = self.entries.back() {
            self.read = last.stamp;
        }
        Ok(())
    }
}

impl Stage for ChangeStream {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        if self.progress.ended() {
            return Ok(None);
        }
        let Some(event) = self.next_event(context)? else {
            lock(&self.progress.0).read = self.read;
            return Ok(None);
        };
        if event.document.len() > MAX_DOCUMENT_BYTES {
            return Err(CommandError::new(
                Code::BSON_OBJECT_TOO_LARGE,
                format!(
                    "a change event has {} bytes; the largest document has {MAX_DOCUMENT_BYTES}",
                    event.document.len()
                ),
            ));
        }
        let mut progress = lock(&self.progress.0);
        progress.event = Some(event.token);
        progress.ended = event.token.kind == TokenKind::Invalidate;
        Ok(Some(Row::computed(event.document)))
    }
}

/// Checks that the stages of a client have kept the token of each event, its `_id`.
pub struct KeepsToken {
    pub input: Box<dyn Stage>,
    pub progress: Progress,
}

impl Stage for KeepsToken {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        let Some(row) = self.input.next(context)? else {
            return Ok(None);
        };
        let expected = self.progress.last_event().unwrap_or_default();
        match row.doc().get("_id") {
            Some(Value::Document(token)) if *token == *expected => Ok(Some(row)),
            found => {
                let found = found.map_or_else(|| "nothing".to_owned(), |found| found.to_string());
                Err(CommandError::new(
                    Code::CHANGE_STREAM_FATAL,
                    format!(
                        "Encountered an event whose _id field, which contains the resume token, \
                         was modified by the pipeline. Modifying the _id field of an event makes it \
                         impossible to resume the stream from that point. Only transformations that \
                         retain the unmodified _id field are allowed. Expected: {}, but found: \
                         {found}",
                        Value::Document(expected.into())
                    ),
                )
                .labelled(NOT_RESUMABLE))
            }
        }
    }
}
