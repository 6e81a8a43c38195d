//! Which readings are spoilt, and how: a function of seed, vehicle and sequence.

use crate::faults::kind::DataKind;
use crate::faults::plan::{Plan, unit};
use crate::load::random;

/// Readings of a vehicle in a row that a missing batch takes away.
pub const BATCH: u64 = 10;

/// Keeps the choice of readings independent of other choices of the same seed.
const KIND_STREAM: u64 = 0x6461_7461;
/// The same for the batches that are missing.
const BATCH_STREAM: u64 = 0x6261_7463;
/// The same for what is changed in a reading.
const DETAIL_STREAM: u64 = 0x6465_7461;

/// Tells what happens to each reading of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFaults {
    seed: u64,
    missing_batch: f64,
    /// Kinds with the end of their share of 0 to 1, in order.
    ends: Vec<(DataKind, f64)>,
}

impl DataFaults {
    /// Takes what a plan does to data; none if it does nothing.
    pub fn of(plan: &Plan, seed: u64) -> Option<Self> {
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

    /// Returns the kinds that may strike, missing batches apart.
    pub fn kinds(&self) -> impl Iterator<Item = DataKind> {
        self.ends.iter().map(|(kind, _)| *kind)
    }

    /// Returns whether a kind may strike.
    pub fn declares(&self, kind: DataKind) -> bool {
        match kind {
            DataKind::MissingBatch => self.missing_batch > 0.0,
            kind => self.kinds().any(|declared| declared == kind),
        }
    }

    /// Returns what happens to a reading.
    pub fn strikes(&self, vehicle: u32, sequence: u64) -> Option<DataKind> {
        if self.withholds(vehicle, sequence) {
            return Some(DataKind::MissingBatch);
        }
        let place = unit(self.draw(KIND_STREAM, vehicle, sequence));
        let struck = self.ends.iter().find(|(_, end)| place < *end)?;
        Some(struck.0)
    }

    /// Returns whether a reading is never emitted.
    pub fn withholds(&self, vehicle: u32, sequence: u64) -> bool {
        self.missing_batch > 0.0
            && unit(self.draw(BATCH_STREAM, vehicle, sequence / BATCH)) < self.missing_batch
    }

    /// Returns random bits that decide what is changed in a reading.
    pub fn detail(&self, vehicle: u32, sequence: u64) -> u64 {
        self.draw(DETAIL_STREAM, vehicle, sequence)
    }

    fn draw(&self, stream: u64, vehicle: u32, number: u64) -> u64 {
        random::bits(self.seed ^ stream, u64::from(vehicle), number)
    }
}
