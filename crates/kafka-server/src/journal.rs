//! An append-only file of changes, rewritten when most of it is outdated.
//!
//! ```text
//!  length u32 ─ checksum u32 (CRC-32C of the entry) ─ entry (JSON) ─ length …
//! ```
//!
//! Reading stops at an incomplete entry, which was never acknowledged.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

const FRAME_BYTES: usize = 8;

/// The journal is rewritten when it has grown by this factor since the last rewrite,
const REWRITE_GROWTH: u64 = 4;

/// but not below this size.
const REWRITE_FROM_BYTES: u64 = 4 * 1024 * 1024;

/// The journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to read `{path}`")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to write `{path}`")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

#[derive(Debug)]
pub struct Journal<E> {
    path: PathBuf,
    file: File,
    bytes: u64,
    rewrite_at: u64,
    entries: PhantomData<fn(E)>,
}

impl<E: Serialize + DeserializeOwned> Journal<E> {
    /// Opens a journal, and passes its entries to `replayed` in order.
    pub fn open(path: PathBuf, replayed: impl FnMut(E)) -> Result<Self, Error> {
        let read = |source| Error::Read {
            path: path.clone(),
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(read)?;
        let length = file.metadata().map_err(read)?.len();
        let bytes = replay(&file, length, replayed).map_err(read)?;
        if bytes < length {
            warn!(path = %path.display(), bytes = length - bytes, "truncated a journal with a torn tail");
            file.set_len(bytes).map_err(read)?;
        }
        Ok(Self {
            path,
            file,
            bytes,
            rewrite_at: bytes.saturating_mul(REWRITE_GROWTH).max(REWRITE_FROM_BYTES),
            entries: PhantomData,
        })
    }

    #[cfg(test)]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends entries in one write.
    pub fn append(&mut self, entries: &[E]) -> Result<(), Error> {
        let mut bytes = Vec::new();
        for entry in entries {
            frame(entry, &mut bytes).map_err(|source| self.write_error(source))?;
        }
        if let Err(source) = (&self.file).write_all(&bytes) {
            let cut = self.file.set_len(self.bytes);
            cut.map_err(|source| self.write_error(source))?;
            return Err(self.write_error(source));
        }
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Whether most of the journal is probably outdated.
    pub fn is_rewrite_due(&self) -> bool {
        self.bytes >= self.rewrite_at
    }

    /// Replaces the journal by one with only the given entries.
    pub fn rewrite(&mut self, entries: impl Iterator<Item = E>) -> Result<(), Error> {
        let fresh = self.path.with_extension("new");
        let written = write_fresh(&fresh, entries).and_then(|written| {
            fs::rename(&fresh, &self.path)?;
            Ok(written)
        });
        let (file, bytes) = written.map_err(|source| self.write_error(source))?;
        self.file = file;
        self.bytes = bytes;
        self.rewrite_at = bytes.saturating_mul(REWRITE_GROWTH).max(REWRITE_FROM_BYTES);
        Ok(())
    }

    fn write_error(&self, source: io::Error) -> Error {
        Error::Write {
            path: self.path.clone(),
            source,
        }
    }
}

fn write_fresh(
    path: &Path,
    entries: impl Iterator<Item = impl Serialize>,
) -> io::Result<(File, u64)> {
    let _absent = fs::remove_file(path);
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create_new(true)
        .open(path)?;
    let mut bytes = Vec::new();
    for entry in entries {
        frame(&entry, &mut bytes)?;
    }
    file.write_all(&bytes)?;
    file.sync_data()?;
    Ok((file, bytes.len() as u64))
}

fn frame(entry: &impl Serialize, bytes: &mut Vec<u8>) -> io::Result<()> {
    let json = serde_json::to_vec(entry)?;
    let length = u32::try_from(json.len()).map_err(io::Error::other)?;
    bytes.extend(length.to_be_bytes());
    bytes.extend(crc32c::crc32c(&json).to_be_bytes());
    bytes.extend(json);
    Ok(())
}

/// Reads entries up to the last complete one; returns the position after it.
fn replay<E: DeserializeOwned>(
    file: &File,
    length: u64,
    mut replayed: impl FnMut(E),
) -> io::Result<u64> {
    let mut reader = BufReader::new(file);
    let mut position = 0;
    while let Some((entry, size)) = next_entry(&mut reader, length - position)? {
        replayed(entry);
        position += size;
    }
    Ok(position)
}

/// Returns an entry and its size; `None` if the next `left` bytes hold no complete entry.
fn next_entry<E: DeserializeOwned>(
    reader: &mut impl Read,
    left: u64,
) -> io::Result<Option<(E, u64)>> {
    if left < FRAME_BYTES as u64 {
        return Ok(None);
    }
    let mut field = [0; 4];
    reader.read_exact(&mut field)?;
    let length = u32::from_be_bytes(field);
    reader.read_exact(&mut field)?;
    let checksum = u32::from_be_bytes(field);
    let size = u64::from(length) + FRAME_BYTES as u64;
    if size > left {
        return Ok(None);
    }
    let mut json = Vec::new();
    reader.take(u64::from(length)).read_to_end(&mut json)?;
    if crc32c::crc32c(&json) != checksum {
        return Ok(None);
    }
    let entry = serde_json::from_slice(&json).ok();
    Ok(entry.map(|entry| (entry, size)))
}
