//! convoy simulates a fleet of vehicles that send sensor data through Kafka into MongoDB. It
//! measures the whole path and compares what was emitted with what is stored.
//!
//! # Terms
//!
//! A *row* of a CSV file becomes a *reading* (one row emitted by one vehicle, numbered), a *message*
//! (bytes on the wire), a *record* (in the broker) and a *document* (in the store).
//!
//! # Rooms
//!
//! Each row names every room that its room imports, and rooms import only rooms in rows below.
//!
//! ```text
//!        fuzz ─▶ dataset, proxy, record, registry
//!     program ─▶ cli, command, error, host, settings, terminal, text
//!         cli ─▶ broker, command, containers, dataset, faults, fleet, load, pipeline, record, report, settings, store, suggest, sweep, terminal, web
//!     command ─▶ audit, broker, capacity, cause, containers, dataset, error, faults, fleet, host, load, measure, pipeline, platform, record, registry, report, run_id, settings, statistics, store, summary, sweep, terminal, text, trial, web
//!    capacity ─▶ cause, load, measure, report, string_enum, text, trial
//!       trial ─▶ broker, cause, error, faults, host, measure, pipeline, report, run_id, settings, store, summary, terminal
//!     summary ─▶ audit, cause, containers, dataset, error, fleet, host, load, measure, pipeline, platform, record, report, settings, store, terminal, web
//!      run_id ─▶ measure, report
//!        host ─▶ broker, cause, containers, error, faults, fleet, load, measure, pipeline, platform, proxy, record, registry, report, settings, store, terminal
//!    settings ─▶ audit, broker, containers, dataset, faults, fleet, load, pipeline, report, string_enum, sweep, web
//!       sweep ─▶ load, string_enum, text
//!       error ─▶ containers, dataset, faults, pipeline, registry, report, web
//!      report ─▶ audit, measure, record, statistics, string_enum, text
//!    pipeline ─▶ audit, broker, cause, containers, dataset, faults, fleet, load, measure, record, registry, store, string_enum
//!       store ─▶ cause, containers, record
//!       fleet ─▶ load, string_enum
//!       audit ─▶ faults, record
//!      faults ─▶ load, string_enum, suggest
//!        load ─▶ string_enum
//!      broker ─▶ cause, containers, record, string_enum
//!      record ─▶ dataset
//!     dataset ─▶ string_enum, suggest, text
//!  containers ─▶ measure, platform
//!    terminal ─▶ cause, measure, string_enum, text
//! ```

pub mod audit;
pub mod broker;
pub mod capacity;
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
mod statistics;
pub mod store;
mod string_enum;
mod suggest;
pub mod summary;
pub mod sweep;
pub mod terminal;
pub mod text;
pub mod trial;
pub mod web;

pub use program::main;
