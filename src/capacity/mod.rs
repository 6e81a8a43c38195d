//! The most vehicles within a limit of the end-to-end p99, without loss and without a growing
//! backlog.
//!
//! Pure: the search decides by the trials so far, and the commands make them.
//!
//! | file | owns |
//! |---|---|
//! | `assess.rs` | what a trial says about its load, and when it is hopeless |
//! | `slope.rs` | straight lines with bounds |
//! | `isotonic.rs` | a rising curve through noisy margins |
//! | `plan.rs` | bounds and durations |
//! | `search.rs` | the next trial, and when to end |
//! | `answer.rs` | what is known at the end |
//! | `text.rs`, `page.rs` | forms of the answer |
//!
//! # References
//!
//! - `AIPerf`: smooth isotonic search for the most concurrency under a limit (2026).
//! - `MLRsearch`, draft-ietf-bmwg-mlrsearch: a load is a bound only if more trials cannot change it.

mod answer;
mod assess;
mod bootstrap;
mod isotonic;
mod page;
mod plan;
mod probe;
mod search;
mod slope;
#[cfg(test)]
mod tests;
mod text;

pub use answer::{Answer, Origin, Terms};
pub use assess::{Limits, assess, is_hopeless};
pub use page::write as write_page;
pub use plan::{Plan, amount};
pub use probe::{Binding, Goal, Probe, Purpose};
pub use search::{Ended, Search, Step};
pub use text::{progress_line, write as write_text};
