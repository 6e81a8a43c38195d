//! Rows: CSV with positions, columns and their types, missing values, topic folders.
//!
//! Knows nothing of vehicles, Kafka or MongoDB.

pub mod schema;

pub use schema::{Column, ColumnType, Schema, Value};
