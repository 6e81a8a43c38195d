//! Groups on disk: an append-only file of changes, rewritten when most of it is outdated.
//!
//! ```text
//!  length u32 ─ checksum u32 (CRC-32C of the entry) ─ entry (JSON) ─ length …
//! ```
//!
//! Reading stops at an incomplete entry, which was never acknowledged.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::group::membership::Snapshot;
use crate::group::offsets::{Committed, Offsets};

const FILE_NAME: &str = "groups.journal";

const FRAME_BYTES: usize = 8;

/// The journal is rewritten when it has grown by this factor since the last rewrite,
const REWRITE_GROWTH: u64 = 4;

/// but not below this size.
const REWRITE_FROM_BYTES: u64 = 4 * 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    Committed {
        group: String,
        topic: String,
        partition: i32,
        committed: Committed,
    },
    OffsetDeleted {
        group: String,
        topic: String,
        partition: i32,
    },
    /// Members or their assignments changed: the new state.
    Members {
        group: String,
        snapshot: Snapshot,
    },
    GroupDeleted {
        group: String,
    },
}

/// The state of one group in the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredGroup {
    /// `None` if the group never had members.
    pub snapshot: Option<Snapshot>,
    pub offsets: Offsets,
}

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
pub struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
    rewrite_at: u64,
}

impl Journal {
    /// Opens the journal of a data directory and returns the groups in it.
    pub fn open(directory: &Path) -> Result<(Self, BTreeMap<String, StoredGroup>), Error> {
        let path = directory.join(FILE_NAME);
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
        let (groups, bytes) = replay(&file, length).map_err(read)?;
        if bytes < length {
            warn!(path = %path.display(), bytes = length - bytes, "truncated a journal with a torn tail");
            file.set_len(bytes).map_err(read)?;
        }
        let journal = Self {
            path,
            file,
            bytes,
            rewrite_at: bytes.saturating_mul(REWRITE_GROWTH).max(REWRITE_FROM_BYTES),
        };
        Ok((journal, groups))
    }

    /// Appends entries in one write.
    pub fn append(&mut self, entries: &[Entry]) -> Result<(), Error> {
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
    pub fn rewrite(&mut self, entries: impl Iterator<Item = Entry>) -> Result<(), Error> {
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

fn write_fresh(path: &Path, entries: impl Iterator<Item = Entry>) -> io::Result<(File, u64)> {
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

fn frame(entry: &Entry, bytes: &mut Vec<u8>) -> io::Result<()> {
    let json = serde_json::to_vec(entry)?;
    let length = u32::try_from(json.len()).map_err(io::Error::other)?;
    bytes.extend(length.to_be_bytes());
    bytes.extend(crc32c::crc32c(&json).to_be_bytes());
    bytes.extend(json);
    Ok(())
}

/// Reads entries up to the last complete one; returns the groups and the position after it.
fn replay(file: &File, length: u64) -> io::Result<(BTreeMap<String, StoredGroup>, u64)> {
    let mut reader = BufReader::new(file);
    let mut groups = BTreeMap::new();
    let mut position = 0;
    while let Some((entry, size)) = next_entry(&mut reader, length - position)? {
        apply(&mut groups, entry);
        position += size;
    }
    Ok((groups, position))
}

/// Returns an entry and its size; `None` if the next `left` bytes hold no complete entry.
fn next_entry(reader: &mut impl Read, left: u64) -> io::Result<Option<(Entry, u64)>> {
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

fn apply(groups: &mut BTreeMap<String, StoredGroup>, entry: Entry) {
    match entry {
        Entry::Committed {
            group,
            topic,
            partition,
            committed,
        } => {
            let kept = groups.entry(group).or_default();
            kept.offsets.commit(&topic, partition, committed);
        }
        Entry::OffsetDeleted {
            group,
            topic,
            partition,
        } => {
            let kept = groups.entry(group).or_default();
            kept.offsets.delete(&topic, partition);
        }
        Entry::Members { group, snapshot } => {
            groups.entry(group).or_default().snapshot = Some(snapshot);
        }
        Entry::GroupDeleted { group } => {
            groups.remove(&group);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn committed(partition: i32, offset: i64) -> Entry {
        Entry::Committed {
            group: "readers".to_owned(),
            topic: "sensor".to_owned(),
            partition,
            committed: Committed {
                offset,
                leader_epoch: 0,
                metadata: Some("note".to_owned()),
            },
        }
    }

    fn offset(groups: &BTreeMap<String, StoredGroup>, partition: i32) -> Option<i64> {
        let kept = groups.get("readers")?;
        Some(kept.offsets.get("sensor", partition)?.offset)
    }

    #[test]
    fn last_commit_wins_also_after_a_rewrite() {
        let directory = tempfile::tempdir().unwrap();
        let (mut journal, groups) = Journal::open(directory.path()).unwrap();
        assert!(groups.is_empty());
        journal.append(&[committed(0, 1), committed(1, 5)]).unwrap();
        journal.append(&[committed(0, 2)]).unwrap();
        let (mut journal, groups) = Journal::open(directory.path()).unwrap();
        assert_eq!((offset(&groups, 0), offset(&groups, 1)), (Some(2), Some(5)));
        journal.rewrite([committed(0, 2)].into_iter()).unwrap();
        journal.append(&[committed(1, 7)]).unwrap();
        let (_, groups) = Journal::open(directory.path()).unwrap();
        assert_eq!((offset(&groups, 0), offset(&groups, 1)), (Some(2), Some(7)));
    }

    #[test]
    fn deletions_are_replayed() {
        let directory = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(directory.path()).unwrap();
        let deleted = Entry::OffsetDeleted {
            group: "readers".to_owned(),
            topic: "sensor".to_owned(),
            partition: 0,
        };
        journal
            .append(&[committed(0, 1), committed(1, 1), deleted])
            .unwrap();
        let (mut journal, groups) = Journal::open(directory.path()).unwrap();
        assert_eq!((offset(&groups, 0), offset(&groups, 1)), (None, Some(1)));
        let group = "readers".to_owned();
        journal.append(&[Entry::GroupDeleted { group }]).unwrap();
        assert!(Journal::open(directory.path()).unwrap().1.is_empty());
    }

    proptest! {
        #[test]
        fn truncated_journal_keeps_its_complete_entries(cut: prop::sample::Index) {
            let directory = tempfile::tempdir().unwrap();
            let (mut journal, _) = Journal::open(directory.path()).unwrap();
            let mut ends = vec![0];
            for number in 0..5 {
                journal.append(&[committed(number, 1)]).unwrap();
                ends.push(journal.bytes);
            }
            let cut = cut.index(usize::try_from(journal.bytes).unwrap() + 1) as u64;
            journal.file.set_len(cut).unwrap();
            let (mut journal, groups) = Journal::open(directory.path()).unwrap();
            let whole = ends.iter().filter(|end| **end > 0 && **end <= cut).count();
            let kept = (0..5).filter(|number| offset(&groups, *number).is_some()).count();
            prop_assert_eq!(kept, whole);
            journal.append(&[committed(9, 9)]).unwrap();
            let (_, groups) = Journal::open(directory.path()).unwrap();
            prop_assert_eq!(offset(&groups, 9), Some(9));
        }
    }
}
