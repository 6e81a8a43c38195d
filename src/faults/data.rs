//! Faults of readings: a function of seed, vehicle and sequence.

use crate::faults::kind::DataKind;
use crate::faults::plan::Plan;
use crate::load::{random_bits, unit_interval};

/// Consecutive readings of a vehicle that a missing batch omits.
pub(super) const BATCH: u64 = 10;

/// Keeps the choice of readings independent of other choices with the same seed.
const KIND_STREAM: u64 = 0x6461_7461;
/// The same for missing batches.
const BATCH_STREAM: u64 = 0x6261_7463;
/// The same for the change within a reading.
const DETAIL_STREAM: u64 = 0x6465_7461;

/// The fault of every reading of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFaults {
    seed: u64,
    missing_batch: f64,
    /// Kinds in order, each with the end of its interval within [0, 1).
    ends: Vec<(DataKind, f64)>,
}

impl DataFaults {
    /// Takes the data faults of a plan; `None` if it has none.
    pub fn from_plan(plan: &Plan, seed: u64) -> Option<Self> {
        if plan.data.is_empty() {
            return None;
        }
        let (mut missing_batch, mut end, mut ends) = (0.0, 0.0, Vec::new());
        for (kind, share) in &plan.data {
            if *kind == DataKind::MissingBatch {
                missing_batch = share.value();
            } else {
                end += share.value();
                ends.push((*kind, end));
            }
        }
        Some(Self {
            seed,
            missing_batch,
            ends,
        })
    }

    /// Returns the kinds of the plan except missing batches.
    pub fn kinds(&self) -> impl Iterator<Item = DataKind> {
        self.ends.iter().map(|(kind, _)| *kind)
    }

    /// Returns whether the plan has a kind.
    pub fn declares(&self, kind: DataKind) -> bool {
        match kind {
            DataKind::MissingBatch => self.missing_batch > 0.0,
            kind => self.kinds().any(|declared| declared == kind),
        }
    }

    /// Returns the fault of a reading.
    pub fn fault_for(&self, vehicle: u32, sequence: u64) -> Option<DataKind> {
        if self.is_in_missing_batch(vehicle, sequence) {
            return Some(DataKind::MissingBatch);
        }
        let place = unit_interval(self.draw(KIND_STREAM, vehicle, sequence));
        let (kind, _) = self.ends.iter().find(|(_, end)| place < *end)?;
        Some(*kind)
    }

    /// Returns whether a reading belongs to a missing batch and is never emitted.
    pub fn is_in_missing_batch(&self, vehicle: u32, sequence: u64) -> bool {
        self.missing_batch > 0.0
            && unit_interval(self.draw(BATCH_STREAM, vehicle, sequence / BATCH))
                < self.missing_batch
    }

    /// Returns random bits that choose the change within a reading.
    pub fn detail(&self, vehicle: u32, sequence: u64) -> u64 {
        self.draw(DETAIL_STREAM, vehicle, sequence)
    }

    fn draw(&self, stream: u64, vehicle: u32, number: u64) -> u64 {
        random_bits(self.seed ^ stream, u64::from(vehicle), number)
    }
}
