//! Batches of the current format.

use bytes::BytesMut;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Record as WireRecord, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};
use proptest::prelude::*;

use crate::broker::reader::tests::*;

/// Draws records with gaps between their offsets, and headers that repeat.
fn drawn_records() -> impl Strategy<Value = Vec<RecordBuf>> {
    let bytes = || proptest::option::of(prop::collection::vec(any::<u8>(), 0..40));
    let headers = prop::collection::vec(("[ab]?|é", bytes()), 0..4);
    let one = (1_i64..4, -(1_i64 << 61)..1 << 61, bytes(), bytes(), headers);
    prop::collection::vec(one, 1..20).prop_map(|drawn| {
        let mut offset = 10;
        drawn
            .into_iter()
            .map(|(step, timestamp_ms, key, value, all)| {
                offset += step;
                let mut headers = Headers::default();
                for (name, value) in all {
                    headers.push(name, value);
                }
                RecordBuf {
                    offset,
                    timestamp_ms,
                    key,
                    value,
                    headers,
                }
            })
            .collect()
    })
}

/// Encodes with `kafka-protocol`, which keeps one header of each name.
fn encode_foreign(records: &[RecordBuf], codec: i16) -> Vec<u8> {
    let records: Vec<WireRecord> = records
        .iter()
        .map(|record| {
            let mut wire = WireRecord {
                transactional: false,
                control: false,
                delete_horizon: false,
                partition_leader_epoch: 3,
                producer_id: NO_PRODUCER_ID,
                producer_epoch: NO_PRODUCER_EPOCH,
                timestamp_type: TimestampType::Creation,
                offset: record.offset,
                sequence: i32::try_from(record.offset).unwrap(),
                timestamp: record.timestamp_ms,
                key: record.key.clone().map(Bytes::from),
                value: record.value.clone().map(Bytes::from),
                headers: kafka_protocol::indexmap::IndexMap::default(),
            };
            for header in record.headers.as_slice() {
                let name = StrBytes::from_string(header.name.clone());
                wire.headers
                    .insert(name, header.value.clone().map(Bytes::from));
            }
            wire
        })
        .collect();
    let compression = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ][usize::try_from(codec).unwrap()];
    let options = RecordEncodeOptions {
        version: 2,
        compression,
    };
    let compressing = |from: &mut BytesMut, to: &mut BytesMut, _| {
        to.extend_from_slice(&compress(codec, from));
        Ok(())
    };
    let mut bytes = BytesMut::new();
    let encoding = RecordBatchEncoder::encode_with_custom_compression(
        &mut bytes,
        &records,
        &options,
        Some(compressing),
    );
    encoding.unwrap();
    bytes.to_vec()
}

/// Keeps the last header of each name, in the place of the first.
fn with_distinct_headers(record: &RecordBuf) -> RecordBuf {
    let mut distinct: Vec<(String, Option<Vec<u8>>)> = Vec::new();
    for header in record.headers.as_slice() {
        match distinct.iter_mut().find(|(name, _)| *name == header.name) {
            Some((_, value)) => value.clone_from(&header.value),
            None => distinct.push((header.name.clone(), header.value.clone())),
        }
    }
    let mut headers = Headers::default();
    for (name, value) in distinct {
        headers.push(name, value);
    }
    RecordBuf {
        headers,
        ..record.clone()
    }
}

fn absent(records: &[RecordBuf], position: i64) -> u64 {
    let offsets = records.last().unwrap().offset + 1 - position;
    offsets.unsigned_abs() - records.len() as u64
}

proptest! {
    #[test]
    fn batches_of_another_encoder_are_read_as_written(
        records in drawn_records(), codec in NONE..=ZSTD,
    ) {
        let read = read(response(encode_foreign(&records, codec), 10));
        let expected: Vec<_> = records.iter().map(with_distinct_headers).collect();
        prop_assert_eq!(&read.records, &expected);
        prop_assert_eq!(read.broken, vec![]);
        prop_assert_eq!(read.leader_epoch, Some(3));
        prop_assert_eq!(read.next_offset, records.last().unwrap().offset + 1);
        prop_assert_eq!(read.passed.absent, absent(&records, 10));
    }

    #[test]
    fn repeated_headers_keep_their_order(records in drawn_records()) {
        let read = read(response(Draft::new(&records).bytes(), 10));
        prop_assert_eq!(read.records, records);
    }

    #[test]
    fn reading_begins_at_the_position(records in drawn_records(), at: prop::sample::Index) {
        let from = records[at.index(records.len())].offset;
        let read = read(response(Draft::new(&records).bytes(), from));
        let expected: Vec<RecordBuf> =
            records.into_iter().filter(|record| record.offset >= from).collect();
        prop_assert_eq!(read.passed.absent, absent(&expected, from));
        prop_assert_eq!(read.records, expected);
    }
}

