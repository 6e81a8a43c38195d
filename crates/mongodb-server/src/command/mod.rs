//! Commands: one file per family, found by name, run on a thread that may block.
//!
//! A command checks its arguments, reads or writes documents through the engine and returns the
//! fields of its reply. Errors have MongoDB's codes. An unknown argument is an error, never ignored.

#![expect(clippy::unnecessary_wraps, reason = "all commands have one form")]

pub mod aggregate;
pub mod arguments;
pub mod catalog;
pub mod client;
pub mod count;
pub mod counters;
pub mod cursor;
pub mod cursors;
pub mod delete;
pub mod diagnostics;
pub mod expiry;
pub mod explain;
pub mod find;
pub mod find_and_modify;
pub mod handshake;
pub mod indexes;
pub mod insert;
pub mod limits;
pub mod missing;
pub mod query;
pub mod read_concern;
pub mod sasl;
pub mod sessions;
pub mod shared;
pub mod statement;
pub mod statistics;
pub mod table;
pub mod update;
pub mod write_concern;

pub use arguments::Call;
pub use client::Client;
pub use counters::Counters;
pub use cursors::Cursors;
pub use shared::Shared;
pub use table::{execute, reject_document};
