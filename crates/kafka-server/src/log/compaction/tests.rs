//! Compaction of logs on a real file system, against a model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use kafka_protocol::records::RecordBatchDecoder;
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::batch;
use crate::batch::tests::{Producer, batch_of_producer, transactional_batch};
use crate::codec::tests::compress;
use crate::config::Compaction;
use crate::log::compaction::record::{decompress, parse};
use crate::log::recovery::segment_files;
use crate::log::swap::Range;
use crate::log::{Bounds, Log, Marker, Pass};
use crate::records::tests::record;
use crate::storage::Storage;

const SEGMENT_BYTES: u64 = 1_200;

const EAGER: Compaction = Compaction {
    dirty_ratio: 0,
    min_lag_ms: 0,
    max_lag_ms: u64::MAX,
    delete_retention_ms: 1_000,
};

const EVERYTHING: Bounds = Bounds {
    max_bytes: 700,
    first_regardless: true,
    before: i64::MAX,
};

const NOW: u64 = 1_700_000_000_000;

fn open(directory: &Path) -> Log {
    Log::open(directory.to_owned(), SEGMENT_BYTES, &Storage::at(directory)).unwrap()
}

/// Key and value of each record.
type Pairs<'a> = [(&'a str, Option<&'a str>)];

fn body(pairs: &Pairs<'_>) -> Vec<u8> {
    let records = (0..).zip(pairs).map(|(offset, (key, value))| {
        record(
            offset,
            offset,
            Some(key.as_bytes()),
            value.map(str::as_bytes),
        )
    });
    records.collect::<Vec<_>>().concat()
}

fn append_bytes(log: &mut Log, bytes: &[u8]) -> i64 {
    log.append(&batch::check(bytes).unwrap(), bytes).unwrap()
}

fn append(log: &mut Log, pairs: &Pairs<'_>) -> i64 {
    let count = i32::try_from(pairs.len()).unwrap();
    let bytes = batch_of_producer(count, 5, &body(pairs), &Producer(-1, -1, -1));
    append_bytes(log, &bytes)
}

/// Fills the rest of the active segment, and starts the next one.
fn roll(log: &mut Log) {
    log.roll_if_older(0, NOW).unwrap();
    log.mark_synced(log.next_offset());
}

fn compact_with(log: &mut Log, compaction: Compaction, now: u64, max_keys: usize) -> bool {
    log.mark_synced(log.next_offset());
    let Some(plan) = log.plan_compaction(compaction, now) else {
        return false;
    };
    let mut pass = Pass::start_with(plan, now, max_keys, &CancellationToken::new()).unwrap();
    for group in pass.groups() {
        if let Some(done) = pass.rewrite(group).unwrap() {
            assert!(log.replace(done).unwrap());
        }
    }
    log.mark_compacted(pass.end());
    true
}

fn compact(log: &mut Log) {
    assert!(compact_with(log, EAGER, NOW, 1_000));
}

/// Offset, key and value of a record; control records have no key here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    offset: i64,
    key: Option<String>,
    value: Option<String>,
    timestamp: i64,
}

fn read_all(log: &Log) -> Vec<Found> {
    let mut found = Vec::new();
    let mut offset = log.start_offset();
    while let Some(slice) = log.slice(offset, EVERYTHING).unwrap() {
        let mut bytes = vec![0; slice.bytes];
        slice.read(&mut bytes).unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let header = batch::Header::parse(rest).unwrap();
            let (one, following) = rest.split_at(header.total_bytes);
            batch::check_stored(one).unwrap();
            let set = RecordBatchDecoder::decode(&mut Bytes::copy_from_slice(one)).unwrap();
            for record in set.records {
                let text = |bytes: Option<Bytes>| {
                    bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
                };
                found.push(Found {
                    offset: record.offset,
                    key: text(record.key).filter(|_| !record.control),
                    value: text(record.value),
                    timestamp: record.timestamp,
                });
            }
            assert!(header.next_offset() > offset);
            offset = header.next_offset();
            rest = following;
        }
    }
    assert_eq!(offset, log.next_offset());
    found
}

fn values(log: &Log) -> Vec<(String, Option<String>)> {
    let records = read_all(log).into_iter();
    records
        .filter_map(|found| Some((found.key?, found.value)))
        .collect()
}

fn pairs(pairs: &Pairs<'_>) -> Vec<(String, Option<String>)> {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned)))
        .collect()
}

