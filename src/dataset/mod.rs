//! Rows: CSV with positions, columns and their types, missing values, topic folders.
//!
//! Knows nothing of vehicles, Kafka or MongoDB; pure and synchronous.
//!
//! ```text
//!  folders, files ── layout ─▶ header ─▶ Reader ─▶ scan ─▶ Dataset ── row(n) ─▶ Row
//!                   (topics)  (where   (records,  (types,  (rows in memory,
//!                              it is)  positions)  hash)    or in their file)
//! ```
//!
//! What a file may look like: UTF-8 with or without a byte order mark; fields separated by commas;
//! lines ended by LF or CRLF; fields quoted by `"` where they contain a comma, a quote (written
//! twice) or a line end; blank lines are skipped. `na` and the empty field are missing values.

pub mod error;
pub mod generate;
mod header;
pub mod json_schema;
mod layout;
mod open;
pub mod reader;
pub mod sample;
mod scan;
pub mod schema;
mod split;
mod storage;

pub use error::{Error, Position};
pub use json_schema::{Form, JsonSchema};
pub use open::{Dataset, Row, RowBuffer};
pub use reader::Reader;
pub use schema::{Column, ColumnType, Schema, Value};
