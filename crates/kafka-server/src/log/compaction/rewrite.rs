//! What stays of each batch.

use std::collections::{HashMap, HashSet};
use std::io;

use crate::batch::{HEADER_BYTES, Header, NO_TIMESTAMP};
use crate::codec;
use crate::log::compaction::keys::Keys;
use crate::log::compaction::record::{self, Record};
use crate::log::marker::Marker;
use crate::log::transactions::Aborted;

/// Decides batch by batch, in order of offset.
#[derive(Debug)]
pub struct Rewriter<'a> {
    pub keys: &'a Keys,
    /// Batches at or after this offset stay as they are.
    pub end: i64,
    /// Aborted transactions by producer.
    pub aborted: HashMap<i64, Vec<Aborted>>,
    /// Offset of the last batch of each producer.
    pub last_batches: &'a HashMap<i64, i64>,
    /// Milliseconds that tombstones and markers are kept.
    pub delete_retention_ms: i64,
    /// Milliseconds since 1970.
    pub now: i64,
    /// Producers with records of the current transaction that stay.
    pub kept_transactions: HashSet<i64>,
}

/// What becomes of a batch.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    Unchanged,
    Dropped,
    /// The new header and its records.
    Rewritten(Header, Vec<u8>),
}

impl Rewriter<'_> {
    /// Decides about a batch; `bytes` include its header.
    pub fn decide(&mut self, header: &Header, bytes: &[u8]) -> io::Result<Fate> {
        if header.base_offset >= self.end {
            return Ok(Fate::Unchanged);
        }
        if header.control() {
            return Ok(self.decide_marker(header, bytes));
        }
        let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
        if header.transactional() && self.is_aborted(header) {
            return Ok(self.emptied(header));
        }
        let Some(decompressed) = record::decompress(header, body) else {
            return Ok(self.keep(header));
        };
        let Some(records) = record::parse(header, &decompressed) else {
            return Ok(self.keep(header));
        };
        let kept: Vec<&Record<'_>> = records
            .iter()
            .filter(|record| self.stays(header, record))
            .collect();
        if kept.is_empty() {
            return Ok(self.emptied(header));
        }
        let has_deadline = header.delete_horizon().is_some();
        let needs_deadline = !has_deadline && kept.iter().any(|record| record.is_tombstone);
        if kept.len() == records.len() && !needs_deadline {
            return Ok(self.keep(header));
        }
        self.keep(header);
        self.rewrite(header, &kept, needs_deadline)
    }

    /// Returns the batch without records if it must stay, else that it is dropped.
    pub fn emptied(&self, header: &Header) -> Fate {
        if self.last_batches.get(&header.producer_id) == Some(&header.base_offset) {
            if header.records == 0 {
                return Fate::Unchanged;
            }
            return Fate::Rewritten(header.emptied(), Vec::new());
        }
        Fate::Dropped
    }

    fn keep(&mut self, header: &Header) -> Fate {
        if header.transactional() {
            self.kept_transactions.insert(header.producer_id);
        }
        Fate::Unchanged
    }

    fn stays(&self, header: &Header, record: &Record<'_>) -> bool {
        let offset = header.base_offset.saturating_add(record.offset);
        let Some(key) = record.key else {
            return false;
        };
        if self.keys.is_replaced(key, offset) {
            return false;
        }
        !record.is_tombstone || !self.is_due(header)
    }

    /// Whether the deadline of tombstones or a marker has passed.
    fn is_due(&self, header: &Header) -> bool {
        header
            .delete_horizon()
            .is_some_and(|horizon| horizon <= self.now)
    }

    fn decide_marker(&mut self, header: &Header, bytes: &[u8]) -> Fate {
        if self.kept_transactions.remove(&header.producer_id) {
            return Fate::Unchanged;
        }
        if self.is_due(header) {
            return Fate::Dropped;
        }
        if header.delete_horizon().is_some() {
            return Fate::Unchanged;
        }
        let Some(commits) = Marker::commits(bytes) else {
            return Fate::Unchanged;
        };
        let horizon = self.now.saturating_add(self.delete_retention_ms);
        let marker = Marker {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            commits,
            timestamp: header.max_timestamp,
        };
        let (fresh, body) = marker.encode_until(horizon);
        Fate::Rewritten(fresh.at(header.base_offset), body)
    }

    fn is_aborted(&self, header: &Header) -> bool {
        let aborted = self.aborted.get(&header.producer_id);
        aborted.into_iter().flatten().any(|transaction| {
            (transaction.first..transaction.marker).contains(&header.base_offset)
        })
    }

    fn rewrite(
        &self,
        header: &Header,
        kept: &[&Record<'_>],
        needs_deadline: bool,
    ) -> io::Result<Fate> {
        let base = if needs_deadline {
            self.now.saturating_add(self.delete_retention_ms)
        } else {
            header.base_timestamp
        };
        let mut body = Vec::new();
        let mut highest = NO_TIMESTAMP;
        for record in kept {
            let timestamp = header.base_timestamp.saturating_add(record.since);
            highest = highest.max(timestamp);
            record.write(timestamp.saturating_sub(base), &mut body);
        }
        if header.log_append_time() {
            highest = header.max_timestamp;
        }
        let records = std::mem::take(&mut body);
        codec::compress(header.codec(), &records, &mut body)?;
        let mut fresh = *header;
        fresh.base_timestamp = base;
        if needs_deadline {
            fresh.set_delete_horizon();
        }
        fresh.records = i32::try_from(kept.len()).unwrap_or(i32::MAX);
        fresh.total_bytes = HEADER_BYTES.saturating_add(body.len());
        fresh.set_max_timestamp(highest, &body);
        Ok(Fate::Rewritten(fresh, body))
    }
}
