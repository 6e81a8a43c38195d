//! A small schema for tests.

use crate::dataset::schema::{Column, ColumnType, Schema};

/// Returns a schema with one nullable column of each type: `class`, `aa_000` and `bt_000`.
pub(crate) fn example_schema() -> Schema {
    let column = |name: &str, kind| Column {
        name: name.to_owned(),
        kind,
        nullable: true,
    };
    Schema {
        columns: vec![
            column("class", ColumnType::Text),
            column("aa_000", ColumnType::Integer),
            column("bt_000", ColumnType::Decimal),
        ],
    }
}
