//! The log of one partition: its segments in order, its start and its synced offset.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use kafka_protocol::error::ResponseError;

use crate::batch::{HEADER_BYTES, Header};
use crate::config::Retention;
use crate::files;
use crate::log::checkpoint::Checkpoint;
use crate::log::error::Error;
use crate::log::history::History;
use crate::log::marker::Marker;
use crate::log::recovery::{recover, remove};
use crate::log::segment::{Bounds, Segment, Slice};
use crate::records;

/// The leader epoch of every partition: there is one broker, and it never gives up leadership.
pub const LEADER_EPOCH: i32 = 0;

/// Checks the current epoch as far as a client knows; -1 if unknown.
pub fn check_epoch(known: i32) -> Result<(), ResponseError> {
    if known > LEADER_EPOCH {
        Err(ResponseError::UnknownLeaderEpoch)
    } else {
        Ok(())
    }
}

/// The log of one partition.
#[derive(Debug)]
pub struct Log {
    directory: PathBuf,
    /// In order of offset, never empty; the last one is appended to.
    segments: Vec<Segment>,
    start_offset: i64,
    synced_offset: i64,
    segment_bytes: u64,
    history: History,
    /// Whether segments were created since the directory was synced.
    new_files: bool,
    /// Whether a failed write could not be undone: the end of the file is unknown until the next
    /// start.
    failed: bool,
}

/// Files to sync; afterwards call [`Log::mark_synced`].
#[derive(Debug)]
pub struct Unsynced {
    files: Vec<Arc<File>>,
    /// Set if the directory has new files since its last sync.
    directory: Option<PathBuf>,
    /// Records before this offset are durable after the sync.
    pub offset: i64,
}

impl Unsynced {
    /// Syncs the files, which may take long; the log does not have to be locked.
    pub fn sync(&self) -> Result<(), Error> {
        let files = self.files.iter().try_for_each(|file| file.sync_data());
        let directory = || match &self.directory {
            Some(directory) => files::sync_directory(directory),
            None => Ok(()),
        };
        files
            .and_then(|()| directory())
            .map_err(|source| Error::Sync { source })
    }
}

/// Offset and timestamp of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timed {
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
}

impl Log {
    /// Opens the log in a directory; creates both if they do not exist.
    pub fn open(directory: PathBuf, segment_bytes: u64) -> Result<Self, Error> {
        fs::create_dir_all(&directory).map_err(|source| Error::open(&directory, source))?;
        let checkpoint = Checkpoint::load(&directory)?;
        let mut history = History::default();
        let mut segments = recover(&directory, checkpoint.synced_offset, &mut history)?;
        if segments.is_empty() {
            segments.push(Segment::create(&directory, checkpoint.start_offset)?);
        }
        let mut log = Self {
            directory,
            segments,
            start_offset: 0,
            synced_offset: 0,
            segment_bytes,
            history,
            new_files: true,
            failed: false,
        };
        let first = log.segments.first().map_or(0, Segment::base_offset);
        log.start_offset = checkpoint.start_offset.clamp(first, log.next_offset());
        log.synced_offset = checkpoint.synced_offset.min(log.next_offset());
        let start_offset = log.start_offset;
        log.history.transactions.forget_before(start_offset);
        Ok(log)
    }

    /// Returns the offset of the first record that can be read.
    pub fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// Returns the offset of the next record: the high watermark, because there are no replicas.
    pub fn next_offset(&self) -> i64 {
        self.segments.last().map_or(0, Segment::next_offset)
    }

