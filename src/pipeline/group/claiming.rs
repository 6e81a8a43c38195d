//! Claims a partition: its lease, and where its log is to be read from.
//!
//! ```text
//!  same topic, same log          at the checkpoint
//!  topic was created again       at its first record
//!  log was cut below the checkpoint   where it was cut
//! ```

use crate::broker::{PartitionReader, TopicId};
use crate::cause::chain;
use crate::pipeline::context::Context;
use crate::pipeline::error::Error;
use crate::pipeline::group::leases::{Claimed, Leases, Place};
use crate::pipeline::topic_partition::TopicPartition;

/// A claimed partition.
#[derive(Debug)]
pub struct Claim {
    /// Epoch of the lease.
    pub epoch: i64,
    pub place: Place,
    /// Connected to the leader.
    pub reader: PartitionReader,
}

/// Claims a partition whose lease has the epoch `seen`, or has none.
///
/// Returns `None` if another member was faster.
pub async fn claim(
    context: &Context,
    leases: &Leases,
    mut reader: PartitionReader,
    partition: TopicPartition,
    seen: i64,
) -> Result<Option<Claim>, Error> {
    let topic_id = reader.topic_id().await.map_err(Error::Broker)?;
    let earliest = match seen {
        0 => reader.offsets().await.map_err(Error::Broker)?.0,
        _ => 0,
    };
    let begin = Place {
        topic_id,
        ..Place::at(earliest)
    };
    let claimed = leases.claim(context, partition, seen, begin).await;
    let Some(claimed) = claimed.map_err(Error::Store)? else {
        return Ok(None);
    };
    let placed = place(context, leases, &mut reader, partition, claimed, topic_id).await;
    match placed {
        Ok(place) => {
            reader.set_leader_epoch(place.leader_epoch);
            let epoch = claimed.epoch;
            Ok(Some(Claim {
                epoch,
                place,
                reader,
            }))
        }
        Err(error) => {
            let freed = leases.free(context, partition, claimed.epoch).await;
            if let Err(error) = freed {
                tracing::warn!(error = chain(&error), "failed to free a partition");
            }
            Err(error)
        }
    }
}

/// Returns where to read from, and writes it to the lease if it is not the checkpoint.
async fn place(
    context: &Context,
    leases: &Leases,
    reader: &mut PartitionReader,
    partition: TopicPartition,
    claimed: Claimed,
    topic_id: Option<TopicId>,
) -> Result<Place, Error> {
    let before = claimed.place;
    let mut place = Place {
        topic_id: topic_id.or(before.topic_id),
        ..before
    };
    let (topic, number) = (context.topic(partition), partition.number);
    if before.topic_id.is_some() && before.topic_id != place.topic_id {
        let (earliest, _end) = reader.offsets().await.map_err(Error::Broker)?;
        tracing::warn!(
            topic,
            partition = number,
            from = earliest,
            "the topic was deleted and created again; reading it from its first record"
        );
        context.counters.recreated_partitions.add(1);
        place.offset = earliest;
        place.leader_epoch = None;
    } else if let Some(epoch) = before.leader_epoch {
        let end = reader.end_of_epoch(epoch).await.map_err(Error::Broker)?;
        if let Some(end) = end.filter(|end| *end < before.offset) {
            tracing::warn!(
                topic,
                partition = number,
                checkpoint = before.offset,
                from = end,
                "the log was cut before the checkpoint, and records were lost; reading on where it was cut"
            );
            context.counters.log_truncations.add(1);
            place.offset = end;
            place.leader_epoch = None;
        }
    }
    if place != before {
        let placed = leases.place(context, partition, claimed.epoch, place);
        placed.await.map_err(Error::Store)?;
    }
    Ok(place)
}