#[test]
fn last_value_of_each_key_stays_at_its_offset() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    append(&mut log, &[("a", Some("1")), ("b", Some("1"))]);
    append(&mut log, &[("a", Some("2"))]);
    append(&mut log, &[("c", Some("1")), ("a", Some("3"))]);
    roll(&mut log);
    append(&mut log, &[("b", Some("active"))]);
    compact(&mut log);
    let expected = [
        ("b", Some("1")),
        ("c", Some("1")),
        ("a", Some("3")),
        ("b", Some("active")),
    ];
    assert_eq!(values(&log), pairs(&expected));
    let offsets: Vec<i64> = read_all(&log).iter().map(|found| found.offset).collect();
    assert_eq!(offsets, [1, 3, 4, 5]);
    assert_eq!(append(&mut log, &[("d", Some("1"))]), 6);
    let before = read_all(&log);
    assert_eq!(before[0].timestamp, 6, "timestamps stay");
    drop(log);
    assert_eq!(read_all(&open(directory.path())), before);
}

#[test]
fn every_codec_is_kept() {
    for codec in 0..=4_u8 {
        let directory = tempfile::tempdir().unwrap();
        let mut log = open(directory.path());
        let records = body(&[("a", Some("1")), ("b", Some("1")), ("a", Some("2"))]);
        let compressed = compress(i16::from(codec), &records);
        let mut bytes = batch_of_producer(3, 5, &compressed, &Producer(-1, -1, -1));
        bytes[22] |= codec;
        let crc = crc32c::crc32c(&bytes[21..]).to_be_bytes();
        bytes[17..21].copy_from_slice(&crc);
        append_bytes(&mut log, &bytes);
        roll(&mut log);
        compact(&mut log);
        let slice = log.slice(0, EVERYTHING).unwrap().unwrap();
        let mut bytes = vec![0; slice.bytes];
        slice.read(&mut bytes).unwrap();
        let header = batch::check_stored(&bytes).unwrap();
        assert_eq!(header.codec(), i16::from(codec));
        let records = decompress(&header, &bytes[batch::HEADER_BYTES..]).unwrap();
        let records = parse(&header, &records).unwrap();
        let keys: Vec<_> = records.iter().map(|record| record.key).collect();
        assert_eq!(keys, [Some(&b"b"[..]), Some(b"a")]);
    }
}

#[test]
fn small_segments_are_joined_and_fetches_cross_the_gaps() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    for number in 0..60 {
        append(
            &mut log,
            &[("a", Some("old")), (["x", "y"][number % 2], Some("old"))],
        );
    }
    let before = segment_files(directory.path()).unwrap().len();
    roll(&mut log);
    compact(&mut log);
    assert_eq!(values(&log).len(), 3);
    append(&mut log, &[("a", Some("new"))]);
    roll(&mut log);
    compact(&mut log);
    let after = segment_files(directory.path()).unwrap().len();
    assert!(before > 4 && after <= 4, "{before} files, then {after}");
    assert_eq!(values(&log).len(), 3);
    for offset in 0..log.next_offset() {
        assert!(log.slice(offset, EVERYTHING).unwrap().is_some());
    }
    let found = log.find_timestamp(0).unwrap().unwrap();
    assert_eq!(found.offset, read_all(&log)[0].offset);
}

#[test]
fn tombstones_are_kept_until_their_deadline() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    append(&mut log, &[("a", Some("1")), ("b", Some("1"))]);
    append(&mut log, &[("a", None)]);
    roll(&mut log);
    let compact_at = |log: &mut Log, now| {
        append(log, &[("filler", Some("1"))]);
        roll(log);
        assert!(compact_with(log, EAGER, now, 1_000));
        values(log)
    };
    let with = pairs(&[("b", Some("1")), ("a", None), ("filler", Some("1"))]);
    assert_eq!(compact_at(&mut log, NOW), with);
    assert_eq!(read_all(&log)[1].timestamp, 5, "the timestamp stays");
    assert_eq!(compact_at(&mut log, NOW + 999), with);
    let without = pairs(&[("b", Some("1")), ("filler", Some("1"))]);
    assert_eq!(compact_at(&mut log, NOW + 1_001), without);
}

