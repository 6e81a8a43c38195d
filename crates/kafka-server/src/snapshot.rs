//! What a running server holds and does, for a display.

use crate::cluster::{Cluster, TopicRef};
use crate::server::KafkaServer;
use crate::topic::is_internal;

/// Topics, groups and traffic at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Topics in order of their names, without internal ones.
    pub topics: Vec<TopicSnapshot>,
    /// Groups in order of their names.
    pub groups: Vec<GroupSnapshot>,
    /// Open connections.
    pub connections: u64,
    /// Requests answered since the server started.
    pub requests: u64,
}

/// One topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicSnapshot {
    /// Name.
    pub name: String,
    /// Number of partitions.
    pub partitions: usize,
    /// Offsets between the start and the end of all partitions: records, and gaps between them.
    pub records: u64,
    /// Sum of the offsets after the last records, which grows with each record.
    pub appended: u64,
}

/// One group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupSnapshot {
    /// Name.
    pub name: String,
    /// State as Kafka names it.
    pub state: String,
    /// Number of members.
    pub members: usize,
    /// Offsets between the committed offsets and the ends of their partitions.
    pub lag: u64,
}

impl KafkaServer {
    /// Returns topics, groups and traffic. Nothing is there while the server restarts.
    pub fn snapshot(&self) -> Snapshot {
        self.serving_cluster().map_or_else(Snapshot::default, of)
    }
}

fn of(cluster: &Cluster) -> Snapshot {
    let topics = cluster.topics();
    let topics = topics.iter().filter(|topic| !is_internal(topic.name()));
    let mut topics: Vec<TopicSnapshot> = topics
        .map(|topic| {
            let partitions = topic.partitions();
            let offsets = partitions.iter().map(|partition| partition.offsets());
            let (mut records, mut appended) = (0, 0);
            for offsets in offsets {
                records += offsets
                    .next
                    .saturating_sub(offsets.start)
                    .max(0)
                    .unsigned_abs();
                appended += offsets.next.max(0).unsigned_abs();
            }
            TopicSnapshot {
                name: topic.name().to_owned(),
                partitions: partitions.len(),
                records,
                appended,
            }
        })
        .collect();
    topics.sort_by(|one, other| one.name.cmp(&other.name));
    let groups = cluster.groups().list().into_iter();
    let mut groups: Vec<GroupSnapshot> = groups
        .map(|listing| GroupSnapshot {
            state: listing.state.to_owned(),
            members: members(cluster, &listing.id),
            lag: lag(cluster, &listing.id),
            name: listing.id,
        })
        .collect();
    groups.sort_by(|one, other| one.name.cmp(&other.name));
    let traffic = cluster.traffic();
    Snapshot {
        topics,
        groups,
        connections: traffic.connections(),
        requests: traffic.requests(),
    }
}

fn members(cluster: &Cluster, group: &str) -> usize {
    let description = cluster.groups().describe(group);
    description.map_or(0, |description| description.members.len())
}

fn lag(cluster: &Cluster, group: &str) -> u64 {
    let mut lag = 0;
    for (topic, partitions) in cluster.groups().offsets(group).iter() {
        for (partition, committed) in partitions {
            // A topic may have been deleted meanwhile.
            if let Ok(partition) = cluster.partition(TopicRef::Name(topic), *partition) {
                let end = partition.offsets().next;
                lag += end.saturating_sub(committed.offset).max(0).unsigned_abs();
            }
        }
    }
    lag
}
