//! Reports built from the outcome of a command, and the display of its progress.
//!
//! ```text
//!  simulate, null_sink, produce, consume ─▶ builder ─▶ Report
//!                                             └▶ measurements, cpu, machine, dataset
//! ```

mod builder;
mod consume;
mod cpu;
mod dataset;
mod display;
mod machine;
mod measurements;
mod present;
mod produce;
mod simulate;
mod topology;

pub use builder::Process;
pub use consume::consumer_report;
pub use cpu::{Baseline, CpuUse};
pub use dataset::describe_dataset;
pub use display::{Display, ExpectedPhases};
pub use present::{check_outputs, exit_status, present_report, record_failure};
pub use produce::producer_report;
pub use simulate::{null_sink_report, simulate_report};
