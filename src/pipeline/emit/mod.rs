//! From the schedule to the broker: emitter ─▶ router ─▶ queue ─▶ producer, one per partition.

mod acks;
mod data_faults;
mod emitter;
mod message;
mod partition_producer;
mod queue;
mod router;
mod workload;

pub use acks::{Acked, Acks};
pub use data_faults::{DataFaultInjector, ExpectedFate, expected_reason};
pub use emitter::{Sink, StopFlag, emit};
pub use partition_producer::{PartitionProducer, ProducerPartition};
pub use queue::Queue;
pub use router::{NullSink, Router};
pub use workload::{EncodeBuffer, Workload};
