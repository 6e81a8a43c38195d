//! convoy drives a fleet of simulated vehicles through a real Kafka → MongoDB pipeline and proves
//! what arrived, how fast and how late.
//!
//! # Words
//!
//! *row* (CSV) → *reading* (one row emitted by one vehicle, with a sequence) → *message* (bytes on
//! the wire) → *record* (in the broker) → *document* (in the store).
//!
//! # Rooms
//!
//! Each row names every room that its room imports, and rooms import only rooms in rows below.
//!
//! ```text
//!   main ─▶ cli
//! ```

pub mod audit;
pub mod broker;
pub mod cause;
mod cli;
mod command;
pub mod containers;
pub mod dataset;
mod error;
pub mod faults;
pub mod fleet;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod host;
pub mod load;
pub mod measure;
pub mod pipeline;
pub mod platform;
mod program;
pub mod proxy;
pub mod record;
pub mod registry;
pub mod report;
mod run_id;
mod settings;
pub mod store;
mod string_enum;
mod suggest;
pub mod summary;
pub mod terminal;

pub use program::main;
