//! Appends records to a partition: batches in one buffer, one request in flight, a definite outcome.
//!
//! ```text
//!  NewRecord ─▶ Batch: │ room for the request │ batch header │ record │ record │ …
//!                                 └─ request and header are written before the records: one write
//! ```
//!
//! A record is encoded when it is pushed, so that nothing is kept of it but its bytes in the batch.

mod batch;
mod frame;
mod outcome;
mod partition;
#[cfg(test)]
mod tests;

pub use batch::{BATCH_BYTES, Batch, HeaderRef, NewRecord, Value};
pub use outcome::ProduceOutcome;
pub use partition::Producer;
