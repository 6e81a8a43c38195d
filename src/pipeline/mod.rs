//! The measured path and the run around it. The only room of the tool with tasks and queues of records.
//!
//! ```text
//!  emit/    emitter ─▶ queue ─▶ producer ─▶ broker
//!  ingest/  broker ─▶ consumer ─▶ queue ─▶ writer ─▶ store, checkpoint
//!  run/     phases of a run: prepare, warm up, measure, drain
//!  audit/   the store read back, and the verdict
//! ```

pub mod audit;
pub mod consume;
pub mod context;
pub mod dead_letter;
pub mod emit;
pub mod error;
pub mod form;
pub mod group;
pub mod ingest;
pub mod lost;
pub mod machine;
pub mod produce;
pub mod retry;
pub mod run;
pub mod topics;

#[cfg(test)]
mod tests;

pub use self::consume::{Consumed, Ends, consume};
pub use self::context::{Context, Settings};
pub use self::emit::workload::Workload;
pub use self::error::Error;
pub use self::lost::Lost;
pub use self::produce::{Produced, produce};
pub use self::run::experiment::{Endpoints, Outcome, Roles, run};
pub use self::run::progress::{Observer, Phase};
