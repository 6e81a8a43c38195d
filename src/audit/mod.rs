//! Ledger and verdict: the readings emitted compared with the documents stored. Pure.

mod collection;
mod first_pass;
mod ledger;
mod order;
mod reading_id;
mod scope;
mod second_pass;
mod tally;
mod verdict;

#[cfg(test)]
mod tests;

pub use collection::{ChangedDocument, CollectionPass, MissingReadings, ReorderedVehicle};
pub use first_pass::FirstPass;
pub use ledger::Ledger;
pub use order::VehicleOrder;
pub use reading_id::ReadingId;
pub use scope::Scope;
pub use second_pass::{Expected, SecondPass};
pub use tally::{Tally, fingerprint};
pub use verdict::{FaultAccount, LabelCount, Verdict};
