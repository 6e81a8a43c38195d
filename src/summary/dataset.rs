//! Description of the dataset that was replayed.

use crate::dataset;
use crate::pipeline::Workload;
use crate::report::Dataset;

/// Returns files, size and hash of a workload's datasets; of none without a workload.
pub fn describe_dataset(workload: Option<&Workload>) -> Dataset {
    let datasets = || workload.into_iter().flat_map(Workload::datasets);
    let hash = datasets().fold(0, |hash: u64, dataset| hash.rotate_left(1) ^ dataset.hash());
    Dataset {
        files: datasets()
            .flat_map(dataset::Dataset::files)
            .map(|file| file.display().to_string())
            .collect(),
        rows: workload.map_or(0, Workload::rows),
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
