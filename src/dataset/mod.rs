//! Rows of CSV files: columns and their types, missing values, positions, topic folders.
//!
//! Independent of vehicles, Kafka and MongoDB; pure and synchronous.
//!
//! ```text
//!  folders, files ── layout ─▶ source ─▶ Reader ─▶ pass ─▶ Dataset ── row(n) ─▶ Row
//!                   (topics)  (text     (records,  (types,  (rows in memory,
//!                              in UTF-8)  header)    hash)    or in a file)
//! ```
//!
//! Format of a file: text in UTF-8, or in the encoding of its byte order mark or of the options;
//! plain, or compressed with gzip or zstd; fields separated by `,`, `;`, a tab or `|`, whichever
//! splits header and rows equally; lines ended by LF or CRLF, or by CR alone; blanks around fields
//! are removed; fields quoted by `"` if they contain a delimiter, a quote (written twice) or a line
//! end; blank lines are skipped. [`ReadOptions`] states what differs, and [`Assumptions`] tells what
//! was taken for granted.

mod assumptions;
mod bad_rows;
mod columns;
mod decode;
mod defect;
mod error;
#[cfg(test)]
mod example;
mod first_rows;
mod generate;
mod header;
mod json_schema;
mod layout;
mod lines;
mod open;
mod opening;
mod options;
mod origin;
mod pass;
mod reader;
mod sample;
mod scan;
mod schema;
mod source;
mod split;
mod spool;
mod storage;
mod window;

pub use assumptions::{Assumed, Assumptions, BadRow, Basis, Compression, FileAssumptions, Skipped};
pub use columns::{
    CellAt, CellSyntax, ColumnFindings, DecimalPoint, Extent, Findings, MISSING_LABEL, Markers,
    Note, Renamed, parse_date, significant_digits, write_date,
};
pub use defect::{Defect, Place};
pub use error::{Binary, Error, Position};
#[cfg(test)]
pub(crate) use example::example_schema;
pub use generate::Generator;
pub use json_schema::{JsonSchema, SchemaForm};
pub use open::{Dataset, Row, RowBuffer};
pub use options::{Delimiter, NullValues, OnBadRow, ReadOptions, Rename, Renames, TextEncoding};
pub use pass::Progress;
pub use reader::{Reader, Record};
pub use sample::BUILT_IN;
pub use schema::{Column, ColumnType, Schema};
pub use split::Fields;
