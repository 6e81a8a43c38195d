//! The measured path and the run around it. The only room of the tool with tasks and queues of
//! records.
//!
//! ```text
//!  emit/         emitter ─▶ queue ─▶ producer ─▶ broker
//!  ingest/       broker ─▶ consumer ─▶ queue ─▶ writer ─▶ store, checkpoint
//!  dead_letter/  rejected records and messages
//!  machine/      decisions of producers and writers, pure
//!  run/          phases of a run: prepare, warm up, measure, drain
//!  group/        consumers that share the partitions
//!  external/     runs whose consumer is another program
//!  audit/        documents compared with readings, and the verdict
//! ```

mod audit;
mod context;
mod dead_letter;
mod emit;
mod error;
mod external;
mod group;
mod ingest;
mod interrupt;
mod lag;
mod machine;
mod outage;
mod retry;
mod run;
mod settings;
mod terminated;
mod topic_partition;
mod topics;
mod value_format;

#[cfg(test)]
mod tests;

pub use self::audit::{Case, EmittedSchedule, verdict};
pub use self::context::Context;
pub use self::dead_letter::TOPIC_SUFFIX as DEAD_LETTER_TOPIC_SUFFIX;
pub use self::emit::{NullSink, Sink, StopFlag, Workload, emit};
pub use self::error::Error;
pub use self::external::{
    Arrivals, Collected, ConsumerProcess, ExternalRun, ExternalSettings, Loaded, ProcessState,
    Settled, group_name,
};
pub use self::group::{
    Consumed, ConsumerSettings, Ending, Length, Ownership, Participation, PartitionLag,
    SessionOutcome, Start, Timing, consume,
};
pub use self::ingest::CHECKPOINT_WINDOW;
pub use self::interrupt::Interrupt;
pub use self::run::{
    Endpoints, INTERVAL, Observer, Outcome, Phase, Produced, ProducerSettings, Roles,
    SimulationSettings, Totals, produce, run,
};
pub use self::settings::{
    EmissionSettings, OnError, Settings, StorageSettings, Timeouts, TopicCreation,
    dead_letter_collection,
};
pub use self::terminated::TerminatedServers;
pub use self::topic_partition::TopicPartition;
