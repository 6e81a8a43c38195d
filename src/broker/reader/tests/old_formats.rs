//! Messages of formats 0 and 1.

use proptest::prelude::*;
use xxhash_rust::xxh32::xxh32;

use crate::broker::reader::tests::*;

/// Encodes a message.
fn message(magic: u8, attributes: u8, offset: i64, record: &RecordBuf) -> Vec<u8> {
    let mut checked = vec![magic, attributes];
    if magic == 1 {
        checked.extend(record.timestamp_ms.to_be_bytes());
    }
    for field in [&record.key, &record.value] {
        let length = field
            .as_ref()
            .map_or(-1, |it| i32::try_from(it.len()).unwrap());
        checked.extend(length.to_be_bytes());
        checked.extend(field.iter().flatten());
    }
    let mut bytes = offset.to_be_bytes().to_vec();
    bytes.extend(i32::try_from(checked.len() + 4).unwrap().to_be_bytes());
    bytes.extend(crc32fast::hash(&checked).to_be_bytes());
    bytes.extend(checked);
    bytes
}

/// Encodes messages in a compressed one: format 1 counts their offsets from the first.
fn compressed(magic: u8, codec: i16, records: &[RecordBuf]) -> Vec<u8> {
    let shift = if magic == 1 { records[0].offset } else { 0 };
    let inner: Vec<u8> = records
        .iter()
        .flat_map(|it| message(magic, 0, it.offset - shift, it))
        .collect();
    let outer = RecordBuf {
        value: Some(compress(codec, &inner)),
        timestamp_ms: 99,
        ..RecordBuf::default()
    };
    let last = records.last().unwrap().offset;
    message(magic, u8::try_from(codec).unwrap(), last, &outer)
}

/// Records as a format holds them: format 0 has no timestamps.
fn held(magic: u8, records: &[RecordBuf]) -> Vec<RecordBuf> {
    let timestamp = |it: &RecordBuf| if magic == 1 { it.timestamp_ms } else { -1 };
    let records = records.iter();
    records
        .map(|it| RecordBuf {
            timestamp_ms: timestamp(it),
            ..it.clone()
        })
        .collect()
}

fn drawn_records() -> impl Strategy<Value = Vec<RecordBuf>> {
    let bytes = || proptest::option::of(prop::collection::vec(any::<u8>(), 0..40));
    prop::collection::vec((1_i64..4, any::<i64>(), bytes(), bytes()), 1..10).prop_map(|drawn| {
        let mut offset = 20;
        drawn
            .into_iter()
            .map(|(step, timestamp_ms, key, value)| {
                offset += step;
                RecordBuf {
                    offset,
                    timestamp_ms,
                    key,
                    value,
                    headers: Headers::default(),
                }
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn messages_are_read_as_written(
        records in drawn_records(), magic in 0_u8..2, codec in NONE..=LZ4,
    ) {
        let log = match codec {
            NONE => records.iter().flat_map(|it| message(magic, 0, it.offset, it)).collect(),
            _ => compressed(magic, codec, &records),
        };
        let read = read(response(log, 20));
        prop_assert_eq!(read.records, held(magic, &records));
        prop_assert_eq!(read.next_offset, records.last().unwrap().offset + 1);
        prop_assert_eq!((read.broken.len(), read.leader_epoch), (0, None));
    }

    #[test]
    fn changed_messages_are_read_or_broken(
        records in drawn_records(), magic in 0_u8..2, codec in NONE..=LZ4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        valid_checksum: bool,
    ) {
        let mut log = match codec {
            NONE => message(magic, 0, 20, &records[0]),
            _ => compressed(magic, codec, &records),
        };
        for (at, byte) in changes {
            let at = at.index(log.len());
            log[at] = byte;
        }
        if valid_checksum {
            let crc = crc32fast::hash(&log[16..]);
            log[12..16].copy_from_slice(&crc.to_be_bytes());
        }
        let _read = read(response(log, 0));
    }
}

#[test]
fn lz4_of_format_0_is_read_with_its_wrong_checksum() {
    let records = records(0..50);
    let inner: Vec<u8> = records
        .iter()
        .flat_map(|it| message(0, 0, it.offset, it))
        .collect();
    let mut frame = compress(LZ4, &inner);
    let end = if frame[4] & 0b1000 == 0 { 6 } else { 14 };
    let right = frame[end];
    frame[end] = xxh32(&frame[..end], 0).to_be_bytes()[2];
    assert_ne!(frame[end], right);
    let outer = RecordBuf {
        value: Some(frame),
        ..RecordBuf::default()
    };
    let read = read(response(message(0, 3, 49, &outer), 0));
    assert_eq!(read.records, held(0, &records), "{:?}", read.broken);
}

#[test]
fn messages_of_a_log_with_append_times_have_the_time_of_the_append() {
    let records = records(0..3);
    let mut bytes = compressed(1, GZIP, &records);
    bytes[17] |= 0b1000;
    let crc = crc32fast::hash(&bytes[16..]);
    bytes[12..16].copy_from_slice(&crc.to_be_bytes());
    let read = read(response(bytes, 0));
    let times: Vec<i64> = read.records.iter().map(|it| it.timestamp_ms).collect();
    assert_eq!(times, [99, 99, 99]);
}

#[test]
fn formats_may_change_within_a_log() {
    let all = records(0..9);
    let mut log = compressed(0, GZIP, &all[..2]);
    log.extend(message(0, 0, 2, &all[2]));
    log.extend(compressed(1, SNAPPY, &all[3..6]));
    log.extend(Draft::new(&all[6..]).bytes());
    let read = read(response(log, 0));
    assert_eq!(offsets(&read), (0..9).collect::<Vec<i64>>());
    assert_eq!((read.broken.len(), read.passed.gaps), (0, 0));
}

#[test]
fn broken_message_costs_itself_only() {
    let all = records(0..6);
    let broken_ones = [
        (compressed(1, GZIP, &all[2..4]), "checksum mismatch"),
        (message(1, 1, 3, &all[3]), "decompress"),
        (message(1, 7, 3, &all[3]), "unknown compression codec 7"),
    ];
    for (mut broken, reason) in broken_ones {
        if reason.contains("checksum") {
            broken[20] ^= 1;
        }
        let (before, after) = (message(1, 0, 1, &all[1]), message(1, 0, 4, &all[4]));
        let read = read(response([before, broken, after].concat(), 1));
        assert_eq!(offsets(&read), [1, 4]);
        let [(2, 3, found)] = read.broken.as_slice() else {
            panic!("{:?}", read.broken);
        };
        assert!(found.contains(reason), "{found}");
    }
}
