//! The journal: every change is appended and synced before it is acknowledged.
//!
//! ```text
//!  file  = "convoy registry 1\n" frame*
//!  frame = length (u32) | CRC-32C of the payload (u32) | payload        little-endian
//! ```
//!
//! A payload is a JSON array of entries that apply together.

#![warn(clippy::indexing_slicing)]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tracing::warn;

use crate::error::Error;
use crate::state::Entry;

const MAGIC: &[u8] = b"convoy registry 1\n";
const FRAME_HEADER: usize = 8;

/// A journal on disk, or none.
#[derive(Debug)]
pub(super) struct Journal {
    file: Option<File>,
    /// After [`Journal::close`]; appending fails.
    closed: bool,
    /// Length of the complete frames, in bytes.
    end: u64,
}

impl Journal {
    /// Returns a journal that keeps nothing.
    pub(super) fn in_memory() -> Self {
        Self {
            file: None,
            closed: false,
            end: 0,
        }
    }

    /// Opens or creates a journal and reads it. A torn frame at its end is truncated.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Entry>), Error> {
        let failed = |source| Error::Journal {
            path: path.to_owned(),
            source,
        };
        let file = open_locked(path)?;
        let mut bytes = Vec::new();
        (&file).read_to_end(&mut bytes).map_err(failed)?;
        let mut journal = Self {
            file: Some(file),
            closed: false,
            end: 0,
        };
        if bytes.len() <= MAGIC.len() && MAGIC.starts_with(&bytes) {
            journal.start(path).map_err(failed)?;
            return Ok((journal, Vec::new()));
        }
        let corrupt = |byte: usize| Error::JournalCorrupt {
            path: path.to_owned(),
            byte: byte as u64,
        };
        let (entries, end) = read(&bytes).map_err(corrupt)?;
        if end < bytes.len() {
            let torn = bytes.len() - end;
            warn!(path = %path.display(), bytes = torn, "truncated a torn frame at the end of the journal");
        }
        journal.end = end as u64;
        journal.truncate().map_err(failed)?;
        Ok((journal, entries))
    }

    /// Appends entries that apply together. They are durable when this returns.
    pub(super) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        if self.closed {
            return Err(io::Error::other("the registry is stopping"));
        }
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let payload = serde_json::to_vec(entries)?;
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        let mut frame = Vec::with_capacity(FRAME_HEADER + payload.len());
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(&crc32c::crc32c(&payload).to_le_bytes());
        frame.extend_from_slice(&payload);
        if let Err(error) = file.write_all(&frame).and_then(|()| file.sync_data()) {
            // A complete frame must not follow a partial one.
            self.truncate()?;
            return Err(error);
        }
        self.end += frame.len() as u64;
        Ok(())
    }

    /// Closes the file, which releases its lock. Appending fails from now on.
    pub(super) fn close(&mut self) {
        self.file = None;
        self.closed = true;
    }

    /// Writes the header of a new journal.
    fn start(&mut self, path: &Path) -> io::Result<()> {
        self.truncate()?;
        if let Some(file) = &mut self.file {
            file.write_all(MAGIC)?;
            file.sync_all()?;
        }
        self.end = MAGIC.len() as u64;
        // The file's name is durable only after its folder is synced.
        path.parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }

    /// Removes everything after the complete frames.
    fn truncate(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.set_len(self.end)?;
        file.seek(SeekFrom::Start(self.end))?;
        file.sync_all()
    }
}

fn open_locked(path: &Path) -> Result<File, Error> {
    let failed = |source| Error::Journal {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let file = options.open(path).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::JournalInUse {
            path: PathBuf::from(path),
        }),
        Err(error) => Err(failed(error.into())),
    }
}