    /// Returns the total size of the segments.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(Segment::bytes).sum()
    }

    /// Sets the size after which the next segment starts.
    pub fn set_segment_bytes(&mut self, segment_bytes: u64) {
        self.segment_bytes = segment_bytes;
    }

    /// Appends one checked batch and returns the offset of its first record.
    ///
    /// A batch that an idempotent producer retries is appended once.
    pub fn append(&mut self, header: &Header, bytes: &[u8]) -> Result<i64, Error> {
        let sequence = self.history.producers.check(header);
        if let Some(base_offset) = sequence.map_err(|source| Error::Sequence { source })? {
            return Ok(base_offset);
        }
        let within = self.history.transactions.check(header);
        within.map_err(|source| Error::Transaction { source })?;
        let base_offset = self.write(header, bytes)?;
        self.history.note(header, base_offset);
        Ok(base_offset)
    }

    /// Ends the transaction of a producer; returns the offset of the marker.
    pub fn append_marker(&mut self, marker: &Marker) -> Result<i64, Error> {
        let (header, bytes) = marker.encode();
        let base_offset = self.write(&header, &bytes)?;
        self.history.note_control(&header, &bytes, base_offset);
        Ok(base_offset)
    }

    /// Returns what the batches tell of their producers.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Permits transactional batches of a producer until its next marker.
    pub fn admit(&mut self, producer_id: i64, epoch: i16) {
        self.history.transactions.admit(producer_id, epoch);
    }

    /// Returns the offset before which every transaction has ended.
    pub fn stable_offset(&self) -> i64 {
        let stable = self.history.transactions.last_stable(self.next_offset());
        stable.max(self.start_offset)
    }

    fn write(&mut self, header: &Header, bytes: &[u8]) -> Result<i64, Error> {
        if self.failed {
            return Err(Error::failed(&self.directory));
        }
        let segment_bytes = self.segment_bytes;
        let active = self.active();
        if active.bytes() > 0 && active.bytes() + bytes.len() as u64 > segment_bytes {
            self.roll()?;
        }
        let appended = self.active().append(header, bytes, LEADER_EPOCH);
        if let Err(Error::Truncate { .. }) = appended {
            self.failed = true;
        }
        appended
    }

    /// Returns whole batches from `offset` on; `None` at the end of the log and of the bounds.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] before the start and after the end of the log.
    pub fn slice(&self, offset: i64, bounds: Bounds) -> Result<Option<Slice>, Error> {
        if offset < self.start_offset || offset > self.next_offset() {
            return Err(Error::OutOfRange {
                offset,
                start: self.start_offset,
                next: self.next_offset(),
            });
        }
        if offset == self.next_offset() || offset >= bounds.before {
            return Ok(None);
        }
        self.segment_of(offset).slice(offset, bounds).map(Some)
    }

    /// Returns the first record at or after a timestamp; the first of its batch if the records
    /// cannot be read.
    pub fn find_timestamp(&self, timestamp: i64) -> Result<Option<Timed>, Error> {
        for segment in &self.segments {
            if segment.max_timestamp() < timestamp || segment.next_offset() <= self.start_offset {
                continue;
            }
            let Some((position, header)) = segment.locate_timestamp(timestamp)? else {
                continue;
            };
            let first = if header.log_append_time() {
                None
            } else {
                let bytes = segment.read_batch(position, &header)?;
                let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
                records::first_at_or_after(&header, body, timestamp).unwrap_or_default()
            };
            let (offset, timestamp) = first.unwrap_or((header.base_offset, header.max_timestamp));
            return Ok(Some(Timed {
                offset: offset.max(self.start_offset),
                timestamp,
            }));
        }
        Ok(None)
    }

    /// Returns the record with the highest timestamp.
    pub fn find_max_timestamp(&self) -> Result<Option<Timed>, Error> {
        let highest = self.segments.iter().map(Segment::max_timestamp).max();
        highest
            .filter(|timestamp| *timestamp > i64::MIN)
            .map_or(Ok(None), |timestamp| self.find_timestamp(timestamp))
    }

    /// Makes `offset` the first that can be read, and removes the segments before it.
    pub fn advance_start(&mut self, offset: i64) -> Result<(), Error> {
        if offset > self.next_offset() {
            return Err(Error::OutOfRange {
                offset,
                start: self.start_offset,
                next: self.next_offset(),
            });
        }
        if offset > self.start_offset {
            self.start_offset = offset;
            self.history.transactions.forget_before(offset);
            self.save_checkpoint()?;
        }
        let keep_from = self.segments[..self.segments.len() - 1]
            .partition_point(|segment| segment.next_offset() <= self.start_offset);
        for segment in self.segments.drain(..keep_from) {
            remove(segment.path())?;
        }
        Ok(())
    }

    /// Removes the oldest segments beyond the retention; `now` is in milliseconds since 1970.
    pub fn apply_retention(&mut self, retention: Retention, now: u64) -> Result<(), Error> {
        let expired = |segment: &Segment| {
            let (Some(kept), Ok(newest)) = (
                retention.milliseconds,
                u64::try_from(segment.max_timestamp()),
            ) else {
                return false;
            };
            newest.saturating_add(kept) < now
        };
        if self.segments.iter().all(expired) && self.active().bytes() > 0 {
            self.roll()?;
        }
        let mut start = self.start_offset;
        let mut kept_bytes = self.bytes();
        for segment in &self.segments[..self.segments.len() - 1] {
            let rest = kept_bytes - segment.bytes();
            let excess = retention.bytes.is_some_and(|limit| rest >= limit);
            if !expired(segment) && !excess {
                break;
            }
            kept_bytes = rest;
            start = start.max(segment.next_offset());
        }
        self.advance_start(start)
    }

    /// Returns the files that are not known to be durable; `None` if all are.
    pub fn unsynced(&self) -> Option<Unsynced> {
        let offset = self.next_offset();
        if offset <= self.synced_offset {
            return None;
        }
        let files = self
            .segments
            .iter()
            .filter(|segment| segment.next_offset() > self.synced_offset)
            .map(Segment::file)
            .collect();
        Some(Unsynced {
            files,
            directory: self.new_files.then(|| self.directory.clone()),
            offset,
        })
    }

    /// Returns the offset before which all records are synced.
    pub fn synced_offset(&self) -> i64 {
        self.synced_offset
    }

    /// Marks all records before `offset` as synced.
    pub fn mark_synced(&mut self, offset: i64) {
        self.synced_offset = self.synced_offset.max(offset.min(self.next_offset()));
        // A segment that was created during the sync starts at or after `offset`.
        self.new_files = self
            .segments
            .iter()
            .any(|segment| segment.base_offset() >= offset);
    }

    /// Stores start and synced offset, so that the next start need not check synced records.
    pub fn save_checkpoint(&self) -> Result<(), Error> {
        Checkpoint {
            start_offset: self.start_offset,
            synced_offset: self.synced_offset,
        }
        .save(&self.directory)
    }

    /// Loses all unsynced records, as a crash of the machine may; returns the number of lost
    /// offsets.
    pub fn drop_unsynced(&mut self) -> Result<u64, Error> {
        let before = self.next_offset();
        self.truncate(self.synced_offset)?;
        Ok((before - self.next_offset()).unsigned_abs())
    }

    /// Truncates the log before the batch that holds `offset`.
    fn truncate(&mut self, offset: i64) -> Result<(), Error> {
        while self.segments.len() > 1 && self.active().base_offset() >= offset {
            remove(self.active().path())?;
            self.segments.pop();
        }
        self.active().truncate(offset)?;
        self.start_offset = self.start_offset.min(self.next_offset());
        Ok(())
    }

    fn roll(&mut self) -> Result<(), Error> {
        let segment = Segment::create(&self.directory, self.next_offset())?;
        self.segments.push(segment);
        self.new_files = true;
        Ok(())
    }

    fn active(&mut self) -> &mut Segment {
        self.segments
            .last_mut()
            .expect("a log has at least one segment")
    }

    fn segment_of(&self, offset: i64) -> &Segment {
        let following = self
            .segments
            .partition_point(|segment| segment.base_offset() <= offset);
        &self.segments[following.saturating_sub(1)]
    }
}
