//! One append-only file of a partition's log, named after its first offset.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::batch::{self, HEADER_BYTES, Header};
use crate::log::error::Error;
use crate::log::history::History;
use crate::log::index::{Entry, Index};

/// A segment file, with offsets, timestamps and index of its batches.
#[derive(Debug)]
pub struct Segment {
    base_offset: i64,
    next_offset: i64,
    max_timestamp: i64,
    bytes: u64,
    index: Index,
    file: Arc<File>,
    path: PathBuf,
}

/// Consecutive batches in a segment file, to be read without locking the log.
#[derive(Debug, Clone)]
pub struct Slice {
    file: Arc<File>,
    position: u64,
    /// Total size of the batches.
    pub bytes: usize,
    /// All records of the batches are before this offset.
    pub end_offset: i64,
}

/// Which batches a slice may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub max_bytes: usize,
    /// Whether the first batch is returned whatever its size.
    pub first_regardless: bool,
    /// Only batches before this offset, which is that of a batch or the end of the log.
    pub before: i64,
}

impl Segment {
    pub fn create(directory: &Path, base_offset: i64) -> Result<Self, Error> {
        let path = directory.join(format!("{base_offset:020}.log"));
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(|source| Error::open(&path, source))?;
        Ok(Self::empty(base_offset, file, path))
    }

