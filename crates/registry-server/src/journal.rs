//! The journal: every change is appended and synced before it is acknowledged.
//!
//! ```text
//!  <data>/lock               locked by the one server that uses the directory
//!        /files              the list of the files that belong to the directory
//!        /registry.journal   frames of [`disk`](convoy_server_kit::disk)
//! ```
//!
//! A payload is a JSON array of entries that apply together.

#![warn(clippy::indexing_slicing)]

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use convoy_server_kit::disk::{self, FileHeader, FileList, Format, Kind, Loss, Unreadable};

use crate::error::Error;
use crate::state::Entry;

/// Name of the journal in the data directory.
pub(super) const FILE_NAME: &str = "registry.journal";

const LOCK: &str = "lock";

const KIND: Kind = Kind {
    format: Format {
        magic: *b"CONVOYR",
        version: b'2',
        earlier: &[b"convoy registry 1"],
    },
    unit: "changes",
};

/// A journal on disk, or none.
#[derive(Debug)]
pub(super) struct Journal {
    kept: Option<Kept>,
    /// After [`Journal::close`]; appending fails.
    closed: bool,
}

#[derive(Debug)]
struct Kept {
    path: PathBuf,
    journal: disk::Journal,
    files: FileList,
    _lock: File,
}

impl Journal {
    /// Returns a journal that keeps nothing.
    pub(super) fn in_memory() -> Self {
        Self {
            kept: None,
            closed: false,
        }
    }

    /// Opens or creates the journal of a data directory and reads it. A torn frame at its end is
    /// truncated.
    pub(super) fn open(directory: &Path) -> Result<(Self, Vec<Entry>), Error> {
        let lock = lock(directory)?;
        let path = directory.join(FILE_NAME);
        let files = FileList::open(directory, || is_new(&path)).map_err(Error::storage)?;
        let check = files.check(|_name| "all schemas would be lost".to_owned());
        check.map_err(Error::storage)?;
        let mut entries = Vec::new();
        let replay = |payload: &[u8]| match serde_json::from_slice::<Vec<Entry>>(payload) {
            Ok(more) => {
                entries.extend(more);
                true
            }
            Err(_) => false,
        };
        let journal = disk::Journal::open(&path, KIND, files.mark(FILE_NAME), replay);
        let journal = journal.map_err(Error::storage)?;
        let failed = |source| Error::journal(&path, source);
        if !files.contains(FILE_NAME) {
            files.add(&[FILE_NAME]).map_err(failed)?;
        }
        files.start().map_err(failed)?;
        let kept = Kept {
            path,
            journal,
            files,
            _lock: lock,
        };
        let journal = Self {
            kept: Some(kept),
            closed: false,
        };
        Ok((journal, entries))
    }

    /// Appends entries that apply together. They are durable when this returns.
    pub(super) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        if self.closed {
            return Err(io::Error::other("the registry is stopping"));
        }
        let Some(kept) = &mut self.kept else {
            return Ok(());
        };
        let payload = serde_json::to_vec(entries)?;
        let entry = disk::Entry {
            bytes: &payload,
            units: entries.len() as u64,
        };
        kept.journal.append_durably(&[entry])
    }

    /// Notes that everything is on disk and closes the files, which releases the lock. Appending
    /// fails from now on.
    pub(super) fn close(&mut self) -> Result<(), Error> {
        self.closed = true;
        let Some(kept) = self.kept.take() else {
            return Ok(());
        };
        let lengths = [(FILE_NAME.to_owned(), kept.journal.end())];
        let stopped = kept.files.stop(&lengths);
        stopped.map_err(|source| Error::journal(&kept.path, source))
    }
}

/// Keeps what is whole of a damaged data directory; returns what was lost.
pub(super) fn repair(directory: &Path) -> Result<Vec<Loss>, Error> {
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let _lock = lock(directory)?;
    let path = directory.join(FILE_NAME);
    let journal = disk::repair_journal(&path, directory, KIND).map_err(Error::storage)?;
    let describe = |_name: &str| "all schemas".to_owned();
    let found = || {
        let there = path.exists().then(|| FILE_NAME.to_owned());
        there.into_iter().collect()
    };
    let mut losses = disk::repair_list(directory, describe, found).map_err(Error::storage)?;
    losses.extend(journal);
    Ok(losses)
}

fn lock(directory: &Path) -> Result<File, Error> {
    let locked = disk::lock_directory(directory, LOCK);
    let locked = locked.map_err(|source| Error::journal(&directory.join(LOCK), source))?;
    locked.ok_or_else(|| Error::JournalInUse {
        path: directory.to_owned(),
    })
}

