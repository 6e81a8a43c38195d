//! Partitions by the names of their topics, as brokers have them, and by the indexes of this process.

use std::collections::BTreeSet;

use crate::broker::Partitions;
use crate::pipeline::context::Context;
use crate::pipeline::topic_partition::TopicPartition;

/// Returns partitions with the names of their topics.
pub fn names(context: &Context, partitions: &BTreeSet<TopicPartition>) -> Partitions {
    let mut names = Partitions::new();
    for partition in partitions {
        let topic = context.topic(*partition).to_owned();
        names.entry(topic).or_default().insert(partition.number);
    }
    names
}

/// Returns partitions by the indexes of their topics. Other topics are left out.
pub fn numbers(context: &Context, partitions: &Partitions) -> BTreeSet<TopicPartition> {
    let all = partitions.iter().flat_map(|(topic, numbers)| {
        let found = |it: &i32| number(context, topic, *it);
        numbers.iter().filter_map(found)
    });
    all.collect()
}

/// Returns a partition by the index of its topic.
pub fn number(context: &Context, topic: &str, number: i32) -> Option<TopicPartition> {
    let mut topics = context.settings.topics.iter();
    let topic = topics.position(|it| it == topic)?;
    Some(TopicPartition { topic, number })
}
