//! The entries of the oplog in their order, appended with the changes that they describe.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::{Arc, Mutex, RwLock};

use bytes::Bytes;
use convoy_server_kit::unix_ms;

use crate::bson::{Doc, Value};
use crate::engine::error::Error;
use crate::engine::locks::{lock, read, write};
use crate::engine::log::{Appended, Log, Record};
use crate::engine::oplog::entry::{Entry, Tag};
use crate::engine::oplog::sessions::Sessions;
use crate::engine::record::{self, CollectionId, RecordId, RecordKind};
use crate::engine::state::State;

/// Entries that are removed at once when the oplog is full: one part of this many.
const TRIMMED_PART: u64 = 32;

/// Bytes of entries that a stream reads at once.
const READ_BYTES: u32 = 1024 * 1024;

/// Largest number of entries that a stream reads at once.
const READ_ENTRIES: usize = 512;

/// Message of the first entry of an oplog that has every change of its store.
const FIRST_NOTE: &str = "initiating set";

/// Settings of the oplog.
#[derive(Debug, Clone, Copy)]
pub struct OplogSettings {
    /// Largest size in bytes.
    pub bytes: u64,
}

/// A point of the stream is no longer, or never was, in the oplog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

/// An entry that was read.
#[derive(Debug, Clone)]
pub struct OplogEntry {
    pub stamp: u64,
    pub bytes: Bytes,
}

/// The oplog of a replica set.
#[derive(Debug)]
pub struct Oplog {
    id: CollectionId,
    /// The collection that holds the entries.
    state: Arc<RwLock<State>>,
    limit: u64,
    history: Mutex<History>,
    sessions: Sessions,
}

#[derive(Debug, Default)]
struct History {
    /// The last timestamp.
    last: u64,
    entries: VecDeque<Place>,
    /// The timestamp from which every later change is kept.
    floor: u64,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    stamp: u64,
    id: RecordId,
}

impl Oplog {
    /// Reads the oplog in a collection, and notes that the server starts. `empty` says that the
    /// store has no documents yet.
    pub fn open(
        log: &Log,
        id: CollectionId,
        state: Arc<RwLock<State>>,
        settings: OplogSettings,
        empty: bool,
    ) -> Result<Self, Error> {
        let sessions = Sessions::default();
        let mut history = History::default();
        let locations: Vec<_> = read(&state).records.forward(RecordId(0)).collect();
        let segments = log.segments();
        for (id, location) in locations {
            let segment = segments.get(&location.segment).ok_or(Error::Failed)?;
            let length = usize::try_from(location.length).unwrap_or_default();
            let bytes = segment.read(location.offset, length)?;
            let entry = Doc::new(&bytes);
            let stamp = stamp_of(entry);
            if history.entries.is_empty() && !is_first_note(entry) {
                history.floor = stamp.saturating_sub(1);
            }
            history.last = history.last.max(stamp);
            history.entries.push_back(Place { stamp, id });
            if let Some(tag) = Tag::read(entry) {
                sessions.remember(tag, id);
            }
        }
        let first = history.entries.is_empty();
        let note = match (first, empty) {
            (true, true) => FIRST_NOTE,
            (true, false) => {
                history.floor = after(0) - 1;
                "new oplog"
            }
            (false, _) => "new primary",
        };
        let oplog = Self {
            id,
            state,
            limit: settings.bytes,
            history: Mutex::new(history),
            sessions,
        };
        oplog.append(log, None, vec![Entry::note(note)])?;
        Ok(oplog)
    }

    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Returns the timestamp of the last entry.
    pub fn last(&self) -> u64 {
        lock(&self.history).last
    }

    /// Appends a change and its entries by one write, with the changed collection locked.
    pub fn append(
        &self,
        log: &Log,
        change: Option<Record<'_>>,
        mut entries: Vec<Entry>,
    ) -> Result<Appended, Error> {
        let mut history = lock(&self.history);
        let mut state = write(&self.state);
        let first = state.next;
        let mut stamp = history.last;
        for entry in &mut entries {
            stamp = after(stamp);
            entry.stamp(stamp);
        }
        let prefix = record::insert_prefix(self.id, first);
        let mut parts = vec![IoSlice::new(&prefix)];
        parts.extend(entries.iter().map(|entry| IoSlice::new(&entry.bytes)));
        let own = Record {
            kind: RecordKind::Insert,
            parts: &parts,
        };
        let (appended, own) = if let Some(change) = change {
            let [change, own] = log.append_together([change, own])?;
            (change, own)
        } else {
            let [own] = log.append_together([own])?;
            (own, own)
        };
        let documents: Vec<Doc<'_>> = entries.iter().map(|entry| Doc::new(&entry.bytes)).collect();
        state.place(log, &own, first, &documents);
        state.next = first.offset(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let id = first.offset(index);
            let stamp = stamp_of(Doc::new(&entry.bytes));
            history.entries.push_back(Place { stamp, id });
            if let Some(tag) = entry.tag {
                self.sessions.remember(tag, id);
            }
        }
        history.last = stamp;
        if state.records.bytes() > self.limit {
            self.trim(log, &mut history, &mut state)?;
        }
        drop(state);
        drop(history);
        log.changes().notify_waiters();
        Ok(appended)
    }

