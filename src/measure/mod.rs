//! The run's clock, the five stamps and stages, histograms, counters and their summary.
//!
//! Pure and synchronous, but for reading the clock.

pub mod clock;
pub mod histogram;
pub mod stage;

pub use clock::RunClock;
pub use histogram::{Histogram, StageSummary};
pub use stage::{Stage, Stages};
