//! A log on a real file system: append, read, truncate, recover.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use proptest::prelude::*;

use crate::batch::tests::{Producer, batch, batch_of_producer};
use crate::batch::{self, Header};
use crate::config::Retention;
use crate::log::recovery::segment_files;
use crate::log::{Bounds, Error, Log, Timed};

fn open(directory: &Path) -> Log {
    Log::open(directory.to_owned(), 4_000).unwrap()
}

fn append(log: &mut Log, records: i32, timestamp: i64) -> i64 {
    let bytes = batch(records, timestamp, &[7; 100]);
    let header = batch::check(&bytes).unwrap();
    log.append(&header, &bytes).unwrap()
}

fn within(max_bytes: usize, first_regardless: bool) -> Bounds {
    Bounds {
        max_bytes,
        first_regardless,
        before: i64::MAX,
    }
}

/// Returns the headers of all batches from an offset on.
fn read(log: &Log, mut offset: i64) -> Vec<Header> {
    let mut headers = Vec::new();
    while let Some(slice) = log.slice(offset, within(1_000, true)).unwrap() {
        let mut bytes = vec![0; slice.bytes];
        slice.read(&mut bytes).unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let header = Header::parse(rest).unwrap();
            batch::check(&rest[..header.total_bytes]).unwrap();
            rest = &rest[header.total_bytes..];
            offset = header.next_offset();
            headers.push(header);
        }
    }
    headers
}

fn last_segment(directory: &Path) -> std::path::PathBuf {
    segment_files(directory).unwrap().pop().unwrap().1
}

#[test]
fn offsets_are_consecutive_across_segments_and_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    for number in 0..50 {
        assert_eq!(append(&mut log, 3, number), number * 3);
    }
    assert!(segment_files(directory.path()).unwrap().len() > 1);
    drop(log);
    let mut log = open(directory.path());
    assert_eq!(append(&mut log, 1, 50), 150);
    let headers = read(&log, 0);
    assert_eq!(headers.len(), 51);
    let expected: Vec<i64> = (0..51).map(|number| number * 3).collect();
    let offsets: Vec<i64> = headers.iter().map(|header| header.base_offset).collect();
    assert_eq!(offsets, expected);
}

#[test]
fn offset_within_a_batch_returns_the_whole_batch() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    append(&mut log, 10, 0);
    append(&mut log, 10, 0);
    assert_eq!(read(&log, 15).first().unwrap().base_offset, 10);
}

#[test]
fn batch_beyond_the_limit_is_returned_only_on_request() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    append(&mut log, 1, 0);
    assert_eq!(log.slice(0, within(10, false)).unwrap().unwrap().bytes, 0);
    assert_eq!(log.slice(0, within(10, true)).unwrap().unwrap().bytes, 161);
}

#[test]
fn offsets_outside_the_log_are_out_of_range() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    append(&mut log, 2, 0);
    assert!(log.slice(2, within(100, true)).unwrap().is_none());
    for offset in [-1, 3] {
        assert!(matches!(
            log.slice(offset, within(100, true)),
            Err(Error::OutOfRange { .. })
        ));
    }
}

#[test]
fn timestamps_out_of_order_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    for timestamp in [10, 30, 20, 40] {
        append(&mut log, 1, timestamp);
    }
    let found = |timestamp| log.find_timestamp(timestamp).unwrap();
    let timed = |offset, timestamp| Some(Timed { offset, timestamp });
    assert_eq!(found(0), timed(0, 10));
    assert_eq!(found(15), timed(1, 30));
    assert_eq!(found(31), timed(3, 40));
    assert_eq!(found(41), None);
    assert_eq!(log.find_max_timestamp().unwrap(), timed(3, 40));
}

#[test]
fn advanced_start_removes_segments_and_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    for number in 0..100 {
        append(&mut log, 1, number);
    }
    let before = segment_files(directory.path()).unwrap().len();
    log.advance_start(70).unwrap();
    assert!(segment_files(directory.path()).unwrap().len() < before);
    drop(log);
    let log = open(directory.path());
    assert_eq!((log.start_offset(), log.next_offset()), (70, 100));
    assert_eq!(read(&log, 70).first().unwrap().base_offset, 70);
}

