//! Results of one pass over all rows: column types, missing values, labels, content hash.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::dataset::columns::{
    self, CellSyntax, ColumnFindings, Evidence, Findings, MISSING_LABEL, Notes, Place, RenameError,
    Renamed, field_names,
};
use crate::dataset::error::Error;
use crate::dataset::options::{ReadOptions, Rename};
use crate::dataset::schema::{Column, ColumnType, Schema};
use crate::dataset::split::Fields;
use crate::suggest;

/// Name of the label column in classification datasets such as APS.
const LABEL_COLUMN: &str = "class";

/// Maximum number of distinct values of a label column.
const MAX_LABELS: usize = 64;

/// State of the pass.
pub(super) struct Scan {
    names: Vec<String>,
    renamed: Vec<Renamed>,
    columns: Vec<Evidence>,
    syntax: CellSyntax,
    /// Cells with each marker of a missing value.
    markers: Vec<u64>,
    labels: Counter,
    files: Vec<PathBuf>,
    hash: Xxh3,
    rows: u64,
}

/// Counts the rows of each value of the label column.
struct Counter {
    column: Option<usize>,
    /// Whether the user chose the column.
    chosen: bool,
    /// Rows by the text of the cell.
    rows: BTreeMap<String, u64>,
    missing: u64,
}

/// Rows per value of the label column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) column: Option<usize>,
    pub(super) rows: BTreeMap<String, u64>,
}

/// Result of the pass.
pub(super) struct Scanned {
    pub(super) schema: Schema,
    pub(super) syntax: CellSyntax,
    pub(super) labels: Labels,
    pub(super) hash: u64,
    pub(super) rows: u64,
    pub(super) findings: Findings,
}

impl Scan {
    /// Starts with the header of the first file.
    pub(super) fn new(
        file: &Path,
        header: &[String],
        options: &ReadOptions,
    ) -> Result<Self, Error> {
        let renames: Vec<_> = options.renames().collect();
        let (names, renamed) = field_names(header, &renames).map_err(|(index, error)| {
            let rename = renames.get(index).copied().cloned();
            rename_error(file, header, rename.unwrap_or_default(), &error)
        })?;
        let syntax = CellSyntax::new(options);
        let mut scan = Self {
            labels: Counter::new(file, header, &names, options)?,
            columns: names.iter().map(|_| Evidence::new()).collect(),
            markers: vec![0; syntax.missing.texts().len()],
            names,
            renamed,
            syntax,
            files: Vec::new(),
            hash: Xxh3::new(),
            rows: 0,
        };
        scan.hash_canonical(header.iter().map(String::as_str));
        Ok(scan)
    }

    /// Says that the next rows are in another file.
    pub(super) fn start_file(&mut self, file: &Path) {
        self.files.push(file.to_owned());
    }

    /// Adds the next row, which starts at a line of the current file.
    pub(super) fn see(&mut self, fields: &Fields<'_>, line: u64) {
        self.rows += 1;
        let place = Place {
            file: self.files.len().saturating_sub(1),
            line,
        };
        for (column, text) in self.columns.iter_mut().zip(fields.iter()) {
            match self.syntax.missing.position(text) {
                None => column.see(text, place, self.syntax.point),
                Some(marker) => {
                    column.missing += 1;
                    if let Some(count) = self.markers.get_mut(marker) {
                        *count += 1;
                    }
                }
            }
        }
        match fields.plain() {
            Some(text) => {
                self.hash.update(text.as_bytes());
                self.hash.update(b"\n");
            }
            None => self.hash_canonical(fields.iter()),
        }
        if let Some(column) = self.labels.column {
            let label = fields.get(column);
            let label = (!self.syntax.missing.contains(label)).then_some(label);
            self.labels.count(label);
        }
    }

    pub(super) fn finish(self) -> Result<Scanned, Error> {
        let kinds: Vec<_> = self.columns.iter().map(Evidence::kind).collect();
        let findings = self.findings(&kinds);
        let columns = self.names.into_iter().zip(&self.columns).zip(&kinds);
        let columns = columns.map(|((name, seen), &kind)| Column {
            name,
            kind,
            nullable: seen.missing > 0,
        });
        let schema = Schema {
            columns: columns.collect(),
        };
        Ok(Scanned {
            labels: self.labels.finish(&schema, &self.syntax)?,
            schema,
            syntax: self.syntax,
            hash: self.hash.digest(),
            rows: self.rows,
            findings,
        })
    }

