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
mod live;
mod live_metrics;
mod machine;
mod measurements;
mod present;
mod produce;
mod simulate;
mod topology;

pub use builder::Process;
pub use consume::{consumer_report, starting_consumer};
pub use cpu::{Baseline, CpuUse};
pub use dataset::describe_dataset;
pub use display::{Display, ExpectedPhases};
pub use live::{LiveView, Screen, UNKNOWN_VEHICLES};
pub use present::{check_outputs, exit_status, present_report, record_failure};
pub use produce::{producer_report, starting_producer};
pub use simulate::{describe_servers, null_sink_report, simulate_report, starting_simulation};
