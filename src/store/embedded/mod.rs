//! An in-process document store that speaks the MongoDB wire protocol.

mod bson;
mod command;
mod connection;
mod engine;
mod error;
mod frame;
mod pipeline;
mod query;
mod server;

use command::handshake;
pub use server::{EngineError, Error, Settings, Store};

#[cfg(test)]
mod tests;
