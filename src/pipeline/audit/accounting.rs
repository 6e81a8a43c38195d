//! Accounts for every reading with an injected data fault.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::{FaultAccount, Ledger};
use crate::faults::{DataFaults, DataKind};
use crate::fleet::{Reading, Readings};
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter::{Identity, REJECTED_BY_BROKER};
use crate::pipeline::emit::{
    DataFaultInjector, EncodeBuffer, ExpectedFate, Workload, expected_reason,
};
use crate::pipeline::error::Error;
use crate::pipeline::settings::EmissionSettings;
use crate::record::{StoredDocument, payload_hash};

/// Topic and reason of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Topic of the record or message.
    pub topic: String,
    pub reason: String,
}

/// Finds the readings with injected faults among documents and dead letters.
#[derive(Debug)]
pub struct Accounting<'a> {
    context: &'a Context,
    emission: &'a EmissionSettings,
    faults: &'a DataFaults,
    /// Hash of each row's payload in an NA storm; empty if the plan has none.
    storms: Vec<u64>,
    known_storms: BTreeSet<u64>,
    stored_storms: u64,
    /// Documents of withheld readings.
    leaked: u64,
}

impl<'a> Accounting<'a> {
    /// Returns `None` for a run without data faults.
    pub fn new(
        context: &'a Context,
        emission: &'a EmissionSettings,
    ) -> Result<Option<Self>, Error> {
        let Some(faults) = &emission.data_faults else {
            return Ok(None);
        };
        let stormy = faults.kinds().any(|kind| kind == DataKind::NaStorm);
        let storms = if stormy {
            storms(&emission.workload)?
        } else {
            Vec::new()
        };
        Ok(Some(Self {
            context,
            emission,
            faults,
            known_storms: storms.iter().copied().collect(),
            storms,
            stored_storms: 0,
            leaked: 0,
        }))
    }

    /// Adds a document.
    pub fn visit(&mut self, stored: &StoredDocument<'_>) {
        let Some(id) = stored.id else {
            return;
        };
        match self.faults.fault_for(id.vehicle(), id.sequence()) {
            Some(DataKind::NaStorm) => {
                let hash = stored.content_hash;
                self.stored_storms += u64::from(self.known_storms.contains(&hash));
            }
            Some(DataKind::MissingBatch) => self.leaked += 1,
            _ => {}
        }
    }

    /// Returns the expected hash of a reading's document, or `None` if there must be no document.
    pub fn expected_hash(&self, reading: &Reading, hash: u64) -> Option<u64> {
        let Some(kind) = self.faults.fault_for(reading.vehicle, reading.sequence) else {
            return Some(hash);
        };
        let workload = &self.emission.workload;
        let topic = workload.topic_of(reading.row);
        match ExpectedFate::new(kind, workload.schema(topic)) {
            ExpectedFate::Withheld | ExpectedFate::DeadLetter => None,
            ExpectedFate::Stored if kind == DataKind::NaStorm => {
                let row = usize::try_from(reading.row).ok()?;
                self.storms.get(row).copied()
            }
            ExpectedFate::Stored => Some(hash),
        }
    }

    /// Returns injected and accounted readings of each kind of fault in the plan.
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
            let dead_letters = by_reason.get(&kind).copied().unwrap_or_default();
            let accounted = match kind {
                DataKind::MissingBatch => self.withheld(ledger).saturating_sub(self.leaked),
                DataKind::OutOfOrder => reordered,
                // Retries of requests with an unknown outcome add more duplicates.
                DataKind::Duplicate => counters.producer_duplicated.get().min(injected),
                DataKind::NaStorm => self.stored_storms + dead_letters,
                DataKind::WrongType
                | DataKind::ExtraColumn
                | DataKind::MissingColumn
                | DataKind::TruncatedHeader
                | DataKind::Oversized => dead_letters,
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

    /// Counts the dead letters whose reason names the injected fault.
    fn by_reason(&self, letters: &BTreeMap<Identity, Reason>) -> BTreeMap<DataKind, u64> {
        let mut counts = BTreeMap::new();
        for (identity, letter) in letters {
            let Identity::Reading(vehicle, sequence) = identity else {
                continue;
            };
            let topics = &self.context.settings.topics;
            let topic = topics.iter().position(|topic| *topic == letter.topic);
            let fault = self.faults.fault_for(*vehicle, *sequence);
            let (Some(kind), Some(topic)) = (fault, topic) else {
                continue;
            };
            let schema = self.emission.workload.schema(topic);
            let detail = self.faults.detail(*vehicle, *sequence);
            let expected = expected_reason(kind, detail, schema);
            let too_large =
                kind == DataKind::Oversized && letter.reason.starts_with(REJECTED_BY_BROKER);
            if ExpectedFate::new(kind, schema) == ExpectedFate::DeadLetter
                && (too_large || letter.reason.contains(&expected))
            {
                *counts.entry(kind).or_default() += 1;
            }
        }
        counts
    }

    /// Replays the schedule and counts the withheld readings.
    fn withheld(&self, ledger: &Ledger) -> u64 {
        let readings = Readings::new(&self.emission.fleet);
        let scheduled = usize::try_from(scheduled(self.context, ledger)).unwrap_or(usize::MAX);
        let withheld = readings.take(scheduled).filter(|reading| {
            self.faults
                .is_in_missing_batch(reading.vehicle, reading.sequence)
        });
        withheld.count() as u64
    }
}

/// Returns the number of readings whose intended time has come, emitted or not.
pub fn scheduled(context: &Context, ledger: &Ledger) -> u64 {
    let counters = &context.counters;
    ledger.emitted + counters.withheld.get() + counters.left_out.get()
}

/// Returns the hash of each row's payload in an NA storm.
fn storms(workload: &Workload) -> Result<Vec<u64>, Error> {
    let mut buffer = EncodeBuffer::default();
    let mut changed = Vec::new();
    (0..workload.rows())
        .map(|row| {
            workload.encode(row, &mut buffer, |_label| ())?;
            DataFaultInjector::na_storm(workload, row, &buffer.payload, &mut changed);
            Ok(payload_hash(&changed))
        })
        .collect()
}
