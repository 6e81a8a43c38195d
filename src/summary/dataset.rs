//! Description of the dataset that was replayed.

use crate::dataset;
use crate::pipeline::Workload;
use crate::report::Dataset;

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
        hash: format!("{hash:016x}"),
    }
}
