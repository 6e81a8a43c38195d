//! What the pass over all rows found in the columns.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::dataset::columns::evidence::Extent;
use crate::dataset::columns::names::Renamed;
use crate::dataset::columns::notes::Note;
use crate::dataset::schema::ColumnType;

/// Types, values and names of the columns of a dataset.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Findings {
    /// Values of each column, in file order.
    pub columns: Vec<ColumnFindings>,
    /// Columns whose field does not have the name of the header.
    pub renamed: Vec<Renamed>,
    /// Cells by their marker of a missing value; only markers that occur.
    pub missing_markers: BTreeMap<String, u64>,
    /// Remarks about columns.
    pub notes: Vec<Note>,
}

/// Type and values of one column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnFindings {
    /// Name of the field.
    pub name: String,
    /// Type.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Rows without a value.
    pub missing: u64,
    /// Rows without a value ÷ rows.
    pub missing_share: f64,
    /// Smallest, largest and first value.
    #[serde(flatten)]
    pub extent: Extent,
}
