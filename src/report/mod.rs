//! Report of a run: its content, its warnings, and its forms.
//!
//! Pure except for [`RunDirectory`] and [`SavedReport`], which write and read files. Every renderer
//! takes a [`Report`] and a `Write`. `summary` fills the report in.
//!
//! | form | file | for |
//! |---|---|---|
//! | [`write_text`] | stdout | people |
//! | [`write_json`] | `report.json` | programs, comparison, a re-run |
//! | `html` | `report.html` | people: charts, and everything to repeat the run |
//! | `csv` | `intervals.csv` | plots of the run over time |
//! | [`comparison`] | stdout | two sides of runs |
//! | `ci` | chosen by the user | CI systems |
//! | [`EventLog`] | chosen by the user | programs that follow a run |
//! | [`append_to_history`] | `history.csv` | figures of all runs |
//! | [`LatencyLog`] | `latency.hdr` | every histogram, for HdrHistogram tools |

mod bounds;
mod ci;
pub mod comparison;
mod csv;
mod events;
mod external;
mod failure;
pub mod faults;
mod files;
mod finding;
mod history;
mod html;
mod json;
mod latency_log;
mod littles_law;
mod machine;
mod merge;
mod notice;
mod past_runs;
mod processes;
mod saved;
mod summary;
mod tail;
mod text;
mod threshold;
mod topology;
mod value;
mod warning;

#[cfg(test)]
mod sample;

pub use crate::text::quantity;
pub use bounds::add_bounds;
pub use ci::{
    action_benchmark, bencher_metric_format, write_junit, write_junit_failure, write_markdown,
};
pub use events::EventLog;
pub use external::{ConsumerExit, ExitCause, External};
pub use files::{Error, PartialFile, RunDirectory, save_report};
pub use finding::{Confidence, Finding, findings};
pub use history::History;
pub use html::{
    Age, LivePage, LiveTable, START as PAGE_START, page_head, svg, tables_page, vehicle_detail,
    vehicle_failure,
};
pub use json::write as write_json;
pub use latency_log::LatencyLog;
pub use machine::{BuildProfile, Machine};
pub use merge::{MergeError, merge, producers};
pub use notice::Notice;
pub use past_runs::{HISTORY_FILE, append as append_to_history};
pub use processes::{Consumed, Lag, Merged, Ownership, PartitionLag, Produced, Schedule};
pub use saved::{SavedReport, read_report, rebuild_page};
pub use summary::{CpuPerRecord, Summary};
pub use tail::{Tail, TailOrigin};
pub use text::write as write_text;
pub use threshold::{Threshold, ThresholdName};
pub use topology::{BackendKind, Durability, Topology};
pub use value::{BadRow, Dataset, FORMAT_VERSION, Outcome, Report, Run, Status, rfc3339};
pub use warning::{Facts, Pace, Warning};
