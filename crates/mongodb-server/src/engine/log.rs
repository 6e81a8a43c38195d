//! The log: records appended to the last segment, made durable for many writers at once.

use std::io::{IoSlice, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};

use convoy_server_kit::disk::FileList;
use tokio::sync::Notify;

use crate::bson::Doc;
use crate::engine::error::Error;
use crate::engine::locks::{lock, read, write};
use crate::engine::namespace::Namespace;
use crate::engine::observed::Observed;
use crate::engine::position::Position;
use crate::engine::record::{self, Header, RecordKind};
use crate::engine::recovery::Recovered;
use crate::engine::segment::{Location, PREFIX_BYTES, Segment, Segments, segment_name};

/// Bytes after which a new segment begins: small enough to reclaim, large enough to keep the number
/// of open files low.
pub const SEGMENT_BYTES: u32 = 256 * 1024 * 1024;

/// The place of an appended record.
#[derive(Debug, Clone, Copy)]
pub struct Appended {
    pub segment: u32,
    /// Offset of the body in the segment.
    pub body: u32,
    /// The log's end after the record, and those appended with it.
    pub position: Position,
}

impl Appended {
    /// Returns the location of a document in the record's body.
    pub fn locate(&self, offset: usize, length: usize) -> Location {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Location {
            segment: self.segment,
            offset: self.body.saturating_add(narrow(offset)),
            length: narrow(length),
        }
    }
}

/// A record to append; its body comes in parts.
#[derive(Debug, Clone, Copy)]
pub struct Record<'p> {
    pub kind: RecordKind,
    pub parts: &'p [IoSlice<'p>],
}

impl Record<'_> {
    /// Returns the bytes of the record, its header included.
    fn bytes(&self) -> u32 {
        let body = self.parts.iter().map(|part| part.len()).sum::<usize>();
        record_offset(body.saturating_add(record::HEADER_BYTES))
    }
}

#[derive(Debug)]
pub struct Log {
    directory: PathBuf,
    files: FileList,
    segment_bytes: u32,
    segments: RwLock<Arc<Segments>>,
    writer: Mutex<Writer>,
    durable: Mutex<Durable>,
    synced: Condvar,
    /// Notified when documents were added that a cursor may wait for.
    changes: Notify,
    /// Learns when documents are durable.
    observed: Option<Observed>,
}

#[derive(Debug)]
struct Writer {
    segment: Arc<Segment>,
    /// Length of the last segment in bytes.
    length: u32,
    /// The part of it that is known to be on disk.
    durable: u32,
    /// Number of appended bytes.
    position: Position,
    /// Number of appended records.
    records: u64,
    /// Number of records that are known to be on disk.
    durable_records: u64,
    state: State,
}

/// Whether the log takes writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Closed in order.
    Closed,
    /// Closed, and what was not on disk was dropped.
    Dropped,
    /// It is unknown what the file holds.
    Failed,
}

impl State {
    fn check(self) -> Result<(), Error> {
        match self {
            Self::Open => Ok(()),
            Self::Closed | Self::Dropped => Err(Error::Closed),
            Self::Failed => Err(Error::Failed),
        }
    }
}

#[derive(Debug, Default)]
struct Durable {
    position: Position,
    syncing: bool,
    failed: bool,
}

impl Log {
    /// Continues after recovered segments; the last one ends at `length`.
    pub fn resume(
        directory: &Path,
        segment_bytes: u32,
        recovered: Recovered,
        files: FileList,
    ) -> Result<Self, Error> {
        let (mut segments, length) = (recovered.segments, recovered.length);
        let (segment, length) = if let Some((_, last)) = segments.last_key_value() {
            let last = Arc::clone(last);
            last.sync()?;
            seek(&last, length)?;
            (last, length)
        } else {
            let segment = create(directory, 1, &files)?;
            (segment, record_offset(PREFIX_BYTES))
        };
        let started = files.start();
        started.map_err(|source| segment.write_error(source))?;
        segments.insert(segment.number(), Arc::clone(&segment));
        Ok(Self {
            directory: directory.to_owned(),
            files,
            segment_bytes,
            segments: RwLock::new(Arc::new(segments)),
            writer: Mutex::new(Writer {
                segment,
                length,
                durable: length,
                position: Position::default(),
                records: 0,
                durable_records: 0,
                state: State::Open,
            }),
            durable: Mutex::default(),
            synced: Condvar::new(),
            changes: Notify::new(),
            observed: None,
        })
    }

