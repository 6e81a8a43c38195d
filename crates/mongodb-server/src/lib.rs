//! An in-process document store that speaks the MongoDB wire protocol.

pub mod bson;
mod command;
mod connection;
mod engine;
mod error;
mod faults;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod pipeline;
mod query;
mod server;
mod settings;
mod upkeep;

pub use convoy_server_kit::{FaultHook, Limits, Secret, User};
pub use faults::{ErrorReply, Fault, Faults, Interruption, Moment};
pub use server::{Error, MongoServer, StorageError};
pub use settings::Settings;

#[cfg(test)]
mod tests;
