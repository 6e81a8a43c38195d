//! Built-in rows, so that convoy runs without its repository.

use std::path::Path;

/// Path of the sample rows in the repository; elsewhere it opens the built-in copy.
pub const SAMPLE_PATH: &str = "sample_data";

/// Topic of the sample rows: the name of their folder.
pub(super) const SAMPLE_TOPIC: &str = "kafka-sensor-topic";

/// Path of the sample file in the repository.
pub(super) const SAMPLE_FILE: &str = "sample_data/kafka-sensor-topic/aps_failure_training_set1.csv";

/// Content of the sample file.
pub(super) const SAMPLE_CONTENT: &[u8] =
    include_bytes!("../../sample_data/kafka-sensor-topic/aps_failure_training_set1.csv");

/// Returns whether a path is [`SAMPLE_PATH`] and does not exist.
pub(super) fn is_named_by(path: &Path) -> bool {
    path == Path::new(SAMPLE_PATH) && !path.exists()
}
