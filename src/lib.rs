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
//! Arrows point at what a room may name; nothing names a room above it.
//!
//! ```text
//!  main ─▶ cli ─▶ command ─▶ terminal                      edge      (knows the user)
//!                   ├──────▶ report ─▶ measure, audit      output    (pure)
//!                   ▼
//!                pipeline                                  engine    (the only place with tasks and queues)
//!      ┌────────┬───┴─────┬──────────┐
//!      ▼        ▼         ▼          ▼
//!   broker   registry   store     fleet ─▶ load ◀─ faults  resources / workload
//!      └──▶ net ◀─────────┘          ▼
//!      ▼                          dataset
//!   record, measure, audit ─▶ faults                       core      (pure, synchronous)
//! ```
//!
//! Beside these: `error`, the sum of their errors, and `fuzz`, their decoders as functions of bytes,
//! which nothing of the program names.

pub mod audit;
pub mod broker;
pub mod cause;
pub mod cli;
pub mod command;
pub mod containers;
pub mod dataset;
pub mod error;
pub mod faults;
pub mod fleet;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod host;
pub mod load;
pub mod measure;
pub mod pipeline;
pub mod platform;
pub mod proxy;
pub mod record;
pub mod registry;
pub mod report;
pub mod settings;
pub mod store;
mod string_enum;
mod suggest;
pub mod summary;
pub mod terminal;
