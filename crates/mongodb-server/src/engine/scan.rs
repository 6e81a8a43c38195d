//! Reads documents in order, a chunk at a time; writers can run in between.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::bson::{Doc, Key};
use crate::engine::collection::Collection;
use crate::engine::error::Error;
use crate::engine::index::{Index, range_of};
use crate::engine::log::Log;
use crate::engine::namespace::Namespace;
use crate::engine::record::RecordId;
use crate::engine::segment::{Location, Segment, Segments};
use crate::engine::state::State;
use crate::error::{Code, CommandError};
use crate::query::Filter;

/// Documents of the first chunk: many queries want only one.
const FIRST_CHUNK: usize = 4;

/// Documents of the largest chunk.
const LARGEST_CHUNK: usize = 512;

/// Bytes after which a chunk ends.
const CHUNK_BYTES: u32 = 1024 * 1024;

/// Largest gap in bytes between two documents that are read by one call.
const GAP_BYTES: u32 = 4 * 1024;

/// A range of encoded keys, the end excluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// The first key.
    pub from: Vec<u8>,
    /// The first key after the range.
    pub to: Vec<u8>,
}

impl Bounds {
    /// Returns the range of all keys.
    pub fn all() -> Self {
        Self {
            from: Vec::new(),
            to: vec![u8::MAX; 8],
        }
    }
}

/// A source of documents.
#[derive(Debug, Clone)]
pub enum Source {
    /// The whole collection, in the order of insertion.
    Collection {
        /// Whether the last document comes first.
        reverse: bool,
    },
    /// An index.
    Index {
        name: String,
        /// Ranges of keys, in order.
        bounds: Vec<Bounds>,
        /// Whether the greatest key comes first.
        reverse: bool,
    },
    /// No documents.
    Nothing,
}

/// The place of a document on disk. It holds the segment, so that the document stays readable.
#[derive(Debug, Clone)]
pub struct Stored {
    segment: Arc<Segment>,
    offset: u32,
    length: u32,
}

impl Stored {
    /// Returns the bytes of the document.
    pub fn length(&self) -> usize {
        usize::try_from(self.length).unwrap_or_default()
    }

    /// Reads the document.
    pub fn read(&self) -> Result<Bytes, Error> {
        self.segment.read(self.offset, self.length())
    }
}

/// A document in a query.
#[derive(Debug, Clone)]
pub struct Row {
    pub document: Bytes,
    /// Its id and place, unless it was computed.
    pub origin: Option<(RecordId, Stored)>,
}

impl Row {
    /// Returns a computed document.
    pub fn computed(document: Vec<u8>) -> Self {
        Self {
            document: document.into(),
            origin: None,
        }
    }

    /// Returns the document.
    pub fn doc(&self) -> Doc<'_> {
        Doc::new(&self.document)
    }
}

/// Counts of a scan.
#[derive(Debug, Clone, Copy, Default)]
pub struct Examined {
    /// Number of examined keys.
    pub keys: u64,
    /// Number of examined documents.
    pub documents: u64,
}

/// A scan. It returns each document at most once.
#[derive(Debug)]
pub struct Scan {
    collection: Option<Arc<Collection>>,
    /// The name of the collection at the start.
    namespace: Option<Namespace>,
    source: Source,
    filter: Filter,
    place: Place,
    chunk: usize,
    ready: VecDeque<Row>,
    /// Documents seen, if the index may hold them more than once.
    seen: HashSet<RecordId>,
    examined: Examined,
    /// Whether documents may follow those that are there.
    tailing: bool,
}

/// The progress of a scan.
#[derive(Debug)]
enum Place {
    /// The next document to examine.
    Record(RecordId),
    /// The range, and the last key that was examined in it.
    Key { range: usize, last: Option<Key> },
    /// The end.
    End,
}

/// A chunk before its documents are read.
struct Chunk {
    entries: Vec<(RecordId, Location)>,
    segments: Arc<Segments>,
}

impl Scan {
    /// Starts a scan; `None` is an empty collection.
    pub fn new(collection: Option<Arc<Collection>>, source: Source, filter: Filter) -> Self {
        let place = match &source {
            Source::Collection { reverse: false } => Place::Record(RecordId(0)),
            Source::Collection { reverse: true } => Place::Record(RecordId(u64::MAX)),
            Source::Index { .. } => Place::Key {
                range: 0,
                last: None,
            },
            Source::Nothing => Place::End,
        };
        let namespace = collection.as_ref();
        Self {
            namespace: namespace.map(|it| it.with_state(|state| state.namespace.clone())),
            collection,
            source,
            filter,
            place,
            chunk: FIRST_CHUNK,
            ready: VecDeque::new(),
            seen: HashSet::new(),
            examined: Examined::default(),
            tailing: false,
        }
    }

