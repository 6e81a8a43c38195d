//! What readers of committed records see.

use kafka_protocol::records::RecordBatchDecoder;

use super::*;
use crate::partition::Offsets;

pub fn offsets(fixture: &Fixture, partition: i32) -> Offsets {
    let topic = TopicRef::Name("known");
    fixture
        .cluster
        .partition(topic, partition)
        .unwrap()
        .offsets()
}

pub fn fetch(
    fixture: &Fixture,
    partition: i32,
    offset: i64,
    isolation: i8,
    version: i16,
) -> fetch_response::PartitionData {
    let wanted = fetch_request::FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(300);
    let topic = fetch_request::FetchTopic::default().with_partitions(vec![wanted]);
    let topic = if version >= 13 {
        topic.with_topic_id(fixture.topic_id())
    } else {
        topic.with_topic(topic_name("known"))
    };
    let request = FetchRequest::default()
        .with_max_bytes(10_000)
        .with_isolation_level(isolation)
        .with_topics(vec![topic]);
    let mut response = fixture.call(&request, version);
    response.responses.remove(0).partitions.remove(0)
}

/// Reads a partition from an offset on as clients do: they drop records of a producer from the
/// first offset of an aborted transaction to its marker.
pub fn committed(fixture: &Fixture, partition: i32, from: i64) -> Vec<String> {
    let mut values = Vec::new();
    let mut next = from;
    loop {
        let fetched = fetch(fixture, partition, next, 1, 12);
        assert_eq!(fetched.error_code, 0);
        let mut aborted = fetched.aborted_transactions.unwrap();
        let bytes = fetched.records.unwrap_or_default();
        if bytes.is_empty() {
            assert_eq!(next, fetched.last_stable_offset.max(from));
            if from == 0 {
                assert_eq!(values, read_directly(fixture, partition));
            }
            return values;
        }
        let mut skipped = Vec::new();
        for set in RecordBatchDecoder::decode_all(&mut bytes.clone()).unwrap() {
            for record in set.records {
                let begins = |it: &fetch_response::AbortedTransaction| {
                    it.producer_id.0 == record.producer_id && it.first_offset <= record.offset
                };
                if let Some(index) = aborted.iter().position(begins) {
                    skipped.push(aborted.remove(index).producer_id.0);
                }
                next = record.offset + 1;
                if record.control {
                    let aborts = record.key.as_ref().unwrap()[3] == 0;
                    if aborts {
                        skipped.retain(|producer| *producer != record.producer_id);
                    }
                } else if record.offset >= from
                    && !(record.transactional && skipped.contains(&record.producer_id))
                {
                    let value = record.value.unwrap();
                    values.push(String::from_utf8(value.to_vec()).unwrap());
                }
            }
        }
    }
}

/// Reads a partition without a client.
fn read_directly(fixture: &Fixture, partition: i32) -> Vec<String> {
    let topic = fixture.cluster.topic(TopicRef::Name("known")).unwrap();
    let log = topic.partition(partition).unwrap();
    let mut records = Vec::new();
    crate::data::read(&topic, partition, &log, &mut records).unwrap();
    let values = records.into_iter().filter_map(|record| record.value);
    values
        .map(|value| String::from_utf8(value.to_vec()).unwrap())
        .collect()
}

#[test]
fn open_transaction_hides_all_that_follows_it() {
    let fixture = Fixture::new();
    let mut client = Client::init(&fixture, ID);
    client.add(&fixture, &[0]);
    send_plain(&fixture, 0, "before");
    client.send(&fixture, 0, "within");
    send_plain(&fixture, 0, "after");
    assert_eq!(committed(&fixture, 0, 0), ["before"]);
    for version in versions::<FetchRequest>() {
        let all = fetch(&fixture, 0, 0, 0, version);
        assert_eq!((all.high_watermark, all.last_stable_offset), (3, 1));
        assert_eq!(all.aborted_transactions, None);
        let stable = fetch(&fixture, 0, 0, 1, version);
        assert_eq!(stable.last_stable_offset, 1);
        assert_eq!(stable.aborted_transactions, Some(Vec::new()));
        assert!(stable.records.unwrap().len() < all.records.unwrap().len());
        let beyond = fetch(&fixture, 0, 2, 1, version);
        assert_eq!(beyond.error_code, 0);
        assert!(beyond.records.unwrap_or_default().is_empty());
    }
    client.end(&fixture, true);
    assert_eq!(committed(&fixture, 0, 0), ["before", "within", "after"]);
}

#[test]
fn aborted_transactions_are_listed_in_every_version() {
    let fixture = Fixture::new();
    let mut client = Client::init(&fixture, ID);
    client.add(&fixture, &[0]);
    send_plain(&fixture, 0, "before");
    client.send(&fixture, 0, "within");
    client.end(&fixture, false);
    send_plain(&fixture, 0, "after");
    for version in versions::<FetchRequest>() {
        let fetched = fetch(&fixture, 0, 0, 1, version);
        let aborted = fetched.aborted_transactions.unwrap();
        assert_eq!(aborted.len(), 1);
        assert_eq!(aborted[0].producer_id.0, client.producer);
        assert_eq!(aborted[0].first_offset, 1);
        let after = fetch(&fixture, 0, 3, 1, version);
        assert_eq!(after.aborted_transactions, Some(Vec::new()));
    }
    assert_eq!(committed(&fixture, 0, 0), ["before", "after"]);
}

#[test]
fn latest_offset_and_searches_by_time_end_at_the_stable_offset() {
    let fixture = Fixture::new();
    let mut client = Client::init(&fixture, ID);
    send_plain(&fixture, 0, "before");
    client.add(&fixture, &[0]);
    client.send(&fixture, 0, "within");
    let list = |timestamp, isolation, version| {
        let partition =
            list_offsets_request::ListOffsetsPartition::default().with_timestamp(timestamp);
        let topic = list_offsets_request::ListOffsetsTopic::default()
            .with_name(topic_name("known"))
            .with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default()
            .with_isolation_level(isolation)
            .with_topics(vec![topic]);
        fixture.call(&request, version).topics[0].partitions[0].offset
    };
    for version in 2..=find(ListOffsetsRequest::KEY).unwrap().max {
        assert_eq!((list(-1, 0, version), list(-1, 1, version)), (2, 1));
        assert_eq!((list(-2, 0, version), list(-2, 1, version)), (0, 0));
        assert_eq!((list(5, 0, version), list(5, 1, version)), (0, 0));
    }
    client.end(&fixture, true);
    assert_eq!(list(-1, 1, 7), 3);
}

#[test]
fn deleting_records_forgets_transactions_before_them() {
    let fixture = Fixture::new();
    let mut client = Client::init(&fixture, ID);
    client.add(&fixture, &[0]);
    client.send(&fixture, 0, "aborted");
    client.end(&fixture, false);
    client.add(&fixture, &[0]);
    client.send(&fixture, 0, "open");
    let partition = fixture
        .cluster
        .partition(TopicRef::Name("known"), 0)
        .unwrap();
    partition.log().advance_start(3).unwrap();
    assert_eq!(offsets(&fixture, 0).stable, 3);
    client.send(&fixture, 0, "kept");
    client.end(&fixture, true);
    assert_eq!(committed(&fixture, 0, 3), ["kept"]);
    assert_eq!(
        fetch(&fixture, 0, 3, 1, 12).aborted_transactions,
        Some(Vec::new())
    );
}
