//! Results of one pass over all rows: column types, missing values, labels, content hash.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::Xxh3;

use crate::dataset::schema::{Column, ColumnType, Schema, is_missing};
use crate::dataset::split::Fields;

/// Maximum number of distinct values of a label column.
const MAX_LABELS: usize = 64;

/// State of the pass.
pub(super) struct Scan {
    columns: Vec<Seen>,
    labels: Labels,
    hash: Xxh3,
    rows: u64,
}

/// Rows per value of the label column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) column: Option<usize>,
    pub(super) rows: BTreeMap<String, u64>,
}

/// Result of the pass.
pub(super) struct Scanned {
    pub(super) schema: Schema,
    pub(super) labels: Labels,
    pub(super) hash: u64,
    pub(super) rows: u64,
}

/// A column, as inferred from the rows so far.
struct Seen {
    name: String,
    kind: Option<ColumnType>,
    nullable: bool,
}

impl Scan {
    /// Starts with the column names.
    pub(super) fn new(names: &[String]) -> Self {
        let columns = names.iter().map(|name| Seen {
            name: name.clone(),
            kind: None,
            nullable: false,
        });
        let mut scan = Self {
            columns: columns.collect(),
            labels: Labels {
                column: names.iter().position(|name| name == "class"),
                rows: BTreeMap::new(),
            },
            hash: Xxh3::new(),
            rows: 0,
        };
        scan.hash_canonical(names.iter().map(String::as_str));
        scan
    }

    /// Adds the next row.
    pub(super) fn see(&mut self, fields: &Fields<'_>) {
        self.rows += 1;
        for (column, text) in self.columns.iter_mut().zip(fields.iter()) {
            column.see(text);
        }
        match fields.plain() {
            Some(text) => {
                self.hash.update(text.as_bytes());
                self.hash.update(b"\n");
            }
            None => self.hash_canonical(fields.iter()),
        }
        if let Some(column) = self.labels.column {
            self.labels.count(fields.get(column));
        }
    }

    pub(super) fn finish(mut self) -> Scanned {
        let columns = self.columns.into_iter().map(|seen| Column {
            name: seen.name,
            kind: seen.kind.unwrap_or(ColumnType::Text),
            nullable: seen.nullable,
        });
        let schema = Schema {
            columns: columns.collect(),
        };
        if self.labels.column != schema.label_column() {
            self.labels.column = None;
        }
        if self.labels.column.is_none() {
            self.labels.rows.clear();
        }
        Scanned {
            schema,
            labels: self.labels,
            hash: self.hash.digest(),
            rows: self.rows,
        }
    }

    /// Hashes a record in canonical form, which quotes only fields that need it, so that the hash
    /// depends on the content and not on the quoting.
    fn hash_canonical<'a>(&mut self, fields: impl Iterator<Item = &'a str>) {
        for (index, field) in fields.enumerate() {
            if index > 0 {
                self.hash.update(b",");
            }
            if field.contains([',', '"', '\n', '\r']) {
                self.hash.update(b"\"");
                self.hash.update(field.replace('"', "\"\"").as_bytes());
                self.hash.update(b"\"");
            } else {
                self.hash.update(field.as_bytes());
            }
        }
        self.hash.update(b"\n");
    }
}

impl Labels {
    fn count(&mut self, label: &str) {
        if let Some(rows) = self.rows.get_mut(label) {
            *rows += 1;
        } else if self.rows.len() < MAX_LABELS {
            self.rows.insert(label.to_owned(), 1);
        } else {
            self.column = None;
        }
    }
}

impl Seen {
    fn see(&mut self, text: &str) {
        if is_missing(text) {
            self.nullable = true;
        } else if self.kind != Some(ColumnType::Text) {
            self.kind = self.kind.max(Some(ColumnType::infer(text)));
        }
    }
}
