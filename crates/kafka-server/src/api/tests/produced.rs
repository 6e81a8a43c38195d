//! Records that a topic refuses, and what it makes of those that it takes.

use convoy_server_kit::unix_ms;

use crate::api::tests::*;
use crate::records::tests::record;

/// Returns the response to a batch for partition 0 of a new topic with one setting.
fn produce_to(
    setting: (&str, &str),
    acks: i16,
    bytes: Vec<u8>,
) -> produce_response::PartitionProduceResponse {
    let fixture = Fixture::new();
    let (name, value) = setting;
    let configs = BTreeMap::from([(name.to_owned(), value.to_owned())]);
    fixture.cluster.create_topic("set", 1, configs).unwrap();
    send(&fixture, acks, bytes)
}

fn send(
    fixture: &Fixture,
    acks: i16,
    bytes: Vec<u8>,
) -> produce_response::PartitionProduceResponse {
    let partition = produce_request::PartitionProduceData::default()
        .with_index(0)
        .with_records(Some(Bytes::from(bytes)));
    let topic = produce_request::TopicProduceData::default()
        .with_name(topic_name("set"))
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default()
        .with_acks(acks)
        .with_topic_data(vec![topic]);
    let mut response = fixture.call(&request, 9);
    response.responses.remove(0).partition_responses.remove(0)
}

fn now() -> i64 {
    i64::try_from(unix_ms()).unwrap()
}

const DEFAULT: (&str, &str) = ("retention.ms", "-1");

#[test]
fn batches_with_broken_records_are_refused() {
    let body = record(0, 0, None, Some(b"value"));
    let short = body[..body.len() - 1].to_vec();
    let cases = [
        ("a record cut off", batch(1, 0, &short), 87),
        ("no records", batch(1, 0, b""), 87),
        ("one record for many", batch(1_000_000, 0, &body), 87),
        ("a byte more", batch(1, 0, &[&body[..], &[0]].concat()), 87),
        ("a time before 1970", batch(1, -(1 << 62), &body), 32),
        ("the last time", batch(1, i64::MAX, &body), 32),
    ];
    for (name, bytes, code) in cases {
        let refused = produce_to(DEFAULT, -1, bytes);
        assert_eq!(
            (refused.error_code, refused.base_offset),
            (code, -1),
            "{name}"
        );
        assert!(refused.error_message.is_some(), "{name}");
    }
    assert_eq!(produce_to(DEFAULT, -1, batch(1, -1, &body)).error_code, 0);
}

#[test]
fn base_offset_other_than_zero_is_refused() {
    let mut bytes = filled(1, 0);
    bytes[7] = 9;
    assert_eq!(produce_to(DEFAULT, -1, bytes).error_code, 87);
}

#[test]
fn records_without_a_key_are_refused_one_by_one_in_compacted_topics() {
    let body = [record(0, 0, Some(b"k"), None), record(1, 0, None, None)].concat();
    for policy in ["compact", "compact,delete"] {
        let refused = produce_to(("cleanup.policy", policy), -1, batch(2, 0, &body));
        assert_eq!(refused.error_code, 87);
        assert_eq!(refused.record_errors.len(), 1);
        assert_eq!(refused.record_errors[0].batch_index, 1);
    }
    let taken = produce_to(("cleanup.policy", "delete"), -1, batch(2, 0, &body));
    assert_eq!(taken.error_code, 0);
}

#[test]
fn timestamps_beyond_the_topics_limits_are_refused() {
    let hour = 3_600_000;
    let code = |setting, timestamp| produce_to(setting, -1, filled(1, timestamp)).error_code;
    assert_eq!(code(DEFAULT, now() + 2 * hour), 32);
    assert_eq!(code(DEFAULT, now() + hour / 2), 0);
    assert_eq!(code(DEFAULT, 0), 0);
    let before = ("message.timestamp.before.max.ms", "60000");
    assert_eq!(code(before, now() - hour), 32);
    assert_eq!(code(before, now()), 0);
    let after = ("message.timestamp.after.max.ms", "10800000");
    assert_eq!(code(after, now() + 2 * hour), 0);
}

#[test]
fn one_record_with_a_bad_timestamp_is_named() {
    let body = [record(0, 0, None, None), record(1, 7_200_000, None, None)].concat();
    let refused = produce_to(DEFAULT, -1, batch(2, now(), &body));
    assert_eq!(refused.error_code, 32);
    let indexes: Vec<i32> = refused
        .record_errors
        .iter()
        .map(|error| error.batch_index)
        .collect();
    assert_eq!(indexes, [1]);
}

#[test]
fn log_append_time_replaces_all_timestamps() {
    let setting = ("message.timestamp.type", "LogAppendTime");
    let before = now();
    let taken = produce_to(setting, -1, filled(1, i64::MAX));
    assert_eq!(taken.error_code, 0);
    assert!((before..=now()).contains(&taken.log_append_time_ms));
}

#[test]
fn stated_highest_timestamp_is_corrected() {
    let fixture = Fixture::new();
    fixture
        .cluster
        .create_topic("set", 1, BTreeMap::new())
        .unwrap();
    let body = [record(0, 0, None, None), record(1, 70, None, None)].concat();
    assert_eq!(send(&fixture, 1, batch(2, 1_000, &body)).error_code, 0);
    let partition = fixture.cluster.partition(TopicRef::Name("set"), 0).unwrap();
    let highest = partition.log().find_max_timestamp().unwrap().unwrap();
    assert_eq!((highest.offset, highest.timestamp), (1, 1_070));
}

#[test]
fn more_replicas_in_sync_than_there_are_refuse_only_acks_of_all() {
    let setting = ("min.insync.replicas", "2");
    assert_eq!(produce_to(setting, -1, filled(1, 0)).error_code, 19);
    assert_eq!(produce_to(setting, 1, filled(1, 0)).error_code, 0);
}

#[test]
fn default_limit_on_a_batch_is_that_of_kafka() {
    let bytes = |value: usize| batch(1, 0, &record(0, 0, None, Some(&vec![7; value])));
    assert_eq!(produce_to(DEFAULT, -1, bytes(1_048_588)).error_code, 10);
    assert_eq!(produce_to(DEFAULT, -1, bytes(1_048_000)).error_code, 0);
}
