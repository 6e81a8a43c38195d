//! One append-only file of a partition's log, named after its first offset.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use convoy_server_kit::disk;

use crate::batch::{self, HEADER_BYTES, Header};
use crate::log::epoch::LEADER_EPOCH;
use crate::log::error::Error;
use crate::log::history::History;
use crate::log::index::{Entry, Index};
use crate::open_files::LazyFile;
use crate::storage::Storage;

/// A segment file, with offsets, timestamps and index of its batches.
#[derive(Debug)]
pub struct Segment {
    base_offset: i64,
    next_offset: i64,
    max_timestamp: i64,
    first_timestamp: Option<i64>,
    bytes: u64,
    index: Index,
    file: Arc<LazyFile>,
    /// Batches before this position were not checked when the segment was opened; they are when
    /// they are read.
    unchecked_before: u64,
}

/// Consecutive batches in a segment file, to be read without locking the log.
#[derive(Debug, Clone)]
pub struct Slice {
    file: Arc<LazyFile>,
    position: u64,
    /// Whether the checksums have to be computed.
    unchecked: bool,
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
    pub fn create(directory: &Path, base_offset: i64, storage: &Storage) -> Result<Self, Error> {
        let path = directory.join(format!("{base_offset:020}.log"));
        let mut options = disk::options();
        let created = options.append(true).create_new(true).open(&path);
        created
            .and_then(|_closed| storage.add(&path))
            .map_err(|source| Error::open(&path, source))?;
        Ok(Self::empty(base_offset, storage.lazy_file(path)))
    }

