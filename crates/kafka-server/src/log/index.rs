//! A sparse index of one segment: the positions of some batches.

/// Bytes between two entries: a lookup reads at most the headers between them.
const INTERVAL_BYTES: u64 = 16 * 1024;

/// The position of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Offset of the first record.
    pub offset: i64,
    /// Byte position in the segment.
    pub position: u64,
    /// Highest timestamp of the earlier batches in the segment; `i64::MIN` if there are none.
    pub max_timestamp_before: i64,
}

/// The entries of one segment, in order of offset and position.
#[derive(Debug, Default)]
pub struct Index {
    entries: Vec<Entry>,
}

impl Index {
    /// Adds an appended batch, unless the last entry is near.
    pub fn note(&mut self, entry: Entry) {
        let due = self
            .entries
            .last()
            .is_none_or(|last| entry.position >= last.position + INTERVAL_BYTES);
        if due {
            self.entries.push(entry);
        }
    }

    /// Returns the last entry at or before an offset.
    pub fn at_or_before_offset(&self, offset: i64) -> Option<Entry> {
        self.before(self.entries.partition_point(|entry| entry.offset <= offset))
    }

    /// Returns the last entry at or before a position.
    pub fn at_or_before_position(&self, position: u64) -> Option<Entry> {
        self.before(
            self.entries
                .partition_point(|entry| entry.position <= position),
        )
    }

    /// Returns the offset of the first entry at or after a position.
    pub fn offset_from_position(&self, position: u64) -> Option<i64> {
        let following = self
            .entries
            .partition_point(|entry| entry.position < position);
        self.entries.get(following).map(|entry| entry.offset)
    }

    /// Returns the last entry before which every timestamp is lower.
    pub fn before_timestamp(&self, timestamp: i64) -> Option<Entry> {
        self.before(
            self.entries
                .partition_point(|entry| entry.max_timestamp_before < timestamp),
        )
    }

    /// Removes entries at or after a position.
    pub fn truncate(&mut self, position: u64) {
        let keep = self
            .entries
            .partition_point(|entry| entry.position < position);
        self.entries.truncate(keep);
    }

    fn before(&self, following: usize) -> Option<Entry> {
        self.entries.get(following.checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(offset: i64, position: u64, max_timestamp_before: i64) -> Entry {
        Entry {
            offset,
            position,
            max_timestamp_before,
        }
    }

    #[test]
    fn lookups_return_the_last_entry_that_is_not_beyond_the_target() {
        let mut index = Index::default();
        let (first, second) = (entry(10, 0, i64::MIN), entry(20, 20_000, 5));
        index.note(first);
        index.note(entry(15, 100, 3));
        index.note(second);
        assert_eq!(index.at_or_before_offset(9), None);
        assert_eq!(index.at_or_before_offset(19), Some(first));
        assert_eq!(index.at_or_before_offset(99), Some(second));
        assert_eq!(index.at_or_before_position(19_999), Some(first));
        assert_eq!(index.before_timestamp(5), Some(first));
        assert_eq!(index.before_timestamp(6), Some(second));
        index.truncate(20_000);
        assert_eq!(index.at_or_before_offset(99), Some(first));
    }
}
