//! Ledger: the readings emitted, as the producer path recorded them.

use std::collections::BTreeMap;

use crate::audit::tally::Tally;
use crate::faults::DataKind;

/// Outcome of the readings on the producer's side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Readings handed to the producer path.
    pub emitted: u64,
    /// Those of them that became messages, with their fingerprints.
    pub messages: Tally,
    /// Messages by the value of their label column.
    pub labels: BTreeMap<String, u64>,
    /// Readings without an acknowledgement of the broker: not sent, rejected or unanswered.
    pub not_acked: u64,
    /// Those that a fault made invalid, so that they must become dead letters; they are not among
    /// the messages.
    pub invalid: u64,
    /// Readings with an injected fault, by kind.
    pub injected: BTreeMap<DataKind, u64>,
}

impl Ledger {
    /// Adds the ledger of another producer.
    pub fn merge(&mut self, other: Self) {
        self.emitted += other.emitted;
        self.messages.merge(other.messages);
        self.not_acked += other.not_acked;
        self.invalid += other.invalid;
        for (kind, count) in other.injected {
            *self.injected.entry(kind).or_default() += count;
        }
        for (label, count) in other.labels {
            *self.labels.entry(label).or_default() += count;
        }
    }

    /// Counts a reading with an injected fault.
    pub fn count_injected(&mut self, kind: DataKind) {
        *self.injected.entry(kind).or_default() += 1;
    }

    /// Counts a label; allocates only for a new one.
    pub fn count_label(&mut self, label: &str) {
        if let Some(count) = self.labels.get_mut(label) {
            *count += 1;
        } else {
            self.labels.insert(label.to_owned(), 1);
        }
    }
}
