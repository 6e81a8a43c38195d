//! Keeps text that can be read only once, so that its rows can be read again.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use tempfile::{SpooledData, SpooledTempFile};

/// Bytes that are kept in memory before there is a temporary file.
const MEMORY: usize = 32 << 20;

/// Maximum size of the temporary file.
const MAX_BYTES: u64 = 64 << 30;

/// Disk space that the temporary file leaves to others.
const RESERVE: u64 = 256 << 20;

/// Bytes between two checks of the free disk space.
const CHECK_EVERY: u64 = 64 << 20;

/// The text could not be kept; inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(super) struct Full {
    reason: String,
}

impl Full {
    fn error(reason: String) -> io::Error {
        io::Error::other(Self { reason })
    }
}

/// Text that is kept while it is read.
pub(super) struct Spool<R> {
    text: R,
    kept: Option<SpooledTempFile>,
    written: u64,
    checked: u64,
}

impl<R: Read> Spool<R> {
    /// Keeps a text if `keep` is set.
    pub(super) fn new(text: R, keep: bool) -> Self {
        Self {
            text,
            kept: keep.then(|| tempfile::spooled_tempfile(MEMORY)),
            written: 0,
            checked: 0,
        }
    }

    /// Returns a file with the whole text; `None` if it was not kept.
    pub(super) fn take_file(&mut self) -> io::Result<Option<File>> {
        let Some(mut kept) = self.kept.take() else {
            return Ok(None);
        };
        kept.roll()?;
        match kept.into_inner() {
            SpooledData::OnDisk(file) => Ok(Some(file)),
            SpooledData::InMemory(_) => Ok(None),
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(kept) = &mut self.kept else {
            return Ok(());
        };
        self.written += bytes.len() as u64;
        if self.written > MEMORY as u64 && self.written >= self.checked {
            check_space(&std::env::temp_dir(), self.written)?;
            self.checked = self.written + CHECK_EVERY;
        }
        kept.write_all(bytes)
            .map_err(|error| Full::error(error.to_string()))
    }
}

impl<R: Read> Read for Spool<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.text.read(buffer)?;
        self.keep(buffer.get(..length).unwrap_or_default())?;
        Ok(length)
    }
}

/// Checks that the disk has room for more.
fn check_space(directory: &Path, written: u64) -> io::Result<()> {
    if written > MAX_BYTES {
        return Err(Full::error(format!(
            "the text is longer than {MAX_BYTES} bytes"
        )));
    }
    let Ok(disk) = rustix::fs::statvfs(directory) else {
        // The write itself will tell.
        return Ok(());
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < RESERVE + CHECK_EVERY {
        return Err(Full::error(format!(
            "only {} MB are free after {} MB of text",
            free >> 20,
            written >> 20
        )));
    }
    Ok(())
}