#[test]
fn lags_and_the_dirty_ratio_decide_when() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    append(&mut log, &[("a", Some("1"))]);
    append(&mut log, &[("a", Some("2"))]);
    assert!(!compact_with(&mut log, EAGER, NOW, 10), "nothing is closed");
    roll(&mut log);
    let lag = Compaction {
        min_lag_ms: 1_000,
        ..EAGER
    };
    assert!(!compact_with(&mut log, lag, 1_004, 10));
    assert!(compact_with(&mut log, lag, 1_005, 10));
    assert!(!compact_with(&mut log, EAGER, NOW, 10), "nothing is dirty");
    let half = Compaction {
        dirty_ratio: 500_000,
        ..EAGER
    };
    for number in 0..4 {
        append(&mut log, &[(["b", "c", "d", "e"][number], Some("1"))]);
    }
    roll(&mut log);
    assert!(compact_with(&mut log, half, NOW, 10));
    append(&mut log, &[("f", Some("1"))]);
    roll(&mut log);
    assert!(!compact_with(&mut log, half, NOW, 10));
    let late = Compaction {
        max_lag_ms: 1_000,
        ..half
    };
    assert!(!compact_with(&mut log, late, 1_004, 10));
    assert!(compact_with(&mut log, late, 1_005, 10));
}

#[test]
fn aborted_records_are_dropped_and_markers_follow() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    let transact = |log: &mut Log, sequence, commits, value: &str| {
        log.admit(7, 0);
        let producer = Producer(7, 0, sequence);
        let bytes = transactional_batch(1, 5, &body(&[("a", Some(value))]), &producer);
        append_bytes(log, &bytes);
        let marker = Marker {
            producer_id: 7,
            producer_epoch: 0,
            commits,
            timestamp: 5,
        };
        log.append_marker(&marker).unwrap();
    };
    transact(&mut log, 0, true, "committed");
    transact(&mut log, 1, false, "aborted");
    transact(&mut log, 2, false, "aborted");
    roll(&mut log);
    compact(&mut log);
    assert_eq!(values(&log), pairs(&[("a", Some("committed"))]));
    let log = reopened(log, directory.path());
    assert_eq!(log.stable_offset(), log.next_offset());
    let mut log = log;
    append(&mut log, &[("a", Some("later"))]);
    roll(&mut log);
    compact(&mut log);
    append(&mut log, &[("b", Some("later"))]);
    roll(&mut log);
    assert!(compact_with(&mut log, EAGER, NOW + 2_000, 10));
    assert_eq!(
        values(&log),
        pairs(&[("a", Some("later")), ("b", Some("later"))])
    );
    let markers = read_all(&log)
        .into_iter()
        .filter(|found| found.key.is_none());
    assert_eq!(markers.count(), 0);
    let mut log = reopened(log, directory.path());
    assert_eq!(log.stable_offset(), log.next_offset());
    log.admit(7, 0);
    let late = transactional_batch(1, 5, &body(&[("c", Some("1"))]), &Producer(7, 0, 9));
    let refused = log.append(&batch::check(&late).unwrap(), &late);
    assert!(refused.is_err(), "the producer's sequence is still known");
    let next = transactional_batch(1, 5, &body(&[("c", Some("1"))]), &Producer(7, 0, 3));
    append_bytes(&mut log, &next);
}

fn reopened(log: Log, directory: &Path) -> Log {
    drop(log);
    open(directory)
}

#[test]
fn records_of_open_transactions_are_not_compacted() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    append(&mut log, &[("a", Some("1"))]);
    log.admit(7, 0);
    let bytes = transactional_batch(1, 5, &body(&[("a", Some("open"))]), &Producer(7, 0, 0));
    append_bytes(&mut log, &bytes);
    roll(&mut log);
    assert!(!compact_with(&mut log, EAGER, NOW, 10));
    assert_eq!(values(&log).len(), 2);
}

#[test]
fn interrupted_swap_is_finished_and_incomplete_files_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    for _ in 0..30 {
        append(&mut log, &[("a", Some("1")), ("b", Some("2"))]);
    }
    roll(&mut log);
    log.mark_synced(log.next_offset());
    let plan = log.plan_compaction(EAGER, NOW).unwrap();
    let mut pass = Pass::start_with(plan, NOW, 10, &CancellationToken::new()).unwrap();
    let group = pass.groups().remove(0);
    let done = pass.rewrite(group).unwrap().unwrap();
    let before = values(&log);
    let cleaned = done.segment.path().to_owned();
    let kept = std::fs::read(&cleaned).unwrap();
    let range = Range {
        base: done.segment.base_offset(),
        end: done.segment.next_offset(),
    };
    drop((done, pass));
    let log = reopened(log, directory.path());
    assert!(!cleaned.exists());
    assert_eq!(values(&log), before, "an incomplete file changes nothing");
    drop(log);
    let name = format!("{:020}.{:020}.swap", range.base, range.end);
    std::fs::write(directory.path().join(name), &kept).unwrap();
    let log = open(directory.path());
    assert!(values(&log).len() < before.len());
    let last = |values: &[(String, Option<String>)]| -> BTreeMap<String, Option<String>> {
        values.iter().cloned().collect()
    };
    assert_eq!(last(&values(&log)), last(&before));
}