    /// Opens an existing segment up to its last valid batch; also returns the number of bytes after
    /// that batch.
    ///
    /// The checksums of batches before `synced_offset` are computed as far as `storage` has time
    /// for it; later batches may be torn, so theirs are always computed.
    pub fn open(
        path: PathBuf,
        base_offset: i64,
        synced_offset: i64,
        storage: &Storage,
        history: &mut History,
    ) -> Result<(Self, u64), Error> {
        let mut segment = Self::empty(base_offset, storage.lazy_file(path));
        let file = segment.open_file()?;
        let length = file
            .metadata()
            .map_err(|source| Error::open(segment.path(), source))?
            .len();
        let mut body = Vec::new();
        loop {
            let check = |header: &Header| {
                header.next_offset() > synced_offset || storage.may_check(header.total_bytes as u64)
            };
            let next = segment.next_valid_batch(&file, length, check, &mut body)?;
            let Some((header, checked)) = next else {
                break;
            };
            if !checked {
                segment.unchecked_before = segment.bytes + header.total_bytes as u64;
            }
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

    fn empty(base_offset: i64, file: LazyFile) -> Self {
        Self {
            base_offset,
            next_offset: base_offset,
            max_timestamp: i64::MIN,
            first_timestamp: None,
            bytes: 0,
            index: Index::default(),
            file: Arc::new(file),
            unchecked_before: 0,
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

    /// Returns the highest timestamp of the first batch; `None` if the segment is empty.
    pub fn first_timestamp(&self) -> Option<i64> {
        self.first_timestamp
    }

    /// Returns the file, to be synced without locking the log.
    pub fn file(&self) -> Arc<LazyFile> {
        Arc::clone(&self.file)
    }

    /// Notes that the file was renamed.
    pub fn set_file(&mut self, file: LazyFile) {
        self.file = Arc::new(file);
    }

    pub fn path(&self) -> &Path {
        self.file.path()
    }

    fn open_file(&self) -> Result<Arc<File>, Error> {
        let opened = self.file.get();
        opened.map_err(|source| Error::open(self.path(), source))
    }

    /// Appends one batch, which gets the next offsets.
    ///
    /// A partial write is undone, so that the file ends with a whole batch.
    pub fn append(&mut self, header: &Header, bytes: &[u8]) -> Result<i64, Error> {
        let base_offset = self.next_offset;
        let head = header.encode_sealed(base_offset);
        let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
        let file = self.open_file()?;
        if let Err(source) = write_all(&file, &head, body) {
            self.truncate_file(self.bytes)?;
            return Err(Error::write(self.path(), source));
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
            unchecked: position < self.unchecked_before,
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
            .ok_or_else(|| Error::corrupt(self.path(), self.bytes))
    }

    /// Returns position and header of the first batch with a timestamp at or after the given one.
    pub fn locate_timestamp(&self, timestamp: i64) -> Result<Option<(u64, Header)>, Error> {
        let from = self.index.before_timestamp(timestamp);
        self.walk(from, |header| header.max_timestamp >= timestamp)
    }

    pub fn read_batch(&self, position: u64, header: &Header) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; header.total_bytes];
        self.open_file()?
            .read_exact_at(&mut bytes, position)
            .map_err(|source| Error::read(self.path(), source))?;
        batch::unseal(&mut bytes, LEADER_EPOCH, position < self.unchecked_before)
            .map_err(|_damaged| Error::corrupt(self.path(), position))?;
        Ok(bytes)
    }

    /// Truncates the segment before the batch that holds `offset`.
    pub fn truncate(&mut self, offset: i64) -> Result<(), Error> {
        if offset >= self.next_offset {
            return Ok(());
        }
        let (position, header) = self.locate(offset)?;
        self.truncate_file(position)?;
        if position == 0 {
            self.first_timestamp = None;
        }
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
        let cut = self.open_file()?.set_len(bytes);
        cut.map_err(|source| Error::truncate(self.path(), source))
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
        self.first_timestamp.get_or_insert(header.max_timestamp);
    }

    /// Reads headers from an entry on until one matches.
    fn walk(
        &self,
        from: Option<Entry>,
        wanted: impl Fn(&Header) -> bool,
    ) -> Result<Option<(u64, Header)>, Error> {
        let mut position = from.map_or(0, |entry| entry.position);
        let file = self.open_file()?;
        while position < self.bytes {
            let header = self.header_at(&file, position)?;
            if wanted(&header) {
                return Ok(Some((position, header)));
            }
            position += header.total_bytes as u64;
        }
        Ok(None)
    }

    fn last_end_within(&self, mut position: u64, limit: u64) -> Result<u64, Error> {
        let file = self.open_file()?;
        loop {
            let next = position + self.header_at(&file, position)?.total_bytes as u64;
            if next > limit {
                return Ok(position);
            }
            position = next;
        }
    }

    fn header_at(&self, file: &File, position: u64) -> Result<Header, Error> {
        let mut bytes = [0; HEADER_BYTES];
        file.read_exact_at(&mut bytes, position)
            .map_err(|source| Error::read(self.path(), source))?;
        Header::parse_sealed(&bytes).map_err(|_| Error::corrupt(self.path(), position))
    }

    /// Returns the header of the next batch, and whether `check` had its checksum computed; `None`
    /// if the file ends or the batch is not valid.
    fn next_valid_batch(
        &self,
        file: &File,
        length: u64,
        check: impl Fn(&Header) -> bool,
        body: &mut Vec<u8>,
    ) -> Result<Option<(Header, bool)>, Error> {
        let left = length - self.bytes;
        if left < HEADER_BYTES as u64 {
            return Ok(None);
        }
        let Ok(header) = self.header_at(file, self.bytes) else {
            return Ok(None);
        };
        let in_order = header.base_offset >= self.next_offset && header.last_offset_delta >= 0;
        if !in_order || header.total_bytes as u64 > left {
            return Ok(None);
        }
        let checked = check(&header);
        if checked {
            body.resize(header.total_bytes, 0);
            file.read_exact_at(body, self.bytes)
                .map_err(|source| Error::read(self.path(), source))?;
            if batch::unseal(body, LEADER_EPOCH, true).is_err() {
                return Ok(None);
            }
        }
        Ok(Some((header, checked)))
    }
}

impl Slice {
    /// Reads the batches into a buffer of the same size, as clients get them.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] if a batch is not what was written.
    pub fn read(&self, into: &mut [u8]) -> io::Result<()> {
        self.file.get()?.read_exact_at(into, self.position)?;
        batch::unseal(into, LEADER_EPOCH, self.unchecked).map_err(|position| {
            let position = self.position + position as u64;
            let path = self.file.path().display();
            let message = format!("`{path}` is damaged at byte {position}");
            io::Error::new(io::ErrorKind::InvalidData, message)
        })
    }
}

/// Reads the batches of a segment in order.
pub struct Reader<'a> {
    file: &'a LazyFile,
    position: u64,
    end: u64,
}

impl<'a> Reader<'a> {
    /// Starts at the first batch; `bytes` is the size of the segment.
    pub fn new(file: &'a LazyFile, bytes: u64) -> Self {
        Self {
            file,
            position: 0,
            end: bytes,
        }
    }

    /// Returns the next batch with its header.
    pub fn next_batch(&mut self) -> Result<Option<(Header, Vec<u8>)>, Error> {
        if self.position >= self.end {
            return Ok(None);
        }
        let path = self.file.path();
        let read = |source| Error::read(path, source);
        let corrupt = || Error::corrupt(path, self.position);
        let file = self.file.get().map_err(read)?;
        let mut head = [0; HEADER_BYTES];
        file.read_exact_at(&mut head, self.position).map_err(read)?;
        let header = Header::parse_sealed(&head).map_err(|_| corrupt())?;
        if header.total_bytes as u64 > self.end - self.position {
            return Err(corrupt());
        }
        let mut bytes = vec![0; header.total_bytes];
        file.read_exact_at(&mut bytes, self.position)
            .map_err(read)?;
        batch::unseal(&mut bytes, LEADER_EPOCH, true).map_err(|_position| corrupt())?;
        self.position += header.total_bytes as u64;
        Ok(Some((header, bytes)))
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
