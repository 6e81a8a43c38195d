//! Rows of CSV files: columns and their types, missing values, positions, topic folders.
//!
//! Independent of vehicles, Kafka and MongoDB; pure and synchronous.
//!
//! ```text
//!  folders, files ── layout ─▶ header ─▶ Reader ─▶ scan ─▶ Dataset ── row(n) ─▶ Row
//!                   (topics)  (where   (records,  (types,  (rows in memory,
//!                              it is)  positions)  hash)    or in their file)
//! ```
//!
//! Format of a file: UTF-8 with or without a byte order mark; fields separated by commas; lines
//! ended by LF or CRLF; fields quoted by `"` if they contain a comma, a quote (written twice) or a
//! line end; blank lines are skipped. `na` and the empty field are missing values.

mod error;
#[cfg(test)]
mod example;
mod generate;
mod header;
mod json_schema;
mod layout;
mod open;
mod reader;
mod sample;
mod scan;
mod schema;
mod split;
mod storage;

pub use error::{Error, Position};
#[cfg(test)]
pub(crate) use example::example_schema;
pub use generate::Generator;
pub use json_schema::{JsonSchema, SchemaForm};
pub use open::{Dataset, Row, RowBuffer};
pub use reader::{Reader, Record};
pub use sample::BUILT_IN;
pub use schema::{Column, ColumnType, Schema, Value, is_missing};
pub use split::Fields;
