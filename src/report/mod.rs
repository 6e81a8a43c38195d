//! The report of a run: its value, the warnings in it, and its forms.
//!
//! Pure but for [`RunDirectory`], which writes files. Every renderer takes a [`Report`] and a
//! `Write`, so that what was measured is never mixed with how it is shown. Knows nothing of tasks,
//! brokers or flags: whoever ran the pipeline fills the value in.
//!
//! | form | file | for |
//! |---|---|---|
//! | [`text`] | stdout | people |
//! | [`json`] | `report.json` | programs, comparison, a re-run |
//! | [`csv`] | `intervals.csv` | plots of the run over time |
//! | [`latency_log`] | `latency.hdr` | every histogram, for HdrHistogram tools |

pub mod csv;
pub mod faults;
pub mod files;
pub mod json;
pub mod latency_log;
pub mod machine;
pub mod merge;
pub mod processes;
pub mod quantity;
pub mod stored;
pub mod text;
pub mod threshold;
pub mod value;
pub mod warning;

#[cfg(test)]
mod sample;

pub use files::{Error, PartialFile, RunDirectory};
pub use latency_log::LatencyLog;
pub use machine::{BuildProfile, Environment};
pub use processes::{Consumed, Merged, Produced, Schedule, Stint};
pub use stored::{Stored, read_report};
pub use threshold::{Threshold, ThresholdName};
pub use value::{
    BackendKind, CpuPerRecord, Dataset, Durability, Report, Run, Status, Summary, Topology,
};
pub use warning::{Facts, Notice, Warning};
