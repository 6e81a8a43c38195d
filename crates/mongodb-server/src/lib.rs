//! An in-process document store that speaks the MongoDB wire protocol.

mod aggregation;
mod auth;
mod bson;
mod command;
mod connection;
mod engine;
mod error;
pub mod faults;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod query;
mod server;

pub use auth::User;
use command::handshake;
pub use server::{EngineError, Error, Settings, Store};

#[cfg(test)]
mod tests;