#[test]
fn unsynced_records_can_be_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    for number in 0..60 {
        append(&mut log, 1, number);
        if number == 19 {
            let unsynced = log.unsynced().unwrap();
            unsynced.sync().unwrap();
            log.mark_synced(unsynced.offset);
        }
    }
    assert_eq!(log.drop_unsynced().unwrap(), 40);
    assert_eq!(log.next_offset(), 20);
    assert_eq!(append(&mut log, 1, 99), 20);
    assert_eq!(read(&log, 0).len(), 21);
}

#[test]
fn producer_sequence_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let send = |log: &mut Log, sequence| {
        let bytes = batch_of_producer(2, 0, b"", &Producer(7, 0, sequence));
        log.append(&batch::check(&bytes).unwrap(), &bytes)
    };
    let mut log = open(directory.path());
    send(&mut log, 0).unwrap();
    send(&mut log, 2).unwrap();
    drop(log);
    let mut log = open(directory.path());
    assert_eq!(send(&mut log, 2).unwrap(), 2);
    assert_eq!(log.next_offset(), 4);
    assert!(matches!(send(&mut log, 9), Err(Error::Sequence { .. })));
    assert_eq!(send(&mut log, 4).unwrap(), 4);
}

#[test]
fn old_segments_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    for number in 0..100 {
        append(&mut log, 1, number);
    }
    let retention = Retention {
        milliseconds: Some(10),
        bytes: None,
    };
    log.apply_retention(retention, 60).unwrap();
    let start = log.start_offset();
    assert!((20..=50).contains(&start), "{start}");
    assert_eq!(read(&log, start).first().unwrap().base_offset, start);
    log.apply_retention(retention, 1_000).unwrap();
    assert_eq!((log.start_offset(), log.next_offset()), (100, 100));
    assert_eq!(append(&mut log, 1, 1_000), 100);
}

#[test]
fn segments_beyond_the_size_limit_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    for number in 0..100 {
        append(&mut log, 1, number);
    }
    let retention = Retention {
        milliseconds: None,
        bytes: Some(8_000),
    };
    log.apply_retention(retention, 0).unwrap();
    assert!((8_000..12_000).contains(&log.bytes()), "{}", log.bytes());
    let start = log.start_offset();
    assert_eq!(read(&log, start).first().unwrap().base_offset, start);
}

#[test]
fn corruption_of_a_synced_segment_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    for number in 0..100 {
        append(&mut log, 1, number);
    }
    let unsynced = log.unsynced().unwrap();
    log.mark_synced(unsynced.offset);
    log.save_checkpoint().unwrap();
    drop(log);
    let (_, first) = segment_files(directory.path()).unwrap().swap_remove(0);
    OpenOptions::new()
        .write(true)
        .open(&first)
        .unwrap()
        .set_len(1_000)
        .unwrap();
    let error = Log::open(directory.path().to_owned(), 4_000).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn truncated_log_recovers_its_complete_batches(
        records in proptest::collection::vec(1_i32..5, 1..20),
        cut: prop::sample::Index,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut log = Log::open(directory.path().to_owned(), u64::MAX).unwrap();
        let mut next_offsets = vec![0];
        for count in records {
            append(&mut log, count, 0);
            next_offsets.push(log.next_offset());
        }
        drop(log);
        let path = last_segment(directory.path());
        let length = std::fs::metadata(&path).unwrap().len();
        let cut = cut.index(usize::try_from(length).unwrap() + 1);
        OpenOptions::new().write(true).open(&path).unwrap().set_len(cut as u64).unwrap();
        let log = Log::open(directory.path().to_owned(), u64::MAX).unwrap();
        prop_assert_eq!(log.next_offset(), next_offsets[cut / 161]);
        prop_assert_eq!(read(&log, 0).len(), cut / 161);
    }

    #[test]
    fn garbage_after_the_last_batch_is_removed(garbage in proptest::collection::vec(any::<u8>(), 1..300)) {
        let directory = tempfile::tempdir().unwrap();
        let mut log = open(directory.path());
        append(&mut log, 2, 0);
        drop(log);
        let path = last_segment(directory.path());
        OpenOptions::new().append(true).open(&path).unwrap().write_all(&garbage).unwrap();
        let mut log = open(directory.path());
        prop_assert_eq!(log.next_offset(), 2);
        prop_assert_eq!(append(&mut log, 1, 0), 2);
        prop_assert_eq!(read(&log, 0).len(), 2);
    }
}
