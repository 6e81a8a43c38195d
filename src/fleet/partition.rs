//! The partition of a record, chosen as Kafka's Java client does.

pub use convoy_kafka_server::protocol::partition_of_key;

/// Returns the partition of the n-th record without a key: partitions take turns.
pub fn round_robin_partition(n: u64, partitions: u32) -> u32 {
    assert!(partitions > 0, "a topic has at least one partition");
    u32::try_from(n % u64::from(partitions))
        .expect("the remainder is below the number of partitions")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_take_turns() {
        let turns = (0..5).map(|n| round_robin_partition(n, 3));
        assert_eq!(turns.collect::<Vec<_>>(), [0, 1, 2, 0, 1]);
    }
}