#[test]
fn batch_with_more_keys_than_fit_does_not_stop_compaction() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    append(
        &mut log,
        &[("a", Some("1")), ("b", Some("1")), ("c", Some("1"))],
    );
    append(&mut log, &[("d", Some("1"))]);
    append(&mut log, &[("d", Some("2"))]);
    roll(&mut log);
    while compact_with(&mut log, EAGER, NOW, 2) {}
    assert_eq!(values(&log).len(), 4);
}

#[test]
fn changed_segments_are_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    for _ in 0..30 {
        append(&mut log, &[("a", Some("1")), ("b", Some("2"))]);
    }
    roll(&mut log);
    let plan = log.plan_compaction(EAGER, NOW).unwrap();
    let mut pass = Pass::start_with(plan, NOW, 10, &CancellationToken::new()).unwrap();
    let group = pass.groups().remove(0);
    let done = pass.rewrite(group).unwrap().unwrap();
    log.advance_start(40).unwrap();
    let before = read_all(&log);
    assert!(!log.replace(done).unwrap());
    assert_eq!(read_all(&log), before);
    let files = std::fs::read_dir(directory.path()).unwrap();
    let cleaned = files.filter(|file| {
        let path = file.as_ref().unwrap().path();
        path.extension()
            .is_some_and(|extension| extension == "cleaned")
    });
    assert_eq!(cleaned.count(), 0);
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Send(Vec<(u8, bool)>),
    Roll,
    Compact { later: u64, max_keys: usize },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => proptest::collection::vec((0..6_u8, prop::bool::weighted(0.8)), 1..5)
            .prop_map(Step::Send),
        2 => Just(Step::Roll),
        2 => (0..1_500_u64, 1..8_usize)
            .prop_map(|(later, max_keys)| Step::Compact { later, max_keys }),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn compacted_log_has_the_last_value_of_each_key_and_no_other_record(
        steps in proptest::collection::vec(step(), 1..50),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut log = open(directory.path());
        let mut sent: Vec<Found> = Vec::new();
        let mut now = NOW;
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Send(records) => {
                    let value = format!("value-{number}");
                    let keys: Vec<String> = records.iter().map(|(key, _)| key.to_string()).collect();
                    let pairs: Vec<(&str, Option<&str>)> = keys
                        .iter()
                        .zip(&records)
                        .map(|(key, (_, has_value))| (&key[..], has_value.then_some(&value[..])))
                        .collect();
                    let base = append(&mut log, &pairs);
                    sent.extend((0..).zip(pairs).map(|(index, (key, value))| Found {
                        offset: base + index,
                        key: Some(key.to_owned()),
                        value: value.map(str::to_owned),
                        timestamp: 5 + index,
                    }));
                }
                Step::Roll => roll(&mut log),
                Step::Compact { later, max_keys } => {
                    now += later;
                    compact_with(&mut log, EAGER, now, max_keys);
                }
                Step::Reopen => log = reopened(log, directory.path()),
            }
        }
        let found = read_all(&log);
        let is_sent = found.iter().all(|record| sent.contains(record));
        prop_assert!(is_sent, "only records that were sent, unchanged");
        let newest = |records: &[Found]| -> BTreeMap<String, Option<String>> {
            let mut newest = BTreeMap::new();
            for record in records {
                newest.insert(record.key.clone().unwrap(), record.value.clone());
            }
            newest.retain(|_, value: &mut Option<String>| value.is_some());
            newest
        };
        prop_assert_eq!(newest(&found), newest(&sent));
        roll(&mut log);
        let mut log = reopened(log, directory.path());
        compact_with(&mut log, EAGER, now, 1_000);
        let found = read_all(&log);
        let keys: BTreeSet<&Option<String>> = found.iter().map(|record| &record.key).collect();
        prop_assert_eq!(keys.len(), found.len(), "one record of each key");
        prop_assert_eq!(newest(&found), newest(&sent));
        let log = reopened(log, directory.path());
        prop_assert_eq!(read_all(&log), found);
    }
}
