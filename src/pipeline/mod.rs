//! The measured path: emitter → producer → broker → consumer → writer → store, and the run around
//! it. The only room with tasks and queues.

pub mod accounting;
pub mod acks;
pub mod audit;
pub mod checkpoint;
pub mod consume;
pub mod consumer;
pub mod context;
pub mod dead_letter;
pub mod emitter;
pub mod error;
pub mod experiment;
pub mod form;
pub mod group;
pub mod intake;
pub mod lost;
pub mod machine;
pub mod message;
pub mod prepare;
pub mod produce;
pub mod producer;
pub mod progress;
pub mod queue;
pub mod retry;
pub mod router;
pub mod running;
pub mod schemas;
pub mod spoil;
pub mod stopwatch;
pub mod topics;
pub mod workload;
pub mod writer;

#[cfg(test)]
mod tests;

pub use consume::{Consumed, Ends, consume};
pub use context::{Context, Settings};
pub use error::Error;
pub use experiment::{Endpoints, Outcome, Roles, run};
pub use lost::Lost;
pub use produce::{Produced, produce};
pub use progress::{Observer, Phase};
pub use workload::Workload;
