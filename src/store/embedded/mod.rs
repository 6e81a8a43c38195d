//! An in-process document store that speaks the MongoDB wire protocol.
mod bson;
mod engine;
mod error;
mod frame;
mod pipeline;
mod query;
