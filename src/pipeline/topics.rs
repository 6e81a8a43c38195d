//! Topics of a run: existing ones are used as they are, missing ones are created.

use std::collections::BTreeMap;

use crate::broker::Connector;
use crate::pipeline::error::Error;
use crate::pipeline::settings::{Settings, TopicCreation};

/// Creates missing topics and returns the number of partitions of each.
///
/// Several processes may do this at once: all use the topic that was created first.
pub async fn ensure(settings: &Settings, connector: &Connector) -> Result<Vec<u32>, Error> {
    let existing = connector.topics().await.map_err(Error::Broker)?;
    let creation = settings.creation;
    let mut partitions = Vec::with_capacity(settings.topics.len());
    for topic in &settings.topics {
        partitions.push(match partitions_of(&existing, topic) {
            Some(found) => check(creation, topic, found)?,
            None => create(creation, connector, topic).await?,
        });
    }
    Ok(partitions)
}

async fn create(creation: TopicCreation, connector: &Connector, topic: &str) -> Result<u32, Error> {
    let (partitions, replicas) = (creation.partitions, creation.replication_factor);
    let created = connector.create_topic(topic, partitions.cast_signed(), replicas);
    let Err(error) = created.await else {
        return Ok(partitions);
    };
    let existing = connector.topics().await.map_err(Error::Broker)?;
    match partitions_of(&existing, topic) {
        Some(found) => check(creation, topic, found),
        None => Err(Error::Broker(error)),
    }
}

fn partitions_of(existing: &BTreeMap<String, usize>, topic: &str) -> Option<u32> {
    let partitions = existing.get(topic)?;
    u32::try_from(*partitions).ok().filter(|found| *found > 0)
}

fn check(creation: TopicCreation, topic: &str, found: u32) -> Result<u32, Error> {
    if creation.partitions_required && found != creation.partitions {
        return Err(Error::Partitions {
            topic: topic.to_owned(),
            found,
            wanted: creation.partitions,
        });
    }
    Ok(found)
}
