//! Forms of a report for CI systems.
//!
//! | form | for |
//! |---|---|
//! | [`write_junit`] | test reports |
//! | [`write_markdown`] | the summary of a job |
//! | [`bencher_metric_format`], [`action_benchmark`] | services that follow figures over time |

mod export;
mod junit;
mod markdown;

pub use export::{action_benchmark, bencher_metric_format};
pub use junit::{write as write_junit, write_failure as write_junit_failure};
pub use markdown::write as write_markdown;
