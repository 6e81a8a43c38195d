//! Where a group begins to read, where it is not to go on behind what it has stored.

use std::collections::BTreeMap;

use crate::broker::Connector;
use crate::pipeline::context::Context;
use crate::pipeline::error::Error;
use crate::pipeline::group::leases::Leases;
use crate::pipeline::group::membership::Timing;
use crate::pipeline::group::session::Participation;
use crate::pipeline::retry::{offsets, persistently};
use crate::string_enum::string_enum;

string_enum! {
    /// Where a group begins to read.
    Start {
        /// Behind what it has stored; at the earliest record where it has stored nothing.
        Checkpoint = "checkpoint",
        /// At the earliest record that the broker still has.
        Earliest = "earliest",
        /// Behind the latest record.
        Latest = "latest",
    }
}

/// Moves every checkpoint of a group to where it is to begin.
///
/// A group that somebody works for is left as it is, and that is an error: its members would go on
/// where they are.
pub async fn move_to(
    Participation { start, timing, .. }: Participation,
    context: &Context,
    connector: &Connector,
    leases: &Leases,
) -> Result<(), Error> {
    if start == Start::Checkpoint {
        return Ok(());
    }
    let living = living(context, leases, timing).await?;
    if !living.is_empty() {
        return Err(Error::GroupAtWork {
            group: context.settings.reader().to_owned(),
            members: living,
        });
    }
    for partition in context.partitions() {
        let mut log = connector.partition(context.topic(partition), partition.number);
        let (earliest, end) = offsets(context, &mut log, context.settings.broker_timeout)
            .await
            .map_err(Error::Broker)?;
        let offset = if start == Start::Latest {
            end
        } else {
            earliest
        };
        let moved = persistently(context, || leases.move_to(context, partition, offset));
        moved.await.map_err(Error::Store)?;
    }
    Ok(())
}

/// Returns the names of members that show a sign of life within the time that a dead one is given.
async fn living(context: &Context, leases: &Leases, timing: Timing) -> Result<Vec<String>, Error> {
    let beats = async || -> Result<BTreeMap<String, i64>, Error> {
        let view = persistently(context, || leases.view(context));
        Ok(view.await.map_err(Error::Store)?.members)
    };
    let before = beats().await?;
    if before.is_empty() {
        return Ok(Vec::new());
    }
    tokio::time::sleep(timing.dead_after).await;
    let after = beats().await?;
    let alive = after
        .into_iter()
        .filter(|(member, beat)| before.get(member) != Some(beat));
    Ok(alive.map(|(member, _beat)| member).collect())
}
