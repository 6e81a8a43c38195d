//! Fault injection during a run: the schedule, its effect on the servers, and the report's section.
//!
//! ```text
//!  Plan ─┬▶ FailPoints: asked by embedded servers, and by proxies before other servers, at every
//!        │             request (probabilities, hangs, delays)
//!        └▶ Injector:   restarts, crashes and pauses servers on schedule
//!                └▶ Record ─▶ section ─▶ report
//! ```

mod injector;
mod section;

pub(crate) use injector::Watched;
pub use injector::{Happened, Injector, Record};
pub use section::section;