    fn findings(&self, kinds: &[ColumnType]) -> Findings {
        let several = self.files.len() > 1;
        let files = self.files.iter().filter(|_| several);
        let files: Vec<_> = files.map(|file| file.display().to_string()).collect();
        let columns = || self.columns.iter().zip(kinds);
        let markers = self.syntax.missing.texts().iter().cloned();
        let markers = markers.zip(self.markers.iter().copied());
        let markers: BTreeMap<_, _> = markers.filter(|(_, count)| *count > 0).collect();
        let notes = self.names.iter().zip(columns());
        let notes = notes.flat_map(|(name, (evidence, &kind))| {
            let notes = Notes {
                name,
                evidence,
                files: &files,
                markers: &markers,
                point: self.syntax.point,
            };
            notes.about(kind)
        });
        let notes = notes.collect();
        let columns = self.names.iter().zip(columns());
        let columns = columns.map(|(name, (seen, &kind))| ColumnFindings {
            name: name.clone(),
            kind,
            missing: seen.missing,
            missing_share: seen.missing as f64 / self.rows.max(1) as f64,
            extent: seen.extent(kind),
        });
        Findings {
            columns: columns.collect(),
            renamed: self.renamed.clone(),
            missing_markers: markers,
            notes,
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

impl Counter {
    fn new(
        file: &Path,
        header: &[String],
        names: &[String],
        options: &ReadOptions,
    ) -> Result<Self, Error> {
        let find = |label: &str| {
            let find = |names: &[String]| names.iter().position(|name| name == label);
            find(names).or_else(|| find(header))
        };
        let column = match &options.label {
            None => find(LABEL_COLUMN),
            Some(label) => Some(find(label).ok_or_else(|| Error::NoLabelColumn {
                file: file.to_owned(),
                label: label.clone(),
                similar: suggest::most_similar(label, names).map(str::to_owned),
            })?),
        };
        Ok(Self {
            column,
            chosen: options.label.is_some(),
            rows: BTreeMap::new(),
            missing: 0,
        })
    }

    fn count(&mut self, label: Option<&str>) {
        let Some(label) = label else {
            self.missing += 1;
            return;
        };
        if let Some(rows) = self.rows.get_mut(label) {
            *rows += 1;
        } else if self.rows.len() < MAX_LABELS {
            self.rows.insert(label.to_owned(), 1);
        } else {
            self.column = None;
        }
    }

    /// Returns the labels as they are in the documents.
    fn finish(self, schema: &Schema, syntax: &CellSyntax) -> Result<Labels, Error> {
        let Some(index) = self.column else {
            return if self.chosen {
                Err(Error::TooManyLabels { limit: MAX_LABELS })
            } else {
                Ok(Labels::default())
            };
        };
        let kind = schema.columns.get(index).map(|column| column.kind);
        let mut labels = Labels {
            column: Some(index),
            rows: BTreeMap::new(),
        };
        for (text, rows) in self.rows {
            let label = kind.map_or(text.clone(), |kind| columns::label(&text, kind, syntax));
            *labels.rows.entry(label).or_default() += rows;
        }
        if self.missing > 0 {
            *labels.rows.entry(MISSING_LABEL.to_owned()).or_default() += self.missing;
        }
        Ok(labels)
    }
}

fn rename_error(file: &Path, header: &[String], rename: Rename, error: &RenameError) -> Error {
    let file = file.to_owned();
    match error {
        RenameError::Unknown => Error::RenameUnknown {
            file,
            similar: suggest::most_similar(&rename.from, header).map(str::to_owned),
            rename,
        },
        RenameError::Target(reason) => Error::RenameTarget { rename, reason },
        RenameError::Taken { column } => Error::RenameTaken {
            file,
            rename,
            column: *column,
        },
    }
}
