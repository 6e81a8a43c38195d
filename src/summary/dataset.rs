//! Description of the dataset that was replayed.

use crate::dataset::{self, FileAssumptions};
use crate::pipeline::Workload;
use crate::report::{BadRow, Dataset};

/// Bad rows that a report names.
const FIRST_BAD_ROWS: usize = 5;

fn bad_row(file: &FileAssumptions, bad: &dataset::BadRow) -> BadRow {
    BadRow {
        file: file.file.display().to_string(),
        line: bad.line,
        byte: bad.byte,
        reason: bad.reason.clone(),
    }
}

/// Returns files, size and hash of a workload's datasets.
pub fn describe_dataset(workload: &Workload) -> Dataset {
    let datasets = || workload.datasets();
    let hash = datasets().fold(0, |hash: u64, dataset| hash.rotate_left(1) ^ dataset.hash());
    Dataset {
        files: datasets()
            .flat_map(dataset::Dataset::files)
            .map(|file| file.display().to_string())
            .collect(),
        rows: workload.rows(),
        columns: datasets()
            .map(|dataset| dataset.schema().columns.len())
            .max()
            .and_then(|columns| u32::try_from(columns).ok())
            .unwrap_or_default(),
        bad_rows: datasets()
            .map(|dataset| dataset.assumptions().bad_rows())
            .sum(),
        first_bad_rows: datasets()
            .flat_map(|dataset| &dataset.assumptions().files)
            .flat_map(|file| file.bad_rows.iter().map(|bad| bad_row(file, bad)))
            .take(FIRST_BAD_ROWS)
            .collect(),
        hash: format!("{hash:016x}"),
    }
}
