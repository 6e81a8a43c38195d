//! Partitions of topics in requests.

use crate::wire::{self, Reader};

/// A topic's name and numbers of its partitions.
pub type TopicPartitions<'a> = (&'a str, Vec<i32>);

/// Decodes partitions of one topic.
pub fn topic_partitions<'a>(reader: &mut Reader<'a>) -> Result<TopicPartitions<'a>, wire::Error> {
    let topic = (reader.string()?, reader.array(Reader::i32)?);
    reader.tags()?;
    Ok(topic)
}
