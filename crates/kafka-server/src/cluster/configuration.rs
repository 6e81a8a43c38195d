//! Settings of topics and of the broker, and the upkeep that follows from them.

use std::sync::PoisonError;

use kafka_protocol::error::ResponseError;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::broker_config::{BrokerConfig, Layer};
use crate::cluster::{Cluster, change_topic};
use crate::config::{Overrides, TopicConfig};
use crate::topic::Topic;

impl Cluster {
    /// Replaces the settings of a topic. The caller has checked them.
    pub fn configure_topic(
        &self,
        topic: &Topic,
        overrides: Overrides,
    ) -> Result<(), ResponseError> {
        let _topics = self.write();
        let mut description = topic.description();
        description.configs.clone_from(&overrides);
        change_topic(topic, &description, || {
            let config = self.topic_config(&overrides);
            topic.configure(overrides, config);
            Ok(())
        })
    }

    /// Returns the settings of the broker that clients altered.
    pub fn broker_config(&self) -> BrokerConfig {
        let config = self.broker_config.read();
        config.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces settings of the broker, which are the defaults of topics. The caller has checked
    /// them.
    pub fn configure_broker(
        &self,
        layer: Layer,
        overrides: Overrides,
    ) -> Result<(), ResponseError> {
        let topics = self.write();
        let mut changed = self.broker_config();
        changed.set_layer(layer, overrides);
        changed.save(&self.storage).map_err(|error| {
            warn!(%error, "failed to store the settings of the broker");
            ResponseError::KafkaStorageError
        })?;
        *self
            .broker_config
            .write()
            .unwrap_or_else(PoisonError::into_inner) = changed;
        for topic in topics.by_name.values() {
            let overrides = topic.overrides();
            let config = self.topic_config(&overrides);
            topic.configure(overrides, config);
        }
        Ok(())
    }

    /// Returns the settings of a topic that have an effect.
    pub(super) fn topic_config(&self, overrides: &Overrides) -> TopicConfig {
        let combined = self.broker_config().combine(overrides);
        TopicConfig::new(&combined, &self.settings)
    }

    /// Removes and compacts the old records of all topics until `stopping`; `now` is in milliseconds
    /// since 1970.
    pub fn clean_up(&self, now: u64, stopping: &CancellationToken) {
        for topic in self.topics() {
            let config = topic.config();
            for partition in topic.partitions() {
                if stopping.is_cancelled() {
                    return;
                }
                let rolled = partition.log().roll_if_older(config.segment_ms, now);
                let retained = partition.log().apply_retention(config.retention, now);
                let compacted = match config.compaction {
                    Some(compaction) => partition.compact(compaction, now, stopping),
                    None => Ok(()),
                };
                let done = rolled.and(retained).and(compacted);
                if let Err(error) = done.as_ref()
                    && !stopping.is_cancelled()
                {
                    let reason = error as &dyn std::error::Error;
                    let topic = topic.name();
                    warn!(topic, reason, "failed to remove or compact old records");
                }
            }
        }
    }
}
