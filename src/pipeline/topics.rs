//! The topics of a run: existing ones are used as they are, the others are created.

use std::collections::BTreeMap;

use crate::broker::Connector;
use crate::pipeline::context::Settings;
use crate::pipeline::error::Error;

/// Creates the topics that are not there; returns the number of partitions of each.
///
/// Two processes may do so at once: who comes second takes what the first has made.
pub async fn ensure(settings: &Settings, connector: &Connector) -> Result<Vec<u32>, Error> {
    let existing = connector.topics().await.map_err(Error::Broker)?;
    let mut partitions = Vec::with_capacity(settings.topics.len());
    for topic in &settings.topics {
        partitions.push(match found(&existing, topic) {
            Some(found) => checked(settings, topic, found)?,
            None => create(settings, connector, topic).await?,
        });
    }
    Ok(partitions)
}

async fn create(settings: &Settings, connector: &Connector, topic: &str) -> Result<u32, Error> {
    let (partitions, replicas) = (settings.partitions, settings.replication_factor);
    let created = connector.create_topic(topic, partitions.cast_signed(), replicas);
    let Err(refused) = created.await else {
        return Ok(partitions);
    };
    let existing = connector.topics().await.map_err(Error::Broker)?;
    match found(&existing, topic) {
        Some(found) => checked(settings, topic, found),
        None => Err(Error::Broker(refused)),
    }
}

fn found(existing: &BTreeMap<String, usize>, topic: &str) -> Option<u32> {
    let partitions = existing.get(topic)?;
    u32::try_from(*partitions).ok().filter(|found| *found > 0)
}

fn checked(settings: &Settings, topic: &str, found: u32) -> Result<u32, Error> {
    if settings.partitions_required && found != settings.partitions {
        return Err(Error::Partitions {
            topic: topic.to_owned(),
            found,
            wanted: settings.partitions,
        });
    }
    Ok(found)
}
