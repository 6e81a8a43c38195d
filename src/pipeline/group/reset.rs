//! Resets the checkpoints of a group to the start or the end of the log.

use std::collections::BTreeMap;

use crate::broker::Connector;
use crate::pipeline::context::Context;
use crate::pipeline::error::Error;
use crate::pipeline::group::leases::{Leases, Place};
use crate::pipeline::group::participation::{Participation, Start};
use crate::pipeline::retry::{offsets, retry_idempotent};
use crate::pipeline::settings::StorageSettings;

/// Moves every checkpoint of a group to where the group is to start.
///
/// Fails if the group has running members: they would continue at their positions.
pub async fn reset_checkpoints(
    participation: &Participation,
    context: &Context,
    storage: &StorageSettings,
    connector: &Connector,
    leases: &Leases,
) -> Result<(), Error> {
    let start = participation.start;
    if start == Start::Checkpoint {
        return Ok(());
    }
    let running = running_members(participation, context, storage, leases).await?;
    if !running.is_empty() {
        return Err(Error::GroupRunning {
            group: storage.checkpoint_owner(&context.settings).to_owned(),
            members: running,
        });
    }
    for partition in context.partitions() {
        let topic = context.topic(partition);
        let mut log = connector.reader(topic, partition.number, participation.isolation);
        let (earliest, end) = offsets(context, &mut log, context.settings.timeouts.broker)
            .await
            .map_err(Error::Broker)?;
        let offset = if start == Start::Latest {
            end
        } else {
            earliest
        };
        let place = Place {
            topic_id: log.topic_id().await.map_err(Error::Broker)?,
            ..Place::at(offset)
        };
        let reset = retry_idempotent(context, storage.store_timeout, || {
            leases.reset(context, partition, place)
        });
        reset.await.map_err(Error::Store)?;
    }
    Ok(())
}

/// Returns the names of members that send a heartbeat within the time that makes a member dead.
async fn running_members(
    participation: &Participation,
    context: &Context,
    storage: &StorageSettings,
    leases: &Leases,
) -> Result<Vec<String>, Error> {
    let heartbeats = async || -> Result<BTreeMap<String, i64>, Error> {
        let view = retry_idempotent(context, storage.store_timeout, || leases.view(context));
        Ok(view.await.map_err(Error::Store)?.members)
    };
    let before = heartbeats().await?;
    if before.is_empty() {
        return Ok(Vec::new());
    }
    tokio::time::sleep(participation.timing.dead_after).await;
    let after = heartbeats().await?;
    let running = after
        .into_iter()
        .filter(|(member, heartbeat)| before.get(member) != Some(heartbeat));
    Ok(running.map(|(member, _heartbeat)| member).collect())
}
