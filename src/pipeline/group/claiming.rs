//! Claims a partition that the group has assigned, at the place where its log is to be read from.
//!
//! ```text
//!  topic was created again              at its first record
//!  another program committed an offset  there: a consumer of the group, or a tool that moved it
//!  otherwise                            at the checkpoint; without one at the first record
//!  log was cut below that place         where it was cut
//! ```
//!
//! An offset that convoy committed is a copy of a checkpoint, so the checkpoint itself decides.

use crate::broker::{Committed, PartitionReader};
use crate::pipeline::context::Context;
use crate::pipeline::error::Error;
use crate::pipeline::group::claims::{Claims, Place};
use crate::pipeline::group::handle::Handle;
use crate::pipeline::topic_partition::TopicPartition;

/// A claimed partition.
#[derive(Debug)]
pub struct Claim {
    /// Epoch of the checkpoint's owner.
    pub epoch: i64,
    pub place: Place,
    /// Connected to the leader.
    pub reader: PartitionReader,
}

/// Claims a partition.
///
/// Returns `None` if the coordinator does not confirm that this member has it, or another process
/// moved the checkpoint meanwhile.
pub async fn claim(
    context: &Context,
    claims: &Claims,
    membership: &Handle,
    mut reader: PartitionReader,
    partition: TopicPartition,
) -> Result<Option<Claim>, Error> {
    let topic_id = reader.topic_id().await.map_err(Error::Broker)?;
    let read = claims.read(context, partition).await;
    let checkpoint = read.map_err(Error::Store)?;
    let Some(confirmed) = membership.confirm(partition).await else {
        return Ok(None);
    };
    let before = checkpoint.map(|checkpoint| checkpoint.place);
    let known_topic = before.and_then(|before| before.topic_id);
    let recreated = topic_id.is_some() && known_topic.is_some_and(|known| Some(known) != topic_id);
    let place = if recreated {
        first_of_new_topic(context, &mut reader, partition).await?
    } else {
        match start(before, confirmed.committed.as_ref()) {
            Some(place) => {
                tell_of_moved_offset(context, partition, before, place);
                within_log(context, &mut reader, partition, place).await?
            }
            None => Place::at(reader.offsets().await.map_err(Error::Broker)?.0),
        }
    };
    let place = Place {
        topic_id: topic_id.or(known_topic),
        ..place
    };
    let generation = confirmed.generation;
    let claimed = claims.claim(context, partition, checkpoint, place, generation);
    let Some(epoch) = claimed.await.map_err(Error::Store)? else {
        return Ok(None);
    };
    reader.set_leader_epoch(place.leader_epoch);
    Ok(Some(Claim {
        epoch,
        place,
        reader,
    }))
}

/// Returns where reading starts, by the checkpoint and the group's committed offset; `None` without
/// either.
fn start(checkpoint: Option<Place>, committed: Option<&Committed>) -> Option<Place> {
    let committed = committed.filter(|committed| !committed.by_convoy);
    match (checkpoint, committed) {
        (Some(place), Some(committed)) if committed.offset == place.offset => Some(place),
        (_, Some(committed)) => Some(Place {
            leader_epoch: committed.leader_epoch,
            ..Place::at(committed.offset)
        }),
        (checkpoint, None) => checkpoint,
    }
}

fn tell_of_moved_offset(
    context: &Context,
    partition: TopicPartition,
    checkpoint: Option<Place>,
    place: Place,
) {
    if let Some(checkpoint) = checkpoint.filter(|checkpoint| checkpoint.offset != place.offset) {
        tracing::warn!(
            topic = context.topic(partition),
            partition = partition.number,
            checkpoint = checkpoint.offset,
            from = place.offset,
            "another program committed an offset of the group; reading on from there"
        );
    }
}

/// Returns the first record of a topic that was created again.
async fn first_of_new_topic(
    context: &Context,
    reader: &mut PartitionReader,
    partition: TopicPartition,
) -> Result<Place, Error> {
    let (earliest, _end) = reader.offsets().await.map_err(Error::Broker)?;
    tracing::warn!(
        topic = context.topic(partition),
        partition = partition.number,
        from = earliest,
        "the topic was deleted and created again; reading it from its first record"
    );
    context.counters.recreated_partitions.add(1);
    Ok(Place::at(earliest))
}

/// Returns a place, or the end of what is left of the log before it.
async fn within_log(
    context: &Context,
    reader: &mut PartitionReader,
    partition: TopicPartition,
    place: Place,
) -> Result<Place, Error> {
    let Some(epoch) = place.leader_epoch else {
        return Ok(place);
    };
    let end = reader.end_of_epoch(epoch).await.map_err(Error::Broker)?;
    let Some(end) = end.filter(|end| *end < place.offset) else {
        return Ok(place);
    };
    tracing::warn!(
        topic = context.topic(partition),
        partition = partition.number,
        checkpoint = place.offset,
        from = end,
        "the log was cut before the checkpoint, and records were lost; reading on where it was cut"
    );
    context.counters.log_truncations.add(1);
    Ok(Place::at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoint_decides_unless_another_program_committed_an_offset() {
        let checkpoint = |offset| Place {
            leader_epoch: Some(3),
            ..Place::at(offset)
        };
        let committed = |offset, by_convoy| Committed {
            offset,
            leader_epoch: None,
            by_convoy,
        };
        for (place, offset, expected) in [
            (None, None, None),
            (Some(checkpoint(7)), None, Some(checkpoint(7))),
            // The copy is behind after a crash, and ahead if the store was restored.
            (
                Some(checkpoint(7)),
                Some(committed(5, true)),
                Some(checkpoint(7)),
            ),
            (
                Some(checkpoint(7)),
                Some(committed(9, true)),
                Some(checkpoint(7)),
            ),
            // The documents of the copy are in another store.
            (None, Some(committed(9, true)), None),
            (None, Some(committed(9, false)), Some(Place::at(9))),
            (
                Some(checkpoint(7)),
                Some(committed(7, false)),
                Some(checkpoint(7)),
            ),
            (
                Some(checkpoint(7)),
                Some(committed(0, false)),
                Some(Place::at(0)),
            ),
            (
                Some(checkpoint(7)),
                Some(committed(9, false)),
                Some(Place::at(9)),
            ),
        ] {
            assert_eq!(
                start(place, offset.as_ref()),
                expected,
                "{place:?} {offset:?}"
            );
        }
    }
}
