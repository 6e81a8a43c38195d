//! What the end of a transaction changes outside its coordinator.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;

use crate::group::Offsets;
use crate::partition::Partition;

/// The rest of the cluster, as far as transactions change it.
pub trait Effects {
    /// Returns a partition; `None` if it does not exist any more.
    fn find_partition(&self, topic: &str, index: i32) -> Option<Arc<Partition>>;

    /// Commits the offsets of a transaction for a group.
    fn commit_offsets(&self, group: &str, offsets: &Offsets) -> Result<(), ResponseError>;

    /// Returns a producer id that no other producer has.
    fn new_producer_id(&self) -> Result<i64, ResponseError>;
}