    /// Sets what learns when documents are durable.
    pub fn observe(&mut self, observed: Option<Observed>) {
        self.observed = observed;
    }

    /// Shows documents of a record to the observer, if there is one.
    pub fn written(&self, namespace: &Namespace, batch: &[Doc<'_>], position: Position) {
        let Some(observed) = &self.observed else {
            return;
        };
        if observed.written(namespace, batch, position) {
            // Another writer may have synced the record already.
            let durable = lock(&self.durable).position;
            if durable >= position {
                observed.durable(durable);
            }
        }
    }

    pub fn segments(&self) -> Arc<Segments> {
        Arc::clone(&read(&self.segments))
    }

    /// Appends a record whose body comes in parts. It survives the end of the process; it survives
    /// the end of the machine after [`Self::sync`].
    pub fn append(&self, kind: RecordKind, parts: &[IoSlice<'_>]) -> Result<Appended, Error> {
        let [appended] = self.append_together([Record { kind, parts }])?;
        Ok(appended)
    }

    /// Appends records by one write, next to each other in one segment.
    pub fn append_together<const N: usize>(
        &self,
        records: [Record<'_>; N],
    ) -> Result<[Appended; N], Error> {
        let mut writer = lock(&self.writer);
        writer.state.check()?;
        let sizes = records.each_ref().map(Record::bytes);
        let bytes = sizes.iter().copied().fold(0, u32::saturating_add);
        let end = writer.length.saturating_add(bytes);
        if end > self.segment_bytes && writer.length > record_offset(PREFIX_BYTES) {
            self.rotate(&mut writer)?;
        }
        let headers = records.each_ref().map(|record| {
            let header = Header::new(record.kind, record.parts);
            header.bytes(writer.segment.salt())
        });
        let count = records.iter().map(|record| record.parts.len() + 1).sum();
        let mut slices = Vec::with_capacity(count);
        for (header, record) in headers.iter().zip(&records) {
            slices.push(IoSlice::new(header));
            slices.extend(record.parts.iter().map(|part| IoSlice::new(part)));
        }
        if let Err(source) = writer.segment.write_all(&mut slices) {
            // If a partial record cannot be removed, no further write is possible.
            if cut(&writer.segment, writer.length).is_err() {
                writer.state = State::Failed;
            }
            return Err(writer.segment.write_error(source));
        }
        let end = Position(writer.position.0 + u64::from(bytes));
        let mut offset = writer.length;
        let appended = sizes.map(|size| {
            let body = offset + record_offset(record::HEADER_BYTES);
            offset += size;
            Appended {
                segment: writer.segment.number(),
                body,
                position: end,
            }
        });
        for (record, size) in records.iter().zip(sizes) {
            if matches!(record.kind, RecordKind::Delete | RecordKind::Drop) {
                writer.segment.add_tombstone(u64::from(size));
            }
        }
        writer.length += bytes;
        writer.position = end;
        writer.records += records.len() as u64;
        Ok(appended)
    }

    /// Returns what wakes those who wait for changes.
    pub fn changes(&self) -> &Notify {
        &self.changes
    }

    /// Waits until the log is synced up to `position`. Callers that wait at the same time share one
    /// sync.
    pub fn sync(&self, position: Position) -> Result<(), Error> {
        let mut durable = lock(&self.durable);
        loop {
            if durable.failed {
                return Err(Error::Failed);
            }
            if durable.position >= position {
                return Ok(());
            }
            if !durable.syncing {
                break;
            }
            durable = self
                .synced
                .wait(durable)
                .unwrap_or_else(PoisonError::into_inner);
        }
        durable.syncing = true;
        drop(durable);

        let flushed = self.flush();

        let mut durable = lock(&self.durable);
        durable.syncing = false;
        match flushed {
            Ok(position) => durable.position = durable.position.max(position),
            // After a failed sync the kernel may have dropped the pages: a retry would report
            // success for lost bytes.
            Err(_) => durable.failed = true,
        }
        let position = durable.position;
        drop(durable);
        if let (Some(observed), Ok(_)) = (&self.observed, &flushed) {
            observed.durable(position);
        }
        self.synced.notify_all();
        flushed.map(|_position| ())
    }

    pub fn position(&self) -> Position {
        lock(&self.writer).position
    }

    /// Syncs everything that was appended until now.
    pub fn sync_all(&self) -> Result<(), Error> {
        self.sync(self.position())
    }

    /// Returns the number of the segment that is written to.
    pub fn head(&self) -> u32 {
        lock(&self.writer).segment.number()
    }

    /// Counts a document as unused.
    pub fn release(&self, location: Location) {
        if let Some(segment) = read(&self.segments).get(&location.segment) {
            segment.release(u64::from(location.length));
        }
    }

    /// Counts a document as used.
    pub fn retain(&self, location: Location) {
        if let Some(segment) = read(&self.segments).get(&location.segment) {
            segment.retain(u64::from(location.length));
        }
    }

    /// Removes a segment without documents in use.
    pub fn remove(&self, number: u32) -> Result<(), Error> {
        let mut segments = write(&self.segments);
        let mut fewer = Segments::clone(&segments);
        let Some(removed) = fewer.remove(&number) else {
            return Ok(());
        };
        *segments = Arc::new(fewer);
        drop(segments);
        let taken_off = self.files.remove(&segment_name(number));
        taken_off.map_err(|source| removed.write_error(source))?;
        std::fs::remove_file(removed.path()).map_err(|source| removed.write_error(source))
    }

    /// Syncs everything to disk and notes how long the files are; takes no more writes.
    pub fn close(&self) -> Result<(), Error> {
        let mut writer = lock(&self.writer);
        let open = writer.state == State::Open;
        if open {
            writer.state = State::Closed;
        }
        drop(writer);
        self.sync_all()?;
        if !open {
            return Ok(());
        }
        let mut lengths = Vec::new();
        for (number, segment) in self.segments().iter() {
            lengths.push((segment_name(*number), segment.size()?));
        }
        let stopped = self.files.stop(&lengths);
        stopped.map_err(|source| self.directory_error(source))
    }

    /// Cuts off what is not known to be on disk, and takes no more writes; returns the number of
    /// records that were cut off.
    pub fn drop_unsynced(&self) -> Result<u64, Error> {
        let mut writer = lock(&self.writer);
        writer.state = State::Dropped;
        let durable = u64::from(writer.durable);
        let cut = writer.segment.file().set_len(durable);
        cut.map_err(|source| writer.segment.write_error(source))?;
        Ok(writer.records - writer.durable_records)
    }

    /// Returns the error of a directory that cannot be used.
    pub fn directory_error(&self, source: std::io::Error) -> Error {
        Error::Directory {
            path: self.directory.clone(),
            source,
        }
    }

    fn flush(&self) -> Result<Position, Error> {
        let (segment, length, position, records) = {
            let writer = lock(&self.writer);
            let segment = Arc::clone(&writer.segment);
            (segment, writer.length, writer.position, writer.records)
        };
        segment.sync()?;
        let mut writer = lock(&self.writer);
        if writer.state == State::Dropped {
            return Err(Error::Closed);
        }
        if writer.segment.number() == segment.number() {
            writer.durable = writer.durable.max(length);
        }
        writer.durable_records = writer.durable_records.max(records);
        Ok(position)
    }

    /// Begins a new segment. The old one is synced first, so that only the last can be torn.
    fn rotate(&self, writer: &mut Writer) -> Result<(), Error> {
        if let Err(error) = writer.segment.sync() {
            writer.state = State::Failed;
            return Err(error);
        }
        let number = writer.segment.number() + 1;
        let segment = create(&self.directory, number, &self.files)?;
        let mut segments = write(&self.segments);
        let mut more = Segments::clone(&segments);
        more.insert(number, Arc::clone(&segment));
        *segments = Arc::new(more);
        drop(segments);
        writer.segment = segment;
        writer.length = record_offset(PREFIX_BYTES);
        writer.durable = writer.length;
        writer.durable_records = writer.records;
        Ok(())
    }
}

fn create(directory: &Path, number: u32, files: &FileList) -> Result<Arc<Segment>, Error> {
    let segment = Segment::create(directory, number)?;
    let added = files.add(&[segment_name(number)]);
    added.map_err(|source| segment.write_error(source))?;
    Ok(Arc::new(segment))
}

/// Removes everything after `offset`, and continues there.
fn cut(segment: &Segment, offset: u32) -> Result<(), Error> {
    let cut = segment.file().set_len(u64::from(offset));
    cut.map_err(|source| segment.write_error(source))?;
    seek(segment, offset)
}

fn seek(segment: &Segment, offset: u32) -> Result<(), Error> {
    segment
        .file()
        .seek(SeekFrom::Start(u64::from(offset)))
        .map_err(|source| segment.write_error(source))?;
    Ok(())
}

/// Returns a size as an offset; records and segments are far below the limit.
fn record_offset(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
