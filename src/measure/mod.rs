//! The run's clock, the five stamps and stages, histograms, counters and recorders.
//!
//! Pure and synchronous, but for reading the clock.

pub mod counters;
pub mod histogram;
pub mod interval;
pub mod recorder;
pub mod stage;

pub use convoy_server_kit::clock::{self, RunClock, nanos, thread_cpu_time};
pub use counters::Counters;
pub use histogram::{Histogram, StageSummary};
pub use interval::Interval;
pub use recorder::{IntervalSums, Recorder, Recording};
pub use stage::{Stage, Stages};
