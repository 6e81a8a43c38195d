//! From the broker to the store.

pub mod checkpoint;
pub mod consumer;
pub mod intake;
pub mod schemas;
pub mod stopwatch;
pub mod writer;
