//! From the schedule to the broker.

pub mod acks;
pub mod emitter;
pub mod message;
pub mod producer;
pub mod queue;
pub mod router;
pub mod spoil;
pub mod workload;
