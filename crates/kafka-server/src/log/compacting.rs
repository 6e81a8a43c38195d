//! Which segments of a log are compacted, and their replacement.

use std::sync::Arc;

use crate::config::Compaction;
use crate::log::compaction::{Closed, Done, Plan};
use crate::log::error::Error;
use crate::log::partition_log::Log;
use crate::log::segment::Segment;
use crate::log::swap::{self, Range};

impl Log {
    /// Returns what a pass of compaction needs; `None` if none is due. `now` is in milliseconds
    /// since 1970.
    ///
    /// Only closed and synced segments without records of open transactions are compacted.
    pub fn plan_compaction(&self, compaction: Compaction, now: u64) -> Option<Plan> {
        let limit = self.stable_offset().min(self.synced_offset);
        let closed = self.segments.split_last().map_or(&[][..], |(_, rest)| rest);
        let ready = |segment: &&Segment| {
            let newest = u64::try_from(segment.max_timestamp()).unwrap_or(0);
            segment.next_offset() <= limit && newest.saturating_add(compaction.min_lag_ms) <= now
        };
        let segments: Vec<&Segment> = closed.iter().take_while(ready).collect();
        let is_dirty = |segment: &&&Segment| segment.next_offset() > self.compacted_to;
        let total: u64 = segments.iter().map(|segment| segment.bytes()).sum();
        let dirty = segments.iter().filter(is_dirty);
        let dirty: u64 = dirty.map(|segment| segment.bytes()).sum();
        let is_late = |segment: &&Segment| {
            let first = segment.first_timestamp().unwrap_or(i64::MAX);
            let first = u64::try_from(first).unwrap_or(0);
            first.saturating_add(compaction.max_lag_ms) <= now
        };
        let ratio = u128::from(dirty) * u128::from(Compaction::WHOLE)
            > u128::from(total) * u128::from(compaction.dirty_ratio);
        if dirty == 0 || !(ratio || segments.iter().find(is_dirty).is_some_and(is_late)) {
            return None;
        }
        Some(Plan {
            directory: self.directory.clone(),
            storage: Arc::clone(&self.storage),
            segments: segments.into_iter().map(Closed::of).collect(),
            dirty_from: self.compacted_to,
            aborted: self.history.transactions.aborted().to_vec(),
            last_batches: self.history.producers.last_batches(),
            segment_bytes: self.segment_bytes,
            delete_retention_ms: compaction.delete_retention_ms,
        })
    }

    /// Replaces segments by their compacted file; returns false, and removes the file, if they have
    /// changed since the pass was planned.
    pub fn replace(&mut self, done: Done) -> Result<bool, Error> {
        let Done {
            replaced,
            mut segment,
        } = done;
        let base = segment.base_offset();
        let first = self
            .segments
            .partition_point(|segment| segment.base_offset() < base);
        let range = first..first.saturating_add(replaced.len());
        let present = self.segments.get(range.clone()).unwrap_or_default();
        let same = present.iter().map(Closed::of).eq(replaced);
        let end = present.last().map_or(base, Segment::next_offset);
        if !same || segment.next_offset() != end {
            swap::discard(segment.path());
            return Ok(false);
        }
        let range_of_offsets = Range { base, end };
        let storage = &self.storage;
        for replaced in present {
            // Readers of the old file must not find the new one under its name.
            let kept = replaced.file().keep_open();
            kept.map_err(|source| Error::open(replaced.path(), source))?;
        }
        let path = swap::commit(&self.directory, range_of_offsets, segment.path(), storage)?;
        segment.set_file(storage.lazy_file(path));
        self.segments.splice(range, [segment]);
        Ok(true)
    }

    /// Notes that all records before `end` were compacted.
    pub fn mark_compacted(&mut self, end: i64) {
        self.compacted_to = self.compacted_to.max(end);
        self.history.transactions.forget_compacted(end);
    }
}
