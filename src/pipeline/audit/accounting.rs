//! What became of every reading that something was done to on purpose.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::{FaultAccount, Ledger};
use crate::faults::{DataFaults, DataKind};
use crate::fleet::{Reading, Readings};
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter::Identity;
use crate::pipeline::emit::spoil::{Fate, Spoiler, mark};
use crate::pipeline::emit::workload::Scratch;
use crate::pipeline::error::Error;
use crate::record::{StoredDocument, payload_hash};

/// A dead letter, as far as it says what became of a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Topic that the record was read from or meant for.
    pub topic: String,
    /// Why it is one.
    pub reason: String,
}

/// Follows the readings that a plan strikes through the store and the dead letters.
#[derive(Debug)]
pub struct Accounting<'a> {
    context: &'a Context,
    faults: &'a DataFaults,
    /// Hash of every row's payload in a storm; empty where there is none.
    storms: Vec<u64>,
    known_storms: BTreeSet<u64>,
    stored_storms: u64,
    /// Documents of readings that were never emitted.
    leaked: u64,
}

impl<'a> Accounting<'a> {
    /// Prepares for a run; none if nothing was done to its readings.
    pub fn of(context: &'a Context) -> Result<Option<Self>, Error> {
        let Some(faults) = &context.settings.data_faults else {
            return Ok(None);
        };
        let stormy = faults.kinds().any(|kind| kind == DataKind::NaStorm);
        let storms = if stormy { storms(context)? } else { Vec::new() };
        Ok(Some(Self {
            context,
            faults,
            known_storms: storms.iter().copied().collect(),
            storms,
            stored_storms: 0,
            leaked: 0,
        }))
    }

    /// Looks at a document.
    pub fn visit(&mut self, stored: &StoredDocument<'_>) {
        let Some(id) = stored.id else {
            return;
        };
        match self.faults.fault_for(id.vehicle(), id.sequence()) {
            Some(DataKind::NaStorm) => {
                let hash = payload_hash(stored.payload);
                self.stored_storms += u64::from(self.known_storms.contains(&hash));
            }
            Some(DataKind::MissingBatch) => self.leaked += 1,
            _ => {}
        }
    }

    /// Returns the hash that a reading's document must have; none if it must not have one.
    pub fn expected_hash(&self, reading: &Reading, hash: u64) -> Option<u64> {
        let Some(kind) = self.faults.fault_for(reading.vehicle, reading.sequence) else {
            return Some(hash);
        };
        let topic = self.context.workload.topic_of(reading.row);
        match Fate::of(kind, self.context.workload.schema(topic)) {
            Fate::Withheld | Fate::DeadLetter => None,
            Fate::Stored if kind == DataKind::NaStorm => {
                let row = usize::try_from(reading.row).ok()?;
                self.storms.get(row).copied()
            }
            Fate::Stored => Some(hash),
        }
    }

    /// Compares what was done with what was found, kind by kind in the order of the plan.
    pub fn accounts(
        &self,
        ledger: &Ledger,
        reordered: u64,
        letters: &BTreeMap<Identity, Reason>,
    ) -> Vec<FaultAccount> {
        let by_reason = self.by_reason(letters);
        let counters = &self.context.counters;
        let count = |kind| {
            let injected = match kind {
                DataKind::MissingBatch => counters.withheld.get(),
                kind => ledger.injected.get(&kind).copied().unwrap_or_default(),
            };
            let set_aside = by_reason.get(&kind).copied().unwrap_or_default();
            let accounted = match kind {
                DataKind::MissingBatch => self.withheld(ledger).saturating_sub(self.leaked),
                DataKind::OutOfOrder => reordered,
                // More are doubled where requests of unknown fate were sent again.
                DataKind::Duplicate => counters.producer_duplicated.get().min(injected),
                DataKind::NaStorm => self.stored_storms + set_aside,
                DataKind::WrongType
                | DataKind::ExtraColumn
                | DataKind::MissingColumn
                | DataKind::TruncatedHeader
                | DataKind::Oversized => set_aside,
            };
            FaultAccount {
                kind: kind.to_string(),
                injected,
                accounted,
            }
        };
        let all = DataKind::ALL.into_iter();
        let declared = |kind: &DataKind| self.faults.declares(*kind);
        all.filter(declared).map(count).collect()
    }

    /// Counts the dead letters of spoilt readings whose reason is what was done to them.
    fn by_reason(&self, letters: &BTreeMap<Identity, Reason>) -> BTreeMap<DataKind, u64> {
        let mut counts = BTreeMap::new();
        for (identity, letter) in letters {
            let Identity::Reading(vehicle, sequence) = identity else {
                continue;
            };
            let topics = &self.context.settings.topics;
            let topic = topics.iter().position(|topic| *topic == letter.topic);
            let struck = self.faults.fault_for(*vehicle, *sequence);
            let (Some(kind), Some(topic)) = (struck, topic) else {
                continue;
            };
            let schema = self.context.workload.schema(topic);
            let mark = mark(kind, self.faults.detail(*vehicle, *sequence), schema);
            let too_large = kind == DataKind::Oversized && letter.reason.starts_with("no broker");
            if Fate::of(kind, schema) == Fate::DeadLetter
                && (too_large || letter.reason.contains(&mark))
            {
                *counts.entry(kind).or_default() += 1;
            }
        }
        counts
    }

    /// Goes through the schedule again and counts what is not emitted.
    fn withheld(&self, ledger: &Ledger) -> u64 {
        let readings = Readings::new(&self.context.settings.fleet);
        let scheduled = usize::try_from(scheduled(self.context, ledger)).unwrap_or(usize::MAX);
        let withheld = readings.take(scheduled).filter(|reading| {
            self.faults
                .is_in_missing_batch(reading.vehicle, reading.sequence)
        });
        withheld.count() as u64
    }
}

/// Returns how many readings of the schedule had their turn, emitted or not.
pub fn scheduled(context: &Context, ledger: &Ledger) -> u64 {
    let counters = &context.counters;
    ledger.emitted + counters.withheld.get() + counters.left_out.get()
}

/// Returns the hash of every row's payload in a storm.
fn storms(context: &Context) -> Result<Vec<u64>, Error> {
    let mut scratch = Scratch::default();
    let mut spoilt = Vec::new();
    (0..context.workload.rows())
        .map(|row| {
            context.workload.encode(row, &mut scratch, |_label| ())?;
            Spoiler::storm(context, row, &scratch.payload, &mut spoilt);
            Ok(payload_hash(&spoilt))
        })
        .collect()
}