    /// Keeps the place at the end, for documents to come.
    #[must_use]
    pub fn tailing(self) -> Self {
        Self {
            tailing: true,
            ..self
        }
    }

    /// Limits reading ahead to the number of requested documents.
    #[must_use]
    pub fn expecting(mut self, documents: Option<u64>) -> Self {
        if let Some(documents) = documents {
            let documents = usize::try_from(documents).unwrap_or(usize::MAX);
            self.chunk = documents.clamp(1, LARGEST_CHUNK);
        }
        self
    }

    /// Returns the counts so far.
    pub fn examined(&self) -> Examined {
        self.examined
    }

    /// Returns the next document that matches the filter. `check` may end the search between reads.
    pub fn next(
        &mut self,
        log: &Log,
        check: impl Fn() -> Result<(), CommandError>,
    ) -> Result<Option<Row>, CommandError> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                if self.tailing {
                    self.check_kept(&row)?;
                }
                return Ok(Some(row));
            }
            check()?;
            let Some(chunk) = self.next_chunk(log)? else {
                return Ok(None);
            };
            if self.tailing && chunk.entries.is_empty() {
                return Ok(None);
            }
            self.read_chunk(&chunk)?;
        }
    }

    /// Fails if a document that was read ahead has been removed because the collection was full.
    fn check_kept(&self, row: &Row) -> Result<(), CommandError> {
        let trimmed = self.collection.as_ref();
        let trimmed = trimmed.map(|collection| collection.with_state(|state| state.trimmed));
        match (&row.origin, trimmed) {
            (Some((id, _)), Some(trimmed)) if *id <= trimmed => Err(position_lost()),
            _ => Ok(()),
        }
    }

    /// Finds the documents to read next, with the collection locked; `None` at the end.
    fn next_chunk(&mut self, log: &Log) -> Result<Option<Chunk>, CommandError> {
        let Some(collection) = self.collection.as_ref().map(Arc::clone) else {
            return Ok(None);
        };
        if matches!(self.place, Place::End) {
            return Ok(None);
        }
        let entries = collection.with_state(|state| {
            if state.dropped {
                let message = "collection dropped between operations";
                return Err(CommandError::new(Code::QUERY_PLAN_KILLED, message));
            }
            if self.namespace.as_ref() != Some(&state.namespace) {
                let message = "collection renamed between operations";
                return Err(CommandError::new(Code::QUERY_PLAN_KILLED, message));
            }
            let entries = self.collect(state)?;
            // Taken with the collection locked: later, a location may be in a removed segment.
            Ok((entries, log.segments()))
        });
        let (entries, segments) = entries?;
        self.chunk = (self.chunk * 2).min(LARGEST_CHUNK);
        Ok(Some(Chunk { entries, segments }))
    }

    fn collect(&mut self, state: &State) -> Result<Vec<(RecordId, Location)>, CommandError> {
        match (&self.source, &self.place) {
            (Source::Collection { reverse }, &Place::Record(start)) => {
                // The document before the place was the last one read.
                let lost = start <= state.trimmed.offset(1);
                if self.tailing && start > RecordId(0) && lost {
                    return Err(position_lost());
                }
                let entries = if *reverse {
                    take_chunk(state.records.backward(start), self.chunk)
                } else {
                    take_chunk(state.records.forward(start), self.chunk)
                };
                self.place = match entries.last() {
                    Some(&(RecordId(last), _)) if !*reverse => Place::Record(RecordId(last + 1)),
                    Some(&(RecordId(last), _)) if last > 0 => Place::Record(RecordId(last - 1)),
                    None if self.tailing => Place::Record(start),
                    _ => Place::End,
                };
                Ok(entries)
            }
            (Source::Index { .. }, Place::Key { .. }) => self.collect_from_index(state),
            _ => Ok(Vec::new()),
        }
    }

    fn collect_from_index(
        &mut self,
        state: &State,
    ) -> Result<Vec<(RecordId, Location)>, CommandError> {
        let Source::Index {
            name,
            bounds,
            reverse,
        } = &self.source
        else {
            return Ok(Vec::new());
        };
        let Place::Key { range, last } = &mut self.place else {
            return Ok(Vec::new());
        };
        let index = state
            .indexes
            .iter()
            .find(|index| index.spec().name == *name);
        let multikey = index.is_some_and(Index::is_multikey);
        let entries: &BTreeMap<Key, RecordId> = match index {
            Some(index) => index.entries(),
            None if name == crate::engine::index_spec::ID_INDEX => &state.by_id,
            None => {
                let message = format!("index '{name}' dropped");
                return Err(CommandError::new(Code::QUERY_PLAN_KILLED, message));
            }
        };
        let mut found = Vec::new();
        let mut bytes = 0_u32;
        while let Some(bound) = bounds.get(*range) {
            let mut keys = rest_of_range(entries, bound, last.as_ref(), *reverse);
            let mut reached = None;
            while found.len() < self.chunk && bytes < CHUNK_BYTES {
                let next = if *reverse {
                    keys.next_back()
                } else {
                    keys.next()
                };
                let Some((key, id)) = next else {
                    break;
                };
                reached = Some(key);
                self.examined.keys += 1;
                let fresh = !multikey || self.seen.insert(id);
                if let Some(location) = state.records.get(id).filter(|_| fresh) {
                    bytes = bytes.saturating_add(location.length);
                    found.push((id, location));
                }
            }
            if found.len() >= self.chunk || bytes >= CHUNK_BYTES {
                if let Some(key) = reached {
                    *last = Some(key.clone());
                }
                return Ok(found);
            }
            *range += 1;
            *last = None;
        }
        self.place = Place::End;
        Ok(found)
    }

    /// Reads a chunk's documents, adjacent ones by one call, and keeps those that match.
    fn read_chunk(&mut self, chunk: &Chunk) -> Result<(), CommandError> {
        let mut rest = chunk.entries.as_slice();
        while let Some(&(_, first)) = rest.first() {
            let run = run_length(rest);
            let (entries, after) = rest.split_at(run);
            rest = after;
            let end = entries.last().map_or(first.end(), |(_, last)| last.end());
            let segment = chunk.segments.get(&first.segment).ok_or(Error::Failed)?;
            let length = usize::try_from(end - first.offset).unwrap_or_default();
            let bytes = segment.read(first.offset, length)?;
            for &(id, location) in entries {
                let start = usize::try_from(location.offset - first.offset).unwrap_or_default();
                let length = usize::try_from(location.length).unwrap_or_default();
                self.examined.documents += 1;
                if !self.filter.test(Doc::new(&bytes[start..start + length]))? {
                    continue;
                }
                self.ready.push_back(Row {
                    document: bytes.slice(start..start + length),
                    origin: Some((
                        id,
                        Stored {
                            segment: Arc::clone(segment),
                            offset: location.offset,
                            length: location.length,
                        },
                    )),
                });
            }
        }
        Ok(())
    }
}

