//! From the broker to the store: consumer, one per partition ─▶ writer ─▶ documents, checkpoints.

mod checkpoint;
mod fetching;
mod group_intake;
mod intake;
mod partition_consumer;
mod replay;
mod run_intake;
mod schema_checks;
mod schemas;
mod stopwatch;
mod writer;

pub use checkpoint::Checkpoints;
pub use group_intake::GroupIntake;
pub use partition_consumer::{ConsumerPartition, End, PartitionConsumer, ProducerAcks};
pub use replay::replay;
pub use run_intake::RunIntake;
pub use schemas::Schemas;
pub use writer::{CHECKPOINT_WINDOW, Targets, WRITER_INPUT, Writer};
