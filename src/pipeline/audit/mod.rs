//! The verdict: documents of the store compared with the emitted readings.

mod accounting;
mod scan;

pub use accounting::Accounting;
pub use scan::{Case, EmittedSchedule, count_repetitions, verdict};
