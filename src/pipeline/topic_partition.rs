//! Names a partition of the run.

/// One partition of one of the run's topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicPartition {
    /// Index in [`Settings::topics`](crate::pipeline::settings::Settings::topics).
    pub topic: usize,
    /// Kafka's partition number.
    pub number: i32,
}