    /// Removes the oldest entries, so that some room is left.
    fn trim(&self, log: &Log, history: &mut History, state: &mut State) -> Result<(), Error> {
        let goal = self.limit - self.limit / TRIMMED_PART;
        let mut removed = Vec::new();
        let mut left = state.records.bytes();
        for place in &history.entries {
            if left <= goal || removed.len() + 1 >= history.entries.len() {
                break;
            }
            let length = state.records.get(place.id).map_or(0, |found| found.length);
            left -= u64::from(length);
            removed.push(place.id);
        }
        let bytes: Vec<u8> = removed.iter().flat_map(|id| id.0.to_le_bytes()).collect();
        let id = self.id.0.to_le_bytes();
        log.append(
            RecordKind::Delete,
            &[IoSlice::new(&id), IoSlice::new(&bytes)],
        )?;
        for id in &removed {
            if let Some(location) = state.records.remove(*id) {
                log.release(location);
            }
        }
        for place in history.entries.drain(..removed.len()) {
            history.floor = place.stamp;
        }
        Ok(())
    }

    /// Returns the entries after a timestamp, as many as one reading takes; an error if entries after
    /// it were removed. What is returned survives the end of the machine.
    pub fn read_after(
        &self,
        log: &Log,
        stamp: u64,
    ) -> Result<Result<Vec<OplogEntry>, Lost>, Error> {
        let mut found = Vec::new();
        let segments = {
            let history = lock(&self.history);
            if stamp < history.floor {
                return Ok(Err(Lost));
            }
            let state = read(&self.state);
            let start = history
                .entries
                .partition_point(|place| place.stamp <= stamp);
            let mut bytes = 0_u32;
            for place in history.entries.range(start..).take(READ_ENTRIES) {
                if bytes > READ_BYTES {
                    break;
                }
                if let Some(location) = state.records.get(place.id) {
                    bytes = bytes.saturating_add(location.length);
                    found.push((place.stamp, location));
                }
            }
            // Taken with the state locked: later, a location may be in a removed segment.
            log.segments()
        };
        if !found.is_empty() {
            log.sync_all()?;
        }
        let mut entries = Vec::with_capacity(found.len());
        for (stamp, location) in found {
            let segment = segments.get(&location.segment).ok_or(Error::Failed)?;
            let length = usize::try_from(location.length).unwrap_or_default();
            let bytes = segment.read(location.offset, length)?;
            entries.push(OplogEntry { stamp, bytes });
        }
        Ok(Ok(entries))
    }

    /// Returns an entry by its place; `None` if it was removed.
    pub fn entry(&self, log: &Log, id: RecordId) -> Result<Option<Bytes>, Error> {
        let state = read(&self.state);
        let Some(location) = state.records.get(id) else {
            return Ok(None);
        };
        let segments = log.segments();
        drop(state);
        let segment = segments.get(&location.segment).ok_or(Error::Failed)?;
        let length = usize::try_from(location.length).unwrap_or_default();
        segment.read(location.offset, length).map(Some)
    }

    /// Returns whether a stream may go on after a timestamp without missing a change.
    pub fn covers(&self, stamp: u64) -> bool {
        stamp >= lock(&self.history).floor
    }

    /// Returns whether there is an entry with this timestamp.
    pub fn has(&self, stamp: u64) -> bool {
        let history = lock(&self.history);
        let found = history
            .entries
            .binary_search_by_key(&stamp, |place| place.stamp);
        found.is_ok()
    }
}

/// Returns the timestamp after another one: the time, if that is later.
fn after(stamp: u64) -> u64 {
    let now = (unix_ms() / 1_000) << 32 | 1;
    now.max(stamp + 1)
}

fn stamp_of(entry: Doc<'_>) -> u64 {
    match entry.get("ts") {
        Some(Value::Timestamp(stamp)) => stamp,
        _ => 0,
    }
}

fn is_first_note(entry: Doc<'_>) -> bool {
    let note = entry.get("o");
    let note = note.as_ref().and_then(Value::as_document);
    let message = note.and_then(|note| note.get("msg"));
    message.is_some_and(|message| message.as_str() == Some(FIRST_NOTE))
}
