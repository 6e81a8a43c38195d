//! The measured path and the run around it. The only room of the tool with tasks and queues of records.
//!
//! ```text
//!  emit/    emitter ─▶ queue ─▶ producer ─▶ broker
//!  ingest/  broker ─▶ consumer ─▶ queue ─▶ writer ─▶ store, checkpoint
//!  run/     phases of a run: prepare, warm up, measure, drain
//!  audit/   the store read back, and the verdict
//! ```

pub mod audit;
pub mod context;
pub mod dead_letter;
pub mod emit;
pub mod error;
pub mod value_format;
pub mod group;
pub mod ingest;
pub mod terminated;
pub mod machine;
pub mod retry;
pub mod run;
pub mod topics;

#[cfg(test)]
mod tests;

pub use self::group::consumer_process::{Consumed, Ends, consume};
pub use self::context::{Context, Settings};
pub use self::emit::workload::Workload;
pub use self::error::Error;
pub use self::terminated::Lost;
pub use self::run::producer_process::{Produced, produce};
pub use self::run::simulation::{Endpoints, Outcome, Roles, run};
pub use self::run::progress::{Observer, Phase};
