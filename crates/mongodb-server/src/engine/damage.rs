//! What damage to the log costs, in numbers.

use std::fmt;

use convoy_server_kit::disk::Lost;

use crate::engine::record::{About, RecordKind};

/// What is lost without a whole segment.
pub const MISSING: &str =
    "the documents in it would be lost, and what it says about updates and deletions";

/// What damaged bytes held, as far as their headers say it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Damage {
    bytes: usize,
    /// New documents.
    inserted: u64,
    /// Documents whose new contents are lost.
    updated: u64,
    /// Deletions of documents whose earlier contents may come back.
    deleted: u64,
    /// Descriptions and removals of collections.
    collections: u64,
    /// Parts of which nothing is known.
    unknown: u64,
}

impl Damage {
    /// Adds lost bytes.
    pub fn add(&mut self, lost: &Lost) {
        self.bytes += lost.end - lost.at;
        let Some(about) = lost.tag.as_ref().and_then(About::read) else {
            self.unknown += 1;
            return;
        };
        let count = u64::from(about.count);
        match about.kind {
            RecordKind::Insert => self.inserted += count,
            RecordKind::Put => self.updated += count,
            RecordKind::Delete => self.deleted += count,
            RecordKind::Catalog | RecordKind::Drop => self.collections += 1,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.inserted, "inserted documents"),
            (self.updated, "updated documents"),
            (self.deleted, "deletions"),
            (self.collections, "descriptions of collections"),
            (self.unknown, "parts with an unknown number of documents"),
        ];
        let mut separator = "";
        for (count, what) in counts.iter().filter(|(count, _)| *count > 0) {
            write!(formatter, "{separator}{what}: {count}")?;
            separator = ", ";
        }
        if separator.is_empty() {
            return write!(formatter, "nothing");
        }
        write!(formatter, " ({} bytes)", self.bytes)
    }
}
