//! What the end of a transaction changes in the cluster.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;

use crate::cluster::{Cluster, TopicRef};
use crate::group::Offsets;
use crate::partition::Partition;
use crate::transactions::Effects;

impl Effects for Cluster {
    fn find_partition(&self, topic: &str, index: i32) -> Option<Arc<Partition>> {
        self.partition(TopicRef::Name(topic), index).ok()
    }

    fn commit_offsets(&self, group: &str, offsets: &Offsets) -> Result<(), ResponseError> {
        let mut kept = Offsets::default();
        for (topic, partitions) in offsets.iter() {
            for (index, committed) in partitions {
                if self.find_partition(topic, *index).is_some() {
                    kept.commit(topic, *index, committed.clone());
                }
            }
        }
        self.groups().commit_transactional(group, &kept)
    }

    fn new_producer_id(&self) -> Result<i64, ResponseError> {
        self.next_producer_id()
    }
}
