//! Columns: the names and types of fields, by the header and the cells.
//!
//! ```text
//!  header ─▶ names ─────────────────────┐
//!  cells ─▶ missing ─▶ cell ─▶ evidence ─┴▶ Column, Note
//!                       └ number, date
//!  cells ─▶ syntax ─▶ JSON
//! ```

mod cell;
mod date;
mod evidence;
mod findings;
mod missing;
mod names;
mod notes;
mod number;
mod syntax;

pub use date::{parse_written as parse_date, write as write_date};
pub use evidence::{CellAt, Extent};
pub(in crate::dataset) use evidence::{Evidence, Place};
pub use findings::{ColumnFindings, Findings};
pub use missing::{MISSING_LABEL, Markers};
pub use names::Renamed;
pub(in crate::dataset) use names::{RenameError, field_names};
pub use notes::Note;
pub(in crate::dataset) use notes::Notes;
pub use number::{DecimalPoint, significant_digits};
pub use syntax::CellSyntax;
pub(in crate::dataset) use syntax::label;
