//! One pass over the closed segments of a log. The log is not locked during it.

use std::collections::{HashMap, HashSet};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use convoy_server_kit::disk;
use tokio_util::sync::CancellationToken;

use crate::batch::{HEADER_BYTES, Header};
use crate::log::compaction::keys::{Keys, MAX_KEYS};
use crate::log::compaction::record;
use crate::log::compaction::rewrite::{Fate, Rewriter};
use crate::log::error::Error;
use crate::log::history::History;
use crate::log::segment::{Reader, Segment};
use crate::log::swap;
use crate::log::transactions::Aborted;
use crate::open_files::LazyFile;
use crate::storage::Storage;

/// A closed segment, as it was when the pass was planned.
#[derive(Debug, Clone)]
pub struct Closed {
    base_offset: i64,
    next_offset: i64,
    bytes: u64,
    file: Arc<LazyFile>,
}

impl Closed {
    pub fn of(segment: &Segment) -> Self {
        Self {
            base_offset: segment.base_offset(),
            next_offset: segment.next_offset(),
            bytes: segment.bytes(),
            file: segment.file(),
        }
    }
}

impl PartialEq for Closed {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && self.bytes == other.bytes
    }
}

/// What a pass needs from the log.
#[derive(Debug)]
pub struct Plan {
    pub directory: PathBuf,
    pub storage: Arc<Storage>,
    /// In order of offset, never empty.
    pub segments: Vec<Closed>,
    /// Records from here on have not been compacted.
    pub dirty_from: i64,
    pub aborted: Vec<Aborted>,
    /// Offset of the last batch of each producer.
    pub last_batches: HashMap<i64, i64>,
    /// Bytes of a segment.
    pub segment_bytes: u64,
    /// Milliseconds that tombstones and markers are kept.
    pub delete_retention_ms: u64,
}

/// Segments that one new file replaces.
#[derive(Debug)]
pub struct Done {
    pub replaced: Vec<Closed>,
    pub segment: Segment,
}

/// The state of a pass.
#[derive(Debug)]
pub struct Pass {
    plan: Plan,
    stopping: CancellationToken,
    keys: Keys,
    /// End of the records whose keys are known.
    end: i64,
    aborted: HashMap<i64, Vec<Aborted>>,
    kept_transactions: HashSet<i64>,
    now: i64,
}

impl Pass {
    /// Reads the keys of all records that were not compacted; `now` is in milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] once `stopping` is cancelled, as in [`rewrite`](Self::rewrite).
    pub fn start(plan: Plan, now: u64, stopping: &CancellationToken) -> Result<Self, Error> {
        Self::start_with(plan, now, MAX_KEYS, stopping)
    }

    pub(super) fn start_with(
        plan: Plan,
        now: u64,
        max_keys: usize,
        stopping: &CancellationToken,
    ) -> Result<Self, Error> {
        let mut aborted: HashMap<i64, Vec<Aborted>> = HashMap::new();
        for transaction in &plan.aborted {
            let of_producer = aborted.entry(transaction.producer_id).or_default();
            of_producer.push(*transaction);
        }
        let mut pass = Self {
            stopping: stopping.clone(),
            keys: Keys::new(max_keys),
            end: plan.dirty_from,
            aborted,
            kept_transactions: HashSet::new(),
            now: i64::try_from(now).unwrap_or(i64::MAX),
            plan,
        };
        pass.read_keys()?;
        Ok(pass)
    }

    /// Returns the offset after the last record that the pass compacts.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// Returns the groups of segments that become one file each, by index.
    pub fn groups(&self) -> Vec<std::ops::Range<usize>> {
        let mut groups = Vec::new();
        let mut start = 0;
        let mut bytes = 0;
        for (index, segment) in self.plan.segments.iter().enumerate() {
            if segment.base_offset >= self.end {
                break;
            }
            bytes += segment.bytes;
            if index > start && bytes > self.plan.segment_bytes {
                groups.push(start..index);
                start = index;
                bytes = segment.bytes;
            }
            if index + 1 == self.plan.segments.len() || segment.next_offset >= self.end {
                groups.push(start..index + 1);
                break;
            }
        }
        groups
    }