#[test]
fn snappy_is_read_with_and_without_the_frames_of_java_clients() {
    let records = records(0..200);
    let raw = Draft::new(&records);
    let mut framed = raw.clone();
    framed.attributes |= SNAPPY;
    framed.body = compress_xerial(&raw.body);
    for draft in [raw.compressed(SNAPPY), framed] {
        assert_eq!(read(response(draft.bytes(), 0)).records, records);
    }
}

#[test]
fn any_timestamp_is_kept() {
    let timestamps = [
        i64::MIN,
        -1,
        0,
        1_831_413_600_000_000,
        1_764_410_000_000_000_000,
        i64::MAX,
    ];
    for timestamp_ms in timestamps {
        let one = RecordBuf {
            timestamp_ms,
            ..record(0)
        };
        let read = read(response(Draft::new(std::slice::from_ref(&one)).bytes(), 0));
        assert_eq!(read.records, [one]);
    }
}

#[test]
fn extreme_timestamps_may_share_a_batch() {
    let at = |(offset, timestamp_ms): (i64, i64)| RecordBuf {
        timestamp_ms,
        ..record(offset)
    };
    let all = [(0, 5), (1, i64::MIN), (2, i64::MAX)].map(at);
    assert_eq!(read(response(Draft::new(&all).bytes(), 0)).records, all);
}

#[test]
fn records_of_a_log_with_append_times_have_the_time_of_the_append() {
    let mut draft = Draft::new(&records(0..2));
    draft.attributes |= LOG_APPEND_TIME;
    draft.max_timestamp = 77;
    let read = read(response(draft.bytes(), 0));
    let times: Vec<i64> = read.records.iter().map(|it| it.timestamp_ms).collect();
    assert_eq!(times, [77, 77]);
}

#[test]
fn gaps_between_and_within_batches_are_counted() {
    let mut log = Draft::new(&[record(3), record(7)]).bytes();
    log.extend(Draft::new(&[record(8)]).bytes());
    let mut compacted = Draft::new(&[record(12)]);
    (compacted.base_offset, compacted.last_offset) = (10, 15);
    compacted.body = encode(&record(12), 10, compacted.base_timestamp);
    log.extend(compacted.bytes());
    let read = read(response(log, 0));
    assert_eq!(offsets(&read), [3, 7, 8, 12]);
    assert_eq!((read.next_offset, read.passed.gaps), (16, 4));
    assert_eq!(read.passed.absent, 3 + 3 + 3 + 3);
    let first = Jump {
        expected: 0,
        found: 3,
    };
    assert_eq!(read.passed.first, Some(first));
}

#[test]
fn batch_whose_records_were_all_removed_moves_the_position() {
    let mut draft = Draft::new(&records(4..9));
    draft.count = 0;
    draft.body.clear();
    let read = read(response(draft.bytes(), 4));
    assert_eq!((read.next_offset, read.passed.absent), (9, 5));
    assert!(read.records.is_empty() && read.broken.is_empty());
}

#[test]
fn cut_batch_at_the_end_is_left_for_the_next_fetch() {
    let whole = Draft::new(&records(0..3)).bytes();
    let next = Draft::new(&records(3..6)).bytes();
    for cut in 0..next.len() {
        let log = [&whole, &next[..cut]].concat();
        let read = read(response(log, 0));
        assert_eq!((offsets(&read), read.next_offset), (vec![0, 1, 2], 3));
        assert!(read.broken.is_empty());
    }
    let cut = response(whole[..20].to_vec(), 0);
    assert_eq!(cut.cut_batch(), Some(whole.len()));
}

#[test]
fn large_batches_become_parts_of_bounded_size() {
    let value = vec![b'x'; 2 * 1024 * 1024];
    let mut log = Vec::new();
    for offset in 0..10 {
        let one = RecordBuf {
            value: Some(value.clone()),
            ..record(offset)
        };
        log.extend(Draft::new(&[one]).compressed(ZSTD).bytes());
    }
    assert!(log.len() < 10_000, "{}", log.len());
    let read = read(response(log, 0));
    assert_eq!((offsets(&read), read.parts), ((0..10).collect(), 5));
}