    /// Opens an existing segment up to its last valid batch; also returns the number of bytes after
    /// that batch.
    ///
    /// Of batches before `synced_offset` only the headers are read; later batches may be torn, so
    /// their checksums are computed.
    pub fn open(
        path: PathBuf,
        base_offset: i64,
        synced_offset: i64,
        history: &mut History,
    ) -> Result<(Self, u64), Error> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .open(&path)
            .map_err(|source| Error::open(&path, source))?;
        let length = file
            .metadata()
            .map_err(|source| Error::open(&path, source))?
            .len();
        let mut segment = Self::empty(base_offset, file, path);
        let mut body = Vec::new();
        while let Some(header) = segment.next_valid_batch(length, synced_offset, &mut body)? {
            if header.control() {
                let bytes = segment.read_batch(segment.bytes, &header)?;
                history.note_control(&header, &bytes, header.base_offset);
            } else {
                history.note(&header, header.base_offset);
            }
            segment.note(&header, header.base_offset);
        }
        let torn = length - segment.bytes;
        Ok((segment, torn))
    }

    fn empty(base_offset: i64, file: File, path: PathBuf) -> Self {
        Self {
            base_offset,
            next_offset: base_offset,
            max_timestamp: i64::MIN,
            bytes: 0,
            index: Index::default(),
            file: Arc::new(file),
            path,
        }
    }

    /// Returns the offset of the first record.
    pub fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// Returns the offset after the last record.
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Returns the highest timestamp in milliseconds since 1970; `i64::MIN` if the segment is
    /// empty.
    pub fn max_timestamp(&self) -> i64 {
        self.max_timestamp
    }

    /// Returns the total size of the batches.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the file, to be synced without locking the log.
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one batch, which gets the next offsets.
    ///
    /// A partial write is undone, so that the file ends with a whole batch.
    pub fn append(&mut self, header: &Header, bytes: &[u8], epoch: i32) -> Result<i64, Error> {
        let base_offset = self.next_offset;
        let head = header.encode(base_offset, epoch);
        let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
        if let Err(source) = write_all(&self.file, &head, body) {
            self.truncate_file(self.bytes)?;
            return Err(Error::write(&self.path, source));
        }
        self.note(header, base_offset);
        Ok(base_offset)
    }

    /// Returns whole batches, starting with the one that holds `offset`, which is within the bounds.
    pub fn slice(&self, offset: i64, bounds: Bounds) -> Result<Slice, Error> {
        let (position, first) = self.locate(offset)?;
        let last = if bounds.before >= self.next_offset {
            self.bytes
        } else {
            self.locate(bounds.before)?.0
        };
        let limit = position.saturating_add(bounds.max_bytes as u64).min(last);
        let end = if limit >= self.bytes {
            self.bytes
        } else if first.total_bytes > bounds.max_bytes {
            position
                + if bounds.first_regardless {
                    first.total_bytes as u64
                } else {
                    0
                }
        } else {
            let known = self.index.at_or_before_position(limit);
            let known = known.map_or(position, |entry| entry.position.max(position));
            self.last_end_within(known, limit)?
        };
        let bytes = usize::try_from(end - position).unwrap_or(usize::MAX);
        Ok(Slice {
            file: Arc::clone(&self.file),
            position,
            bytes,
            end_offset: self
                .index
                .offset_from_position(end)
                .unwrap_or(self.next_offset),
        })
    }

    /// Returns position and header of the batch that holds an offset.
    pub fn locate(&self, offset: i64) -> Result<(u64, Header), Error> {
        let from = self.index.at_or_before_offset(offset);
        self.walk(from, |header| header.next_offset() > offset)?
            .ok_or_else(|| Error::corrupt(&self.path, self.bytes))
    }

    /// Returns position and header of the first batch with a timestamp at or after the given one.
    pub fn locate_timestamp(&self, timestamp: i64) -> Result<Option<(u64, Header)>, Error> {
        let from = self.index.before_timestamp(timestamp);
        self.walk(from, |header| header.max_timestamp >= timestamp)
    }

    pub fn read_batch(&self, position: u64, header: &Header) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; header.total_bytes];
        self.file
            .read_exact_at(&mut bytes, position)
            .map_err(|source| Error::read(&self.path, source))?;
        Ok(bytes)
    }

    /// Truncates the segment before the batch that holds `offset`.
    pub fn truncate(&mut self, offset: i64) -> Result<(), Error> {
        if offset >= self.next_offset {
            return Ok(());
        }
        let (position, header) = self.locate(offset)?;
        self.truncate_file(position)?;
        self.index.truncate(position);
        self.bytes = position;
        self.next_offset = header.base_offset;
        Ok(())
    }

    /// Removes the bytes after the last valid batch.
    pub fn truncate_torn(&mut self) -> Result<(), Error> {
        self.truncate_file(self.bytes)
    }

    fn truncate_file(&self, bytes: u64) -> Result<(), Error> {
        self.file
            .set_len(bytes)
            .map_err(|source| Error::truncate(&self.path, source))
    }

    fn note(&mut self, header: &Header, base_offset: i64) {
        self.index.note(Entry {
            offset: base_offset,
            position: self.bytes,
            max_timestamp_before: self.max_timestamp,
        });
        self.bytes += header.total_bytes as u64;
        self.next_offset = base_offset
            .saturating_add(i64::from(header.last_offset_delta))
            .saturating_add(1);
        self.max_timestamp = self.max_timestamp.max(header.max_timestamp);
    }

    /// Reads headers from an entry on until one matches.
    fn walk(
        &self,
        from: Option<Entry>,
        wanted: impl Fn(&Header) -> bool,
    ) -> Result<Option<(u64, Header)>, Error> {
        let mut position = from.map_or(0, |entry| entry.position);
        while position < self.bytes {
            let header = self.header_at(position)?;
            if wanted(&header) {
                return Ok(Some((position, header)));
            }
            position += header.total_bytes as u64;
        }
        Ok(None)
    }

    fn last_end_within(&self, mut position: u64, limit: u64) -> Result<u64, Error> {
        loop {
            let next = position + self.header_at(position)?.total_bytes as u64;
            if next > limit {
                return Ok(position);
            }
            position = next;
        }
    }

    fn header_at(&self, position: u64) -> Result<Header, Error> {
        let mut bytes = [0; HEADER_BYTES];
        self.file
            .read_exact_at(&mut bytes, position)
            .map_err(|source| Error::read(&self.path, source))?;
        Header::parse(&bytes).map_err(|_| Error::corrupt(&self.path, position))
    }

    /// Returns the header of the next batch; `None` if the file ends or the batch is not valid.
    fn next_valid_batch(
        &self,
        length: u64,
        synced_offset: i64,
        body: &mut Vec<u8>,
    ) -> Result<Option<Header>, Error> {
        let left = length - self.bytes;
        if left < HEADER_BYTES as u64 {
            return Ok(None);
        }
        let Ok(header) = self.header_at(self.bytes) else {
            return Ok(None);
        };
        let in_order = header.base_offset >= self.next_offset && header.last_offset_delta >= 0;
        if !in_order || header.total_bytes as u64 > left {
            return Ok(None);
        }
        if header.next_offset() > synced_offset {
            body.resize(header.total_bytes, 0);
            self.file
                .read_exact_at(body, self.bytes)
                .map_err(|source| Error::read(&self.path, source))?;
            if batch::check(body).is_err() {
                return Ok(None);
            }
        }
        Ok(Some(header))
    }
}

impl Slice {
    /// Reads the batches into a buffer of the same size.
    pub fn read(&self, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(into, self.position)
    }
}

fn write_all(mut file: &File, head: &[u8], body: &[u8]) -> io::Result<()> {
    let mut slices = [IoSlice::new(head), IoSlice::new(body)];
    let mut slices = &mut slices[..];
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