    /// Writes the file for a group, synced; `None` if nothing changes.
    pub fn rewrite(&mut self, group: std::ops::Range<usize>) -> Result<Option<Done>, Error> {
        let segments = self.plan.segments.get(group).unwrap_or_default().to_vec();
        let Some(first) = segments.first() else {
            return Ok(None);
        };
        let path = cleaned_path(&self.plan.directory, first.base_offset);
        let written = self.write(&segments, &path);
        match written {
            Ok(true) => {
                let base_offset = first.base_offset;
                let mut unused = History::default();
                let storage = &self.plan.storage;
                let (segment, _torn) =
                    Segment::open(path, base_offset, i64::MIN, storage, &mut unused)?;
                Ok(Some(Done {
                    replaced: segments,
                    segment,
                }))
            }
            Ok(false) => {
                swap::discard(&path);
                Ok(None)
            }
            Err(error) => {
                swap::discard(&path);
                Err(error)
            }
        }
    }

    fn check_running(&self) -> Result<(), Error> {
        if self.stopping.is_cancelled() {
            return Err(Error::Interrupted);
        }
        Ok(())
    }

    fn read_keys(&mut self) -> Result<(), Error> {
        let segments = self.plan.segments.clone();
        for segment in &segments {
            if segment.next_offset <= self.plan.dirty_from {
                continue;
            }
            let mut reader = Reader::new(&segment.file, segment.bytes);
            while let Some((header, bytes)) = reader.next_batch()? {
                self.check_running()?;
                let is_known = header.next_offset() <= self.plan.dirty_from;
                let fits = is_known || self.note(&header, &bytes);
                // A first batch that does not fit is passed over: its records stay.
                let progresses = self.end > self.plan.dirty_from;
                if fits || !progresses {
                    self.end = self.end.max(header.next_offset());
                }
                if !fits {
                    return Ok(());
                }
            }
            self.end = self.end.max(segment.next_offset);
        }
        Ok(())
    }

    /// Remembers the keys of a batch; returns false if there is no room for them.
    fn note(&mut self, header: &Header, bytes: &[u8]) -> bool {
        if header.control() || header.transactional() && self.is_aborted(header) {
            return true;
        }
        let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
        let Some(body) = record::decompress(header, body) else {
            return true;
        };
        let records = record::parse(header, &body).unwrap_or_default();
        records.iter().all(|record| {
            let offset = header.base_offset.saturating_add(record.offset);
            record.key.is_none_or(|key| self.keys.note(key, offset))
        })
    }

    fn is_aborted(&self, header: &Header) -> bool {
        let aborted = self.aborted.get(&header.producer_id);
        aborted.into_iter().flatten().any(|transaction| {
            (transaction.first..transaction.marker).contains(&header.base_offset)
        })
    }

    /// Writes what stays of the segments; returns whether anything changed.
    fn write(&mut self, segments: &[Closed], path: &Path) -> Result<bool, Error> {
        let failed = |source| Error::write(path, source);
        let file = disk::create_anew(path).map_err(failed)?;
        let mut output = BufWriter::new(&file);
        let mut rewriter = Rewriter {
            keys: &self.keys,
            end: self.end,
            aborted: std::mem::take(&mut self.aborted),
            last_batches: &self.plan.last_batches,
            delete_retention_ms: i64::try_from(self.plan.delete_retention_ms).unwrap_or(i64::MAX),
            now: self.now,
            kept_transactions: std::mem::take(&mut self.kept_transactions),
        };
        let mut changed = segments.len() > 1;
        let last_offset = segments.last().map_or(0, |segment| segment.next_offset);
        for segment in segments {
            let mut reader = Reader::new(&segment.file, segment.bytes);
            while let Some((header, bytes)) = reader.next_batch()? {
                self.check_running()?;
                let mut fate = rewriter.decide(&header, &bytes).map_err(failed)?;
                if fate == Fate::Dropped && header.next_offset() >= last_offset {
                    fate = Fate::Rewritten(header.emptied(), Vec::new());
                }
                if fate != Fate::Unchanged {
                    changed |= header.records > 0 || fate == Fate::Dropped;
                }
                match fate {
                    Fate::Dropped => {}
                    Fate::Unchanged => {
                        let head = header.encode_sealed(header.base_offset);
                        let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
                        output.write_all(&head).map_err(failed)?;
                        output.write_all(body).map_err(failed)?;
                    }
                    Fate::Rewritten(header, body) => {
                        let head = header.encode_sealed(header.base_offset);
                        output.write_all(&head).map_err(failed)?;
                        output.write_all(&body).map_err(failed)?;
                    }
                }
            }
        }
        output.flush().map_err(failed)?;
        drop(output);
        self.aborted = rewriter.aborted;
        self.kept_transactions = rewriter.kept_transactions;
        if changed {
            file.sync_data().map_err(failed)?;
        }
        Ok(changed)
    }
}

fn cleaned_path(directory: &Path, base_offset: i64) -> PathBuf {
    directory.join(format!("{base_offset:020}.cleaned"))
}
