//! The rows that convoy ships: built in, so that it runs where its repository is not.

use std::path::Path;

/// Where the rows are, from the root of the repository; elsewhere it names the same rows.
pub const PATH: &str = "sample_data";

/// Topic that the rows are meant for: the folder they are in.
pub(super) const TOPIC: &str = "kafka-sensor-topic";

/// The file that the rows are in.
pub(super) const FILE: &str = "sample_data/kafka-sensor-topic/aps_failure_training_set1.csv";

/// Its content.
pub(super) const CONTENT: &[u8] =
    include_bytes!("../../sample_data/kafka-sensor-topic/aps_failure_training_set1.csv");

/// Returns whether a path names the shipped rows, and no other rows lie there.
pub(super) fn is_named_by(path: &Path) -> bool {
    path == Path::new(PATH) && !path.exists()
}
