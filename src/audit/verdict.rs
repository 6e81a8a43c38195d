//! Verdict of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::audit::first_pass::FirstPass;
use crate::audit::ledger::Ledger;
use crate::audit::second_pass::SecondPass;

/// Outcome of all readings emitted, computed from the documents in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Readings handed to the producer path, warm-up included.
    pub emitted: u64,
    /// Distinct readings with a document in the store.
    pub stored: u64,
    /// Readings acknowledged by the broker that are neither stored, nor dead-lettered, nor still in the
    /// broker.
    pub missing: u64,
    /// Documents after the first of a reading.
    pub duplicated: u64,
    /// Documents that differ from their reading, or have none.
    pub corrupt: u64,
    /// Documents whose offset contradicts the order in which their vehicle emitted them.
    pub reordered: u64,
    /// Dead letters: rejected readings and records of other producers, each with its reason.
    pub dead_lettered: u64,
    /// Dead letters that are not a reading of this run.
    #[serde(default)]
    pub stray: u64,
    /// Dead letters of readings that a fault made invalid.
    #[serde(default)]
    pub declared: u64,
    /// Readings that a fault withheld; not among `emitted`.
    #[serde(default)]
    pub withheld: u64,
    /// Times a log ended before an acknowledged or already read record.
    #[serde(default)]
    pub log_truncations: u64,
    /// Injected faults in readings and their outcome; the report has them in its section `faults`.
    #[serde(skip)]
    pub faults: Vec<FaultAccount>,
    /// Readings not acknowledged, or in the broker and not yet stored, when the run ended.
    pub undelivered: u64,
    /// Records read twice and stored once.
    pub replayed: u64,
    /// Records appended twice by the producer and stored once.
    pub producer_duplicated: u64,
    /// Emitted and stored readings by the value of the label column.
    pub labels: BTreeMap<String, LabelCount>,
}

/// Readings with one kind of injected fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultAccount {
    /// Name of the fault.
    pub kind: String,
    /// Readings with the fault.
    pub injected: u64,
    /// Those of them with the expected outcome.
    pub accounted: u64,
}

/// Readings with one value of the label column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelCount {
    /// Emitted with this label.
    pub emitted: u64,
    /// Stored with this label, counted in the store.
    pub stored: u64,
}

impl Verdict {
    /// Returns the verdict after the first pass.
    ///
    /// `reordered` counts the documents out of order, `dead_lettered` the run's dead letters, `stray`
    /// those that are not a reading of it.
    pub fn new(
        ledger: &Ledger,
        first_pass: &FirstPass,
        reordered: u64,
        dead_lettered: u64,
        stray: u64,
    ) -> Self {
        let mut labels: BTreeMap<String, LabelCount> = BTreeMap::new();
        for (label, count) in &ledger.labels {
            labels.entry(label.clone()).or_default().emitted = *count;
        }
        for (label, count) in &first_pass.labels {
            labels.entry(label.clone()).or_default().stored = *count;
        }
        Self {
            emitted: ledger.emitted,
            stored: first_pass.sound.count,
            reordered,
            dead_lettered,
            stray,
            declared: ledger.invalid,
            labels,
            ..Self::default()
        }
    }

    /// Replaces the counts by those of the second pass, for a run whose sums differ.
    ///
    /// `in_broker` counts the readings that are in the broker and were never stored; the records after
    /// the last checkpoints, if the broker was not read.
    pub fn apply_second_pass(&mut self, ledger: &Ledger, second_pass: &SecondPass, in_broker: u64) {
        self.stored = second_pass.stored;
        self.duplicated = second_pass.duplicated;
        self.corrupt = second_pass.corrupt;
        let absent = self
            .emitted
            .saturating_sub(self.stored + self.dead_lettered.saturating_sub(self.stray));
        self.undelivered = absent.min(ledger.not_acked + in_broker);
        self.missing = absent - self.undelivered;
        if self.clean() {
            // The sums differ, but the second pass found no document to blame: do not pass.
            self.corrupt = 1;
        }
    }

    /// Returns whether no reading is missing, duplicated, corrupt or unexpectedly dead-lettered.
    pub fn clean(&self) -> bool {
        self.whole() && self.dead_lettered == self.declared && self.unaccounted() == 0
    }

    /// Returns the number of injected faults whose outcome was not found.
    pub fn unaccounted(&self) -> u64 {
        let differences = self.faults.iter();
        differences
            .map(|account| account.injected.abs_diff(account.accounted))
            .sum()
    }

    /// Returns whether every reading is stored once and unchanged, or dead-lettered.
    pub fn whole(&self) -> bool {
        let dead_lettered = self.dead_lettered.saturating_sub(self.stray);
        let absent = |count: &LabelCount| count.emitted.checked_sub(count.stored);
        let absent = self.labels.values().map(absent).sum::<Option<u64>>();
        self.emitted == self.stored + dead_lettered
            && self.missing == 0
            && self.duplicated == 0
            && self.corrupt == 0
            && self.undelivered == 0
            && self.log_truncations == 0
            && absent.is_some_and(|absent| absent <= dead_lettered)
    }
}