/// Whether a directory without a list has no journal either.
fn is_new(path: &Path) -> Result<bool, disk::Error> {
    let mut bytes = Vec::new();
    match disk::options().read(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(source) => return Err(disk::Error::read(path, source)),
        Ok(file) => file
            .take(disk::FILE_HEADER_BYTES as u64)
            .read_to_end(&mut bytes)
            .map_err(|source| disk::Error::read(path, source))?,
    };
    match FileHeader::read(&bytes, &KIND.format) {
        Err(Unreadable::Earlier) => Err(disk::Error::Old {
            path: path.to_owned(),
        }),
        // The machine stopped while the first start created its files.
        _ => Ok(bytes.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::state::Mode;

    fn entry(subject: &str) -> Entry {
        Entry::Mode {
            subject: Some(subject.to_owned()),
            mode: Some(Mode::ReadOnly),
        }
    }

    /// Writes three entries and stops in order.
    fn write(directory: &Path) {
        let (mut journal, entries) = Journal::open(directory).expect("creates a journal");
        assert_eq!(entries, []);
        for subject in ["a", "b", "c"] {
            journal.append(&[entry(subject)]).expect("appends");
        }
        journal.close().expect("closes");
    }

    fn read(directory: &Path) -> Result<Vec<Entry>, Error> {
        Journal::open(directory).map(|(_journal, entries)| entries)
    }

    #[test]
    fn journal_continues_after_a_restart() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path());
        let (mut journal, entries) = Journal::open(folder.path()).expect("opens");
        assert_eq!(entries, ["a", "b", "c"].map(entry));
        journal.append(&[entry("d")]).expect("appends");
        drop(journal);
        let entries = read(folder.path()).expect("opens after a kill");
        assert_eq!(entries, ["a", "b", "c", "d"].map(entry));
    }

    #[test]
    fn journal_that_was_stopped_in_order_is_never_truncated() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path());
        let path = folder.path().join(FILE_NAME);
        let whole = fs::read(&path).expect("reads");
        for cut in 0..whole.len() {
            fs::write(&path, whole.get(..cut).expect("a part")).expect("writes");
            let error = read(folder.path()).expect_err("it is damaged");
            assert!(matches!(error, Error::Storage(_)), "cut at {cut}: {error}");
            let length = fs::metadata(&path).expect("is there").len();
            assert_eq!(length, cut as u64, "nothing changes");
        }
    }

    #[test]
    fn repair_keeps_the_changes_on_both_sides_of_the_damage() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path());
        assert_eq!(repair(folder.path()).expect("repairs"), []);
        let path = folder.path().join(FILE_NAME);
        let mut bytes = fs::read(&path).expect("reads");
        let middle = bytes.len() / 2 + 20;
        *bytes.get_mut(middle).expect("a byte") ^= 1;
        fs::write(&path, &bytes).expect("writes");
        let error = read(folder.path()).expect_err("it is damaged");
        assert!(error.to_string().contains("1 change"), "{error}");
        let losses = repair(folder.path()).expect("repairs");
        assert_eq!(losses.len(), 1);
        let entries = read(folder.path()).expect("it was repaired");
        assert_eq!(entries, ["a", "c"].map(entry));
    }

    #[test]
    fn every_changed_byte_is_refused_and_repaired_with_the_loss_named() {
        // All bytes with `CONVOY_FLIPS`, else a part of them.
        let step = if std::env::var_os("CONVOY_FLIPS").is_some() {
            1
        } else {
            13
        };
        for name in [FILE_NAME, disk::LIST_FILE] {
            let mut byte = 0;
            loop {
                let folder = tempfile::tempdir().expect("a temporary folder");
                write(folder.path());
                let path = folder.path().join(name);
                let mut bytes = fs::read(&path).expect("reads");
                let Some(changed) = bytes.get_mut(byte) else {
                    break;
                };
                *changed ^= 0x11;
                fs::write(&path, &bytes).expect("writes");
                let error = read(folder.path()).expect_err("it is damaged");
                assert!(error.to_string().contains(name), "{byte}: {error}");
                assert_eq!(fs::read(&path).expect("reads"), bytes, "nothing changes");
                let losses = repair(folder.path()).expect("repairs");
                let entries = read(folder.path()).expect("it was repaired");
                let lost = ["a", "b", "c"].map(entry);
                let lost = lost.iter().filter(|entry| !entries.contains(entry)).count();
                assert_eq!(entries.len() + lost, 3, "nothing is invented");
                let named = losses.iter().any(|loss| loss.lost.starts_with("1 change"));
                assert_eq!(named, lost == 1, "{name} at {byte}: {losses:?}");
                assert!(lost < 2);
                byte += step;
            }
        }
    }

    #[test]
    fn missing_files_and_an_old_format_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, "convoy registry 1\n").expect("writes");
        let error = read(folder.path()).expect_err("it is old");
        assert!(
            error.to_string().contains("older version of convoy"),
            "{error}"
        );
        fs::remove_file(&path).expect("removes");
        for missing in [FILE_NAME, disk::LIST_FILE] {
            write(folder.path());
            fs::remove_file(folder.path().join(missing)).expect("removes");
            let error = read(folder.path()).expect_err("it is missing");
            assert!(error.to_string().contains("is missing"), "{error}");
            repair(folder.path()).expect("repairs");
            drop(read(folder.path()).expect("it was repaired"));
            fs::remove_file(&path).expect("removes");
            fs::remove_file(folder.path().join(disk::LIST_FILE)).expect("removes");
        }
    }

    #[test]
    fn journal_is_used_by_one_registry_at_a_time() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (_journal, _) = Journal::open(folder.path()).expect("creates a journal");
        let error = Journal::open(folder.path()).expect_err("it is in use");
        assert!(matches!(error, Error::JournalInUse { .. }));
    }
}
