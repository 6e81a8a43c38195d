//! The verdict of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::audit::first_pass::{Examination, Inquest};
use crate::audit::ledger::Ledger;

/// What became of everything that was emitted, computed from what is in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Readings handed to the producer path, warm-up included.
    pub emitted: u64,
    /// Distinct readings with a document in the store.
    pub stored: u64,
    /// Acknowledged by the broker, yet neither stored nor dead-lettered.
    pub missing: u64,
    /// Documents beyond the first of a reading.
    pub duplicated: u64,
    /// Documents that nobody emitted, or whose content is not what was emitted.
    pub corrupt: u64,
    /// Documents whose offset contradicts the order in which their vehicle emitted them.
    pub reordered: u64,
    /// Dead letters: readings, and records of others, that were set aside with their reason.
    pub dead_lettered: u64,
    /// Those of them that are no reading of this run.
    #[serde(default)]
    pub stray: u64,
    /// Those of them that were spoilt on purpose.
    #[serde(default)]
    pub declared: u64,
    /// Readings that were kept back on purpose, and not emitted.
    #[serde(default)]
    pub withheld: u64,
    /// Times a log ended before what had been acknowledged or read from it.
    #[serde(default)]
    pub log_truncations: u64,
    /// What was done to readings on purpose, and what became of it; the report has it among its
    /// faults.
    #[serde(skip)]
    pub faults: Vec<FaultAccount>,
    /// Emitted, but not acknowledged or not yet stored when the run ended.
    pub undelivered: u64,
    /// Records the consumer read twice and the store kept once.
    pub replayed: u64,
    /// Records the producer appended twice and the store kept once.
    pub producer_duplicated: u64,
    /// Emitted and stored readings by the value of the label column.
    pub labels: BTreeMap<String, LabelCount>,
}

/// Readings that one thing was done to on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultAccount {
    /// Name of what was done.
    pub kind: String,
    /// How many it was done to.
    pub injected: u64,
    /// How many of them became what they should.
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
    /// Comes to a verdict from what was emitted and a first look at every document.
    ///
    /// `dead_lettered` counts the run's dead letters, `stray` those that are no reading of it.
    pub fn of(ledger: &Ledger, examination: &Examination, dead_lettered: u64, stray: u64) -> Self {
        let mut labels: BTreeMap<String, LabelCount> = BTreeMap::new();
        for (label, count) in &ledger.labels {
            labels.entry(label.clone()).or_default().emitted = *count;
        }
        for (label, count) in &examination.labels {
            labels.entry(label.clone()).or_default().stored = *count;
        }
        Self {
            emitted: ledger.emitted,
            stored: examination.sound.count,
            reordered: examination.reordered,
            dead_lettered,
            stray,
            declared: ledger.spoilt,
            labels,
            ..Self::default()
        }
    }

    /// Corrects the verdict by a second look, for a run whose sums differ.
    ///
    /// `behind_checkpoints` counts the records that no consumer had come to when the run ended.
    pub fn settle(&mut self, ledger: &Ledger, inquest: &Inquest, behind_checkpoints: u64) {
        self.stored = inquest.stored;
        self.duplicated = inquest.duplicated;
        self.corrupt = inquest.corrupt;
        let absent = self
            .emitted
            .saturating_sub(self.stored + self.dead_lettered.saturating_sub(self.stray));
        self.undelivered = absent.min(ledger.not_acked + behind_checkpoints);
        self.missing = absent - self.undelivered;
        if self.clean() {
            // The sums differ, yet no document stands out: say so rather than pass.
            self.corrupt = 1;
        }
    }

    /// Returns whether nothing was lost, doubled, changed or set aside.
    pub fn clean(&self) -> bool {
        self.whole() && self.dead_lettered == self.declared && self.unaccounted() == 0
    }

    /// Returns by how many what was done on purpose differs from what was found.
    pub fn unaccounted(&self) -> u64 {
        let differences = self.faults.iter();
        differences
            .map(|account| account.injected.abs_diff(account.accounted))
            .sum()
    }

    /// Returns whether nothing was lost, doubled or changed; something may have been set aside.
    pub fn whole(&self) -> bool {
        let set_aside = self.dead_lettered.saturating_sub(self.stray);
        let absent = |count: &LabelCount| count.emitted.checked_sub(count.stored);
        let absent = self.labels.values().map(absent).sum::<Option<u64>>();
        self.emitted == self.stored + set_aside
            && self.missing == 0
            && self.duplicated == 0
            && self.corrupt == 0
            && self.undelivered == 0
            && self.log_truncations == 0
            && absent.is_some_and(|absent| absent <= set_aside)
    }
}
