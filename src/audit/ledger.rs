//! The ledger: what was emitted, as the producer path wrote it down.

use std::collections::BTreeMap;

use super::tally::Tally;

/// What became of the readings on the producer's side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Readings handed to the producer path.
    pub emitted: u64,
    /// Those of them that became messages, with their fingerprints.
    pub messages: Tally,
    /// Messages by the value of their label column.
    pub labels: BTreeMap<String, u64>,
    /// Readings of which nobody knows that the broker has them: never sent, refused or unknown.
    pub not_acked: u64,
}

impl Ledger {
    /// Adds the part of another producer.
    pub fn merge(&mut self, other: Self) {
        self.emitted += other.emitted;
        self.messages.merge(other.messages);
        self.not_acked += other.not_acked;
        for (label, count) in other.labels {
            *self.labels.entry(label).or_default() += count;
        }
    }

    /// Counts a label without allocating for one that is known.
    pub fn count_label(&mut self, label: &str) {
        if let Some(count) = self.labels.get_mut(label) {
            *count += 1;
        } else {
            self.labels.insert(label.to_owned(), 1);
        }
    }
}
