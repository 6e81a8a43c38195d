//! One file of the log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use convoy_server_kit::disk::{self, FileHeader, Format, Unreadable};

use crate::engine::error::Error;

/// The format of segments.
pub const FORMAT: Format = Format {
    magic: *b"CONVOYS",
    version: b'2',
    earlier: &[b"CONVOYS1"],
};

/// Bytes before the first record.
pub const PREFIX_BYTES: usize = disk::FILE_HEADER_BYTES;

/// The location of a document. A length of zero means that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Location {
    pub segment: u32,
    /// Offset in the segment.
    pub offset: u32,
    /// Bytes of the document.
    pub length: u32,
}

impl Location {
    /// Returns the offset after the document.
    pub fn end(self) -> u32 {
        self.offset.saturating_add(self.length)
    }
}

/// A file of the log, open for reading at any position and for writing at its end.
#[derive(Debug)]
pub struct Segment {
    number: u32,
    salt: u32,
    path: PathBuf,
    file: File,
    /// Bytes of documents in use, which decides whether the rest is worth reclaiming.
    live: AtomicU64,
    /// Bytes of records of deletions.
    tombstones: AtomicU64,
}

/// All segments by number. The set is replaced when a segment is added or removed, so that a scan
/// with the old set can still read its documents.
pub type Segments = BTreeMap<u32, Arc<Segment>>;

impl Segment {
    /// Creates an empty segment and syncs it to disk.
    pub fn create(directory: &Path, number: u32) -> Result<Self, Error> {
        let path = segment_path(directory, number);
        let header = FileHeader::new(number);
        let written = || {
            let mut file = disk::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path)?;
            file.write_all(&header.bytes(&FORMAT))?;
            file.sync_all()?;
            // The name of a new file is durable after its directory was synced.
            File::open(directory)?.sync_all()?;
            Ok(file)
        };
        match written() {
            Ok(file) => Ok(Self::new(header, path, file)),
            Err(source) => Err(Error::Write { path, source }),
        }
    }

    /// Opens a segment; `None` if its first bytes were not written.
    pub fn open(directory: &Path, number: u32) -> Result<Option<Self>, Error> {
        let path = segment_path(directory, number);
        let read_error = |source| disk::Error::read(&path, source);
        let mut options = disk::options();
        let file = options.read(true).write(true).open(&path);
        let file = file.map_err(read_error)?;
        let length = file.metadata().map_err(read_error)?.len();
        let mut bytes = [0; PREFIX_BYTES];
        if length >= PREFIX_BYTES as u64 {
            file.read_exact_at(&mut bytes, 0).map_err(read_error)?;
        }
        if bytes == [0; PREFIX_BYTES] {
            return Ok(None);
        }
        match FileHeader::read(&bytes, &FORMAT) {
            Ok(header) if header.number == number => Ok(Some(Self::new(header, path, file))),
            read => {
                let why = read.err().unwrap_or(Unreadable::Damaged);
                let lost = "the documents in it would be lost, unless it is repaired".to_owned();
                Err(disk::Error::unreadable(&path, why, FORMAT.version, lost).into())
            }
        }
    }

    fn new(header: FileHeader, path: PathBuf, file: File) -> Self {
        Self {
            number: header.number,
            salt: header.salt,
            path,
            file,
            live: AtomicU64::new(0),
            tombstones: AtomicU64::new(0),
        }
    }

    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns the start value of checksums, so that a document cannot contain a valid record.
    pub fn salt(&self) -> u32 {
        self.salt
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// Writes all parts at the file's position.
    pub fn write_all(&self, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        while parts.iter().any(|part| !part.is_empty()) {
            match (&self.file).write_vectored(parts) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut parts, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until everything that was written is on disk.
    pub fn sync(&self) -> Result<(), Error> {
        self.file
            .sync_data()
            .map_err(|source| self.write_error(source))
    }

    /// Reads `length` bytes at `offset`.
    pub fn read(&self, offset: u32, length: usize) -> Result<Bytes, Error> {
        let mut bytes = BytesMut::zeroed(length);
        self.file
            .read_exact_at(&mut bytes, u64::from(offset))
            .map_err(|source| Error::Read {
                path: self.path.clone(),
                source,
            })?;
        Ok(bytes.freeze())
    }

    /// Wraps an error of writing.
    pub fn write_error(&self, source: io::Error) -> Error {
        Error::Write {
            path: self.path.clone(),
            source,
        }
    }

    pub fn live(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }

    /// Returns the bytes of records of deletions.
    pub fn tombstones(&self) -> u64 {
        self.tombstones.load(Ordering::Relaxed)
    }

    /// Counts bytes of a record of deletions.
    pub fn add_tombstone(&self, bytes: u64) {
        self.tombstones.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn size(&self) -> Result<u64, Error> {
        let metadata = self.file.metadata().map_err(|source| Error::Read {
            path: self.path.clone(),
            source,
        })?;
        Ok(metadata.len())
    }

    /// Counts bytes as used.
    pub fn retain(&self, bytes: u64) {
        self.live.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes as unused.
    pub fn release(&self, bytes: u64) {
        let result = self
            .live
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |live| {
                Some(live.saturating_sub(bytes))
            });
        debug_assert!(result.is_ok(), "the closure always returns a value");
    }
}

/// Returns the path of a segment's file.
pub fn segment_path(directory: &Path, number: u32) -> PathBuf {
    directory.join(segment_name(number))
}

/// Returns the name of a segment's file.
pub fn segment_name(number: u32) -> String {
    format!("{number:08}.log")
}

/// Returns the number of a segment's file; `None` if the file is none.
pub fn segment_number(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(".log")?.parse().ok()
}
