//! From the broker to the store.

pub mod checkpoint;
pub mod partition_consumer;
pub mod replay;
pub mod intake;
pub mod schemas;
pub mod stopwatch;
pub mod writer;
