//! Built-in rows, so that convoy runs without its repository.

use std::path::Path;

/// Name that opens the built-in rows. `./built-in` is a file or a folder of this name.
pub const BUILT_IN: &str = "built-in";

/// Topic of the sample rows: the name of their folder.
pub(super) const SAMPLE_TOPIC: &str = "kafka-sensor-topic";

/// Path of the sample file in the repository.
pub(super) const SAMPLE_FILE: &str = "sample_data/kafka-sensor-topic/aps_failure_training_set1.csv";

/// Content of the sample file.
pub(super) const SAMPLE_CONTENT: &[u8] =
    include_bytes!("../../sample_data/kafka-sensor-topic/aps_failure_training_set1.csv");

/// Returns whether a path is [`BUILT_IN`].
pub(super) fn is_named_by(path: &Path) -> bool {
    path.as_os_str() == BUILT_IN
}
