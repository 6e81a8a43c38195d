//! Resets the checkpoints of a group to the start or the end of the log.

use std::time::Duration;

use crate::broker::{self, Connector, Coordinator, MemberDescription, Offsets, Remedy};
use crate::pipeline::context::Context;
use crate::pipeline::error::Error;
use crate::pipeline::group::claims::{Claims, Place};
use crate::pipeline::group::participation::{Participation, Start};
use crate::pipeline::machine::Attempts;
use crate::pipeline::retry::{offsets, pause_before_retry, retry_idempotent};
use crate::pipeline::settings::StorageSettings;

/// Pause between two looks at the members of the group.
const MEMBERS_PAUSE: Duration = Duration::from_millis(250);

/// Moves every checkpoint of a group, and its committed offsets, to where the group is to start.
///
/// Fails if the group has running members: they would continue at their positions. Waits for the
/// eviction of members that were killed.
pub async fn reset_checkpoints(
    participation: &Participation,
    context: &Context,
    storage: &StorageSettings,
    connector: &Connector,
    claims: &Claims,
) -> Result<(), Error> {
    let start = participation.start;
    if start == Start::Checkpoint {
        return Ok(());
    }
    let group = storage.checkpoint_owner(&context.settings);
    let mut coordinator = connector.coordinator(group, &client_id(context));
    let members = running_members(participation, context, &mut coordinator).await?;
    if !members.is_empty() {
        return Err(running(group, members));
    }
    let mut committed = Offsets::new();
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
            claims.reset(context, partition, place)
        });
        reset.await.map_err(Error::Store)?;
        committed.insert((topic.to_owned(), partition.number), offset);
    }
    let mut attempts = Attempts::new(context.settings.timeouts.broker);
    loop {
        match coordinator.commit_without_members(&committed).await {
            Ok(()) => return Ok(()),
            // A member has joined meanwhile.
            Err(error) if matches!(error.remedy(), Remedy::Lost | Remedy::Rejoin) => {
                let members = coordinator.members().await.map_err(Error::Broker)?;
                return Err(running(group, members));
            }
            Err(error) => retry(context, &mut attempts, error).await?,
        }
    }
}

/// Returns the name of this process in the group.
pub fn client_id(context: &Context) -> String {
    format!("convoy-{}", context.settings.run_id)
}

fn running(group: &str, members: Vec<MemberDescription>) -> Error {
    let name = |member: MemberDescription| {
        let host = member.host.trim_start_matches('/');
        format!("{} at {host}", member.client_id)
    };
    Error::GroupRunning {
        group: group.to_owned(),
        members: members.into_iter().map(name).collect(),
    }
}

/// Returns the members of the group, as soon as there is none, or after the time in which a killed
/// one is evicted.
async fn running_members(
    participation: &Participation,
    context: &Context,
    coordinator: &mut Coordinator,
) -> Result<Vec<MemberDescription>, Error> {
    let timing = participation.timing;
    let over = context.clock.now()
        + crate::measure::nanos(timing.session_timeout.saturating_add(timing.heartbeat));
    let mut attempts = Attempts::new(context.settings.timeouts.broker);
    loop {
        let members = match coordinator.members().await {
            Ok(members) => members,
            Err(error) => {
                retry(context, &mut attempts, error).await?;
                continue;
            }
        };
        if members.is_empty() || context.clock.now() >= over {
            return Ok(members);
        }
        tokio::time::sleep(MEMBERS_PAUSE).await;
    }
}

/// Pauses after a failed request, or returns its error if it is not to be retried.
async fn retry(
    context: &Context,
    attempts: &mut Attempts,
    error: broker::Error,
) -> Result<(), Error> {
    let again = error.remedy() == Remedy::Retry && pause_before_retry(context, attempts).await;
    if again {
        Ok(())
    } else {
        Err(Error::Broker(error))
    }
}
