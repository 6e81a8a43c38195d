//! Batches whose header is sound and whose records are not, and the demands of topics.

use proptest::prelude::*;

use super::*;
use crate::batch;
use crate::batch::tests::batch as sealed;
use crate::codec::tests::{compress, compress_xerial};

/// Encodes a zigzag varint.
pub fn varint(value: i64) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    loop {
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        if rest == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn nullable(bytes: Option<&[u8]>) -> Vec<u8> {
    let length = bytes.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap());
    [&varint(length), bytes.unwrap_or_default()].concat()
}

fn sized(fields: &[u8]) -> Vec<u8> {
    [&varint(i64::try_from(fields.len()).unwrap()), fields].concat()
}

/// Encodes a record with one header.
pub fn record(offset: i64, since: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Vec<u8> {
    let header = [varint(1), b"h".to_vec(), nullable(None)].concat();
    let fields = [
        vec![0],
        varint(since),
        varint(offset),
        nullable(key),
        nullable(value),
        varint(1),
        header,
    ];
    sized(&fields.concat())
}

/// Encodes records with keys.
pub fn body(records: i32) -> Vec<u8> {
    let records =
        (0..records).map(|offset| record(i64::from(offset), 0, Some(b"k"), Some(b"value")));
    records.collect::<Vec<_>>().concat()
}

const ANY: Demands = Demands {
    key: false,
    timestamps: Some(0..=i64::MAX),
};

fn check_body(records: i32, body: &[u8], demands: &Demands) -> Result<i64, Error> {
    let bytes = sealed(records, 1_000, body);
    check(&batch::check(&bytes).unwrap(), body, demands)
}

fn check_compressed(codec: i16, records: i32, body: &[u8]) -> Result<i64, Error> {
    let bytes = sealed(records, 1_000, body);
    let mut header = batch::check(&bytes).unwrap();
    header.attributes |= codec;
    check(&header, body, &ANY)
}

#[test]
fn sound_records_pass_in_every_codec() {
    let body = body(500);
    for codec in codec::NONE..=codec::ZSTD {
        assert_eq!(
            check_compressed(codec, 500, &compress(codec, &body)).unwrap(),
            1_000
        );
    }
    let framed = compress_xerial(&body);
    assert_eq!(
        check_compressed(codec::SNAPPY, 500, &framed).unwrap(),
        1_000
    );
}

#[test]
fn broken_records_are_refused_in_every_codec() {
    let one = body(1);
    let fields = |value_length: i64, headers: &[u8]| {
        sized(&[&[0, 0, 0, 1], &varint(value_length)[..], headers].concat())
    };
    let cases: Vec<(&str, i32, Vec<u8>)> = vec![
        ("no records", 1, Vec::new()),
        (
            "a record longer than the batch",
            1,
            [varint(1_000), vec![0; 3]].concat(),
        ),
        ("a record with a negative length", 1, varint(-5)),
        ("fewer records than stated", 1_000_000, one.clone()),
        ("far fewer records than stated", i32::MAX, one.clone()),
        ("more records than stated", 1, body(2)),
        ("a negative value length", 1, fields(-7, &[0])),
        ("a value longer than its record", 1, fields(500, &[0])),
        ("a negative number of headers", 1, fields(0, &varint(-1))),
        ("more headers than bytes", 1, fields(0, &varint(1 << 30))),
        (
            "a header without a key",
            1,
            fields(0, &[varint(1), varint(-1), varint(0)].concat()),
        ),
        (
            "a header value beyond its record",
            1,
            fields(0, &[varint(1), varint(0), varint(9)].concat()),
        ),
        ("a byte after the headers", 1, fields(0, &[0, 0])),
        ("a byte after the last record", 1, [&one[..], &[0]].concat()),
        ("a varint without an end", 1, vec![0xff; 20]),
        (
            "an offset that is not the next",
            2,
            [&one[..], &record(5, 0, None, None)].concat(),
        ),
        ("an offset twice", 2, [&one[..], &one[..]].concat()),
    ];
    for (name, records, body) in cases {
        for codec in codec::NONE..=codec::ZSTD {
            let checked = check_compressed(codec, records, &compress(codec, &body));
            assert!(checked.is_err(), "{name} in codec {codec}: {checked:?}");
        }
    }
}

#[test]
fn compressed_records_that_are_cut_or_not_compressed_are_refused() {
    for codec in codec::GZIP..=codec::ZSTD {
        let whole = compress(codec, &body(500));
        assert!(check_compressed(codec, 500, &whole[..whole.len() / 2]).is_err());
        assert!(check_compressed(codec, 500, &body(500)).is_err());
        assert!(check_compressed(codec, 500, b"").is_err());
    }
}

#[test]
fn records_that_decompress_to_too_much_are_refused() {
    let huge = [varint(i64::from(i32::MAX)), vec![0; 1_000]].concat();
    let checked = check_compressed(codec::ZSTD, 1, &compress(codec::ZSTD, &huge));
    assert!(matches!(checked, Err(Error::TooLarge)), "{checked:?}");
}

#[test]
fn records_without_a_key_are_named() {
    let keyed = Demands { key: true, ..ANY };
    let body = [
        record(0, 0, Some(b""), None),
        record(1, 0, None, Some(b"v")),
        record(2, 0, None, None),
    ]
    .concat();
    let Err(Error::Refused { refused }) = check_body(3, &body, &keyed) else {
        panic!("records without a key passed");
    };
    let reason = Reason::MissingKey;
    assert_eq!(
        refused,
        [Refused { index: 1, reason }, Refused { index: 2, reason }]
    );
    assert_eq!(check_body(3, &body, &ANY).unwrap(), 1_000);
}

#[test]
fn timestamps_outside_the_range_are_named() {
    let demands = Demands {
        key: false,
        timestamps: Some(900..=1_100),
    };
    let body = [
        record(0, -100, None, None),
        record(1, -101, None, None),
        record(2, 100, None, None),
        record(3, 101, None, None),
        record(4, NO_TIMESTAMP - 1_000, None, None),
    ]
    .concat();
    let Err(Error::Refused { refused }) = check_body(5, &body, &demands) else {
        panic!("timestamps outside the range passed");
    };
    let named = |index, timestamp| Refused {
        index,
        reason: Reason::Timestamp(timestamp),
    };
    assert_eq!(refused, [named(1, 899), named(3, 1_101)]);
    let set_by_broker = Demands {
        timestamps: None,
        ..demands
    };
    assert_eq!(check_body(5, &body, &set_by_broker).unwrap(), 1_101);
}

#[test]
fn timestamp_beyond_the_numbers_is_refused() {
    let body = record(0, i64::MAX, None, None);
    let checked = check_body(1, &body, &ANY);
    assert!(matches!(
        checked,
        Err(Error::Field {
            field: "timestamp",
            ..
        })
    ));
}

#[test]
fn first_record_at_a_timestamp_is_found_in_every_codec() {
    let records = (0..50).map(|offset| record(offset, offset * 10, None, None));
    let body = records.collect::<Vec<_>>().concat();
    for codec in codec::NONE..=codec::ZSTD {
        let compressed = compress(codec, &body);
        let mut header = batch::check(&sealed(50, 1_000, &compressed)).unwrap();
        header.attributes |= codec;
        let find = |timestamp| first_at_or_after(&header, &compressed, timestamp).unwrap();
        assert_eq!(find(1_101), Some((11, 1_110)));
        assert_eq!(find(0), Some((0, 1_000)));
        assert_eq!(find(1_491), None);
    }
}

proptest! {
    #[test]
    fn arbitrary_records_do_not_panic(
        codec in codec::NONE..=codec::ZSTD,
        records in 1..i32::MAX,
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let _outcome = check_compressed(codec, records, &body);
        let _outcome = check_compressed(codec, records, &compress(codec, &body));
    }

    #[test]
    fn cut_records_are_refused(records in 1..20_i32, cut: prop::sample::Index) {
        let body = body(records);
        let cut = cut.index(body.len());
        prop_assert!(check_body(records, &body[..cut], &ANY).is_err());
    }
}
