//! Batches that are not valid.

use proptest::prelude::*;

use crate::broker::reader::tests::*;

/// Reads a batch of offsets 3 to 5 between two valid ones.
fn between_valid_ones(broken: &[u8]) -> Read {
    let (before, after) = (records(0..3), records(6..8));
    let log = [
        &Draft::new(&before).bytes(),
        broken,
        &Draft::new(&after).bytes(),
    ]
    .concat();
    let read = read(response(log, 0));
    let expected: Vec<RecordBuf> = before.into_iter().chain(after).collect();
    assert_eq!(read.records, expected, "{:?}", read.broken);
    assert_eq!((read.next_offset, read.passed.gaps), (8, 0));
    read
}

fn draft() -> Draft {
    Draft::new(&records(3..6))
}

/// Returns a draft with another body.
fn with_body(change: impl FnOnce(&mut Vec<u8>)) -> Draft {
    let mut draft = draft();
    change(&mut draft.body);
    draft
}

#[test]
fn each_broken_batch_costs_itself_only_and_says_why() {
    let garbage = |codec: i16| {
        let mut draft = with_body(|body| *body = b"\xff\xff not compressed".to_vec());
        draft.attributes |= codec;
        draft
    };
    let counted = |count: i32| Draft { count, ..draft() };
    let mut unordered = draft();
    unordered.body = [encode(&record(4), 3, 0), encode(&record(3), 3, 0)].concat();
    unordered.count = 2;
    let mut beyond = draft();
    beyond.body = [3, 4, 6].map(|at| encode(&record(at), 3, 0)).concat();
    let cases = [
        (garbage(GZIP), "decompress"),
        (garbage(SNAPPY), "decompress"),
        (garbage(LZ4), "decompress"),
        (garbage(ZSTD), "decompress"),
        (garbage(5), "unknown compression codec 5"),
        (garbage(7), "unknown compression codec 7"),
        (counted(4), "record 3 has an invalid length"),
        (counted(1_000_000), "record 3 has an invalid length"),
        (counted(i32::MAX), "record 3 has an invalid length"),
        (counted(2), "bytes follow the last of 2 records"),
        (counted(0), "bytes follow the last of 0 records"),
        (counted(-1), "bytes follow the last of -1 records"),
        (with_body(Vec::clear), "record 0 has an invalid length"),
        (with_body(|body| body.push(0)), "bytes follow the last of 3"),
        (unordered, "record 1 has an invalid offset"),
        (beyond, "record 2 has an invalid offset"),
    ];
    for (draft, reason) in cases {
        let read = between_valid_ones(&draft.bytes());
        let [(3, 5, found)] = read.broken.as_slice() else {
            panic!("{reason}: {:?}", read.broken);
        };
        assert!(found.contains(reason), "{found} does not contain {reason}");
    }
}

/// Fields of one record: attributes, timestamp, offset, key, value, number of headers.
#[test]
fn each_broken_field_is_named() {
    let cases: [(&[u8], &str); 10] = [
        (b"", "attributes"),
        (b"\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "timestamp"),
        (b"\0\0", "offset"),
        (b"\0\0\0\x03", "key"),
        (b"\0\0\0\x01\x0d", "value"),
        (b"\0\0\0\x01\x01", "number of headers"),
        (b"\0\0\0\x01\x01\x01", "number of headers"),
        (b"\0\0\0\x01\x01\x02\x01\x01", "header"),
        (b"\0\0\0\x01\x01\xfe\xff\xff\xff\x0f\0\0", "header"),
        (b"\0\0\0\x01\x01\0\0", "header"),
    ];
    for (fields, name) in cases {
        let mut body = Vec::new();
        write_nullable(&mut body, Some(fields));
        let mut draft = Draft::new(&records(0..1));
        draft.body = body;
        let read = read(response(draft.bytes(), 0));
        let reason = format!("record 0 has an invalid {name}");
        assert_eq!(read.broken, [(0, 0, reason)], "{fields:?}");
    }
}

#[test]
fn changed_byte_breaks_its_batch_only() {
    let sent = draft().bytes();
    for at in 17..sent.len() {
        let mut changed = sent.clone();
        changed[at] ^= 0x55;
        let read = between_valid_ones(&changed);
        assert_eq!(read.broken.len(), 1, "byte {at}");
        assert!(read.broken[0].2.contains("checksum mismatch"), "byte {at}");
    }
}

#[test]
fn unknown_format_breaks_its_batch_only() {
    let mut changed = draft().bytes();
    changed[16] = 3;
    let read = between_valid_ones(&changed);
    assert_eq!(read.broken, [(3, 5, "unknown message format 3".to_owned())]);
}

#[test]
fn broken_batch_never_passes_the_end_of_the_log() {
    let mut changed = draft().bytes();
    changed[23..27].copy_from_slice(&i32::MAX.to_be_bytes());
    let at_the_end = Undecoded::new(Bytes::from(changed.clone()), Aborted::default(), 3, 6);
    assert_eq!(read(at_the_end).next_offset, 6);
    changed[..8].copy_from_slice(&i64::MAX.to_be_bytes());
    let elsewhere = Undecoded::new(Bytes::from(changed), Aborted::default(), 3, 6);
    assert_eq!(read(elsewhere).next_offset, 6);
}

#[test]
fn batch_of_impossible_length_ends_the_response() {
    for length in [-1_i32, 0, 4, i32::MIN] {
        let mut changed = draft().bytes();
        changed[8..12].copy_from_slice(&length.to_be_bytes());
        let log = [Draft::new(&records(0..3)).bytes(), changed].concat();
        let read = read(response(log, 0));
        assert_eq!(offsets(&read), [0, 1, 2]);
        let [(3, _, reason)] = read.broken.as_slice() else {
            panic!("{:?}", read.broken);
        };
        assert_eq!(*reason, format!("invalid batch length {length}"));
        assert!((4..=6).contains(&read.next_offset), "{}", read.next_offset);
    }
}

#[test]
fn batch_that_decompresses_beyond_the_limit_costs_itself_only() {
    let beyond = usize::try_from(MAX_DECOMPRESSED).unwrap() + 1;
    let mut draft = draft();
    draft.attributes |= ZSTD;
    draft.body = compress(ZSTD, &vec![0; beyond]);
    assert!(draft.body.len() < 100_000);
    let read = between_valid_ones(&draft.bytes());
    assert!(read.broken[0].2.contains("134217728"), "{:?}", read.broken);
}

proptest! {
    #[test]
    fn changed_bytes_are_read_or_broken_and_never_stop_the_reader(
        codec in NONE..=ZSTD,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        valid_checksum: bool,
        position in 0_i64..8,
    ) {
        let mut log = Draft::new(&records(0..4)).compressed(codec).bytes();
        for (at, byte) in changes {
            let at = at.index(log.len());
            log[at] = byte;
        }
        if valid_checksum {
            let crc = crc32c::crc32c(&log[21..]);
            log[17..21].copy_from_slice(&crc.to_be_bytes());
        }
        let _read = read(response(log, position));
    }

    #[test]
    fn any_bytes_are_read_or_broken(
        bytes in prop::collection::vec(any::<u8>(), 0..200), magic in 0_u8..4, position: i64,
    ) {
        let mut bytes = bytes;
        if let Some(at) = bytes.get_mut(16) {
            *at = magic;
        }
        let mut undecoded = response(bytes, position);
        while undecoded.next_part().is_some() {}
    }
}