fn position_lost() -> CommandError {
    CommandError::new(
        Code::CAPPED_POSITION_LOST,
        "CollectionScan died due to position in capped collection being deleted",
    )
}

/// Returns the keys of a range after the last one that was examined.
fn rest_of_range<'i>(
    entries: &'i BTreeMap<Key, RecordId>,
    bound: &Bounds,
    last: Option<&Key>,
    reverse: bool,
) -> impl DoubleEndedIterator<Item = (&'i Key, RecordId)> + use<'i> {
    match (last, reverse) {
        (None, _) => range_of(entries, &bound.from, &bound.to),
        (Some(last), true) => range_of(entries, &bound.from, last.bytes()),
        (Some(last), false) => {
            let from = [last.bytes(), &[0]].concat();
            range_of(entries, &from, &bound.to)
        }
    }
}

fn take_chunk(
    entries: impl Iterator<Item = (RecordId, Location)>,
    count: usize,
) -> Vec<(RecordId, Location)> {
    let mut bytes = 0_u32;
    let within = entries.take(count).take_while(|(_, location)| {
        let room = bytes < CHUNK_BYTES;
        bytes = bytes.saturating_add(location.length);
        room
    });
    within.collect()
}

/// Returns how many of the first entries are close to each other on disk.
fn run_length(entries: &[(RecordId, Location)]) -> usize {
    let Some((_, first)) = entries.first() else {
        return 0;
    };
    let near = entries.windows(2).take_while(|pair| {
        let (before, after) = (pair[0].1, pair[1].1);
        after.segment == before.segment
            && after.offset >= before.end()
            && after.offset - before.end() <= GAP_BYTES
            && after.end() - first.offset <= 2 * CHUNK_BYTES
    });
    1 + near.count()
}
