//! The ledger: what was emitted, as the producer path wrote it down.

use std::collections::BTreeMap;

use crate::audit::tally::Tally;
use crate::faults::DataKind;

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
    /// Those that were spoilt on purpose so that they must end as dead letters; they are not among
    /// the messages.
    pub spoilt: u64,
    /// Readings that something was done to on purpose, by kind.
    pub injected: BTreeMap<DataKind, u64>,
}

impl Ledger {
    /// Adds the part of another producer.
    pub fn merge(&mut self, other: Self) {
        self.emitted += other.emitted;
        self.messages.merge(other.messages);
        self.not_acked += other.not_acked;
        self.spoilt += other.spoilt;
        for (kind, count) in other.injected {
            *self.injected.entry(kind).or_default() += count;
        }
        for (label, count) in other.labels {
            *self.labels.entry(label).or_default() += count;
        }
    }

    /// Counts a reading that something was done to on purpose.
    pub fn count_injected(&mut self, kind: DataKind) {
        *self.injected.entry(kind).or_default() += 1;
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