/// Reads all frames. Returns their entries and the end of the last complete frame, or the offset of a
/// corrupt frame that a crash cannot have torn, because others follow.
pub(super) fn read(bytes: &[u8]) -> Result<(Vec<Entry>, usize), usize> {
    let mut rest = bytes.strip_prefix(MAGIC).ok_or(0_usize)?;
    let mut entries = Vec::new();
    loop {
        let at = bytes.len() - rest.len();
        let Some((frame, after)) = split_frame(rest) else {
            return Ok((entries, at));
        };
        match frame_entries(frame) {
            Some(more) => entries.extend(more),
            // Blocks that were allocated but never written read as zeros.
            None if after.is_empty() || rest.iter().all(|&byte| byte == 0) => {
                return Ok((entries, at));
            }
            None => return Err(at),
        }
        rest = after;
    }
}

/// Splits off a frame with its header, if it is complete.
fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?);
    let length = usize::try_from(length).ok()?.checked_add(FRAME_HEADER)?;
    bytes.split_at_checked(length)
}

fn frame_entries(frame: &[u8]) -> Option<Vec<Entry>> {
    let (header, payload) = frame.split_first_chunk::<FRAME_HEADER>()?;
    let crc = u32::from_le_bytes(*header.last_chunk()?);
    let intact = crc32c::crc32c(payload) == crc && !payload.is_empty();
    intact
        .then(|| serde_json::from_slice(payload).ok())
        .flatten()
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "tests panic")]
mod tests {
    use super::*;
    use crate::state::Mode;

    fn entry(subject: &str) -> Entry {
        Entry::Mode {
            subject: Some(subject.to_owned()),
            mode: Some(Mode::ReadOnly),
        }
    }

    /// A journal of three frames and the offsets at which they end.
    fn journal(path: &Path) -> Vec<u64> {
        let (mut journal, entries) = Journal::open(path).expect("creates a journal");
        assert_eq!(entries, []);
        ["a", "b", "c"]
            .into_iter()
            .map(|subject| {
                journal.append(&[entry(subject)]).expect("appends");
                journal.end
            })
            .collect()
    }

    #[test]
    fn journal_truncated_anywhere_recovers_its_complete_frames() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("data/registry.journal");
        let ends = journal(&path);
        let whole = fs::read(&path).expect("reads");
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).expect("writes");
            let complete = ends.iter().filter(|&&end| end <= cut as u64).count();
            let (mut journal, entries) = Journal::open(&path).expect("a torn tail is truncated");
            let expected = ["a", "b", "c"][..complete]
                .iter()
                .map(|subject| entry(subject));
            assert_eq!(entries, expected.collect::<Vec<_>>(), "cut at {cut}");
            journal.append(&[entry("d")]).expect("appends");
            drop(journal);
            let (_journal, entries) = Journal::open(&path).expect("it was repaired");
            assert_eq!(entries.last(), Some(&entry("d")), "cut at {cut}");
            assert_eq!(entries.len(), complete + 1);
        }
    }

    #[test]
    fn trailing_zeros_are_truncated_and_corruption_before_the_end_is_an_error() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("registry.journal");
        let ends = journal(&path);
        let whole = fs::read(&path).expect("reads");
        let mut zeros = whole.clone();
        zeros.extend([0; 100]);
        fs::write(&path, &zeros).expect("writes");
        assert_eq!(Journal::open(&path).expect("it is torn").1.len(), 3);
        let first = usize::try_from(ends[0]).expect("it is short");
        for (byte, error_at) in [(0, 0), (first - 1, MAGIC.len() as u64)] {
            let mut corrupt = whole.clone();
            corrupt[byte] ^= 1;
            fs::write(&path, &corrupt).expect("writes");
            let error = Journal::open(&path).expect_err("it is corrupt");
            assert!(matches!(error, Error::JournalCorrupt { byte, .. } if byte == error_at));
        }
    }

    #[test]
    fn journal_is_used_by_one_registry_at_a_time() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("registry.journal");
        let (_journal, _) = Journal::open(&path).expect("creates a journal");
        let error = Journal::open(&path).expect_err("it is in use");
        assert!(matches!(error, Error::JournalInUse { .. }));
    }
}
