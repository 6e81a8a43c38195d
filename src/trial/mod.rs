//! Measured runs on servers that are already up.
//!
//! A [`Testbed`] holds the servers and the threads. `convoy simulate` measures one run on it and
//! stops it. Commands that compare runs start it once and make a [`Trial`] after the other: each has
//! its own topics and collection, which are removed after it, and the same seed emits the same
//! readings. Nothing in this room prints.
//!
//! ```text
//!  testbed ─▶ run (one pipeline run ─▶ Measured: report, latencies)
//!                ▲
//!    single ─────┘─▶ watch (seconds, backlog, stop rule), cleanup (topics, collections)
//! ```
//!
//! ```ignore
//! let faults = vec![plan];                     // of every trial that has some
//! let mut testbed = Testbed::start(&start, faults, Testbed::runtimes(false)?, &interrupt, |_| ())?;
//! let outcome = testbed.trial(Trial {
//!     settings: &settings,                     // of this trial; its servers are those of `start`
//!     rows: &rows,
//!     observer: Arc::new(NoDisplay),           // or one that shows progress
//!     stop_when: None,                         // or a rule that ends the emission early
//!     interrupt: &interrupt,
//!     warn: Tell(&|line| terminal.say(line)),
//! })?;
//! outcome.report.summary.throughput_records_per_second; // percentiles per stage, CPU by role, …
//! outcome.latencies.end_to_end_latency;                 // histogram of each stage
//! testbed.stop(&settings, &interrupt, terminal)?;
//! ```

mod cleanup;
mod run;
mod single;
mod testbed;
mod watch;

pub use run::{Measured, PipelineRun, Rows, replay, resolve};
pub use single::{Trial, TrialOutcome};
pub use testbed::{Start, Tell, Testbed};
pub use watch::{BacklogSample, NoDisplay, Seen, StopRule};
