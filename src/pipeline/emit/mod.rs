//! From the schedule to the broker.

pub mod acks;
pub mod emitter;
pub mod message;
pub mod partition_producer;
pub mod queue;
pub mod router;
pub mod data_faults;
pub mod workload;
