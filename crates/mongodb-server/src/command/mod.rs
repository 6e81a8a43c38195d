//! Commands: one file per family, found by name, run on a thread that may block.
//!
//! A command checks its arguments, reads or writes documents through the engine and returns the
//! fields of its reply. Errors have MongoDB's codes. An unknown argument is an error, never ignored.

#![expect(clippy::unnecessary_wraps, reason = "all commands have one form")]

mod aggregate;
mod arguments;
mod bulk_op;
mod bulk_write;
mod catalog;
mod change_stream;
mod client;
mod clustered;
mod collection_options;
mod count;
mod counters;
mod create;
mod cursor;
mod cursors;
mod delete;
mod diagnostics;
mod expiry;
mod explain;
mod find;
mod find_and_modify;
mod generic;
mod handshake;
mod indexes;
mod insert;
mod kinds;
mod limits;
mod merge;
mod missing;
mod modify;
mod new_index;
mod operations;
mod out;
mod parameter_values;
mod parameters;
mod query;
mod read_concern;
mod replica_set;
mod retry;
mod running;
mod sasl;
mod sessions;
mod shared;
mod statement;
mod statistics;
mod storage_options;
mod system;
mod table;
mod tailable;
mod time_series;
mod top;
mod update;
mod view;
mod write_concern;

pub use arguments::Call;
pub use client::Client;
pub use counters::Counters;
pub use cursors::Cursors;
pub use expiry::expire;
pub use limits::MAX_MESSAGE_BYTES;
pub use parameter_values::Parameters;
pub use running::Operations;
pub use shared::Shared;
pub use table::{execute, reject_document};
