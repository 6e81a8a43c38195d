//! Batches that are valid, damaged and sealed, and those that other tests send.

use proptest::prelude::*;

use super::*;

/// Returns a valid batch whose records are `body`.
pub(crate) fn batch(records: i32, timestamp: i64, body: &[u8]) -> Vec<u8> {
    batch_of_producer(records, timestamp, body, &Producer(-1, -1, -1))
}

/// The producer's id, its epoch and the sequence number of the first record.
pub(crate) struct Producer(pub i64, pub i16, pub i32);

/// Returns a valid batch of an idempotent producer.
pub(crate) fn batch_of_producer(
    records: i32,
    timestamp: i64,
    body: &[u8],
    producer: &Producer,
) -> Vec<u8> {
    let Producer(id, epoch, sequence) = producer;
    let mut checked = Vec::new();
    checked.extend(0_i16.to_be_bytes());
    checked.extend((records - 1).to_be_bytes());
    checked.extend(timestamp.to_be_bytes());
    checked.extend(timestamp.to_be_bytes());
    checked.extend(id.to_be_bytes());
    checked.extend(epoch.to_be_bytes());
    checked.extend(sequence.to_be_bytes());
    checked.extend(records.to_be_bytes());
    checked.extend(body);
    let mut bytes = Vec::new();
    bytes.extend(0_i64.to_be_bytes());
    bytes.extend(i32::try_from(checked.len() + 9).unwrap().to_be_bytes());
    bytes.extend((-1_i32).to_be_bytes());
    bytes.push(2);
    bytes.extend(crc32c::crc32c(&checked).to_be_bytes());
    bytes.extend(checked);
    bytes
}

/// Returns a valid batch of a transactional producer.
pub(crate) fn transactional_batch(
    records: i32,
    timestamp: i64,
    body: &[u8],
    producer: &Producer,
) -> Vec<u8> {
    let mut bytes = batch_of_producer(records, timestamp, body, producer);
    bytes[22] |= TRANSACTIONAL.to_be_bytes()[1];
    let crc = crc32c::crc32c(&bytes[CHECKSUMMED_FROM..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn valid_batch_passes_and_reports_its_offsets() {
    let bytes = batch(3, 77, b"opaque");
    let header = check(&bytes).unwrap();
    assert_eq!(header.next_offset(), 3);
    assert_eq!(header.max_timestamp, 77);
    assert_eq!(header.total_bytes, bytes.len());
}

#[test]
fn encoded_header_keeps_the_checksum_valid() {
    let mut bytes = batch(3, 77, b"opaque");
    let sent = bytes.clone();
    let header = check(&bytes).unwrap();
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode(1_000, 4));
    assert_eq!(check(&bytes).unwrap().next_offset(), 1_003);
    assert_eq!(bytes[16..], sent[16..]);
}

#[test]
fn replaced_timestamps_keep_the_checksum_valid() {
    let mut bytes = batch(3, 77, b"opaque");
    let mut header = check(&bytes).unwrap();
    header.set_log_append_time(99, b"opaque");
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode(0, 0));
    let stored = check(&bytes).unwrap();
    assert_eq!((stored.max_timestamp, stored.log_append_time()), (99, true));
}

#[test]
fn old_message_format_is_rejected() {
    let mut bytes = batch(1, 0, b"");
    bytes[16] = 1;
    assert_eq!(check(&bytes), Err(Error::Magic { magic: 1 }));
}

#[test]
fn record_count_that_contradicts_the_offsets_is_rejected() {
    let mut bytes = batch(2, 0, b"");
    bytes[57..61].copy_from_slice(&5_i32.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(
        check(&bytes),
        Err(Error::Count {
            records: 5,
            offsets: 2
        })
    );
}

proptest! {
    #[test]
    fn truncated_batch_is_rejected(body in proptest::collection::vec(any::<u8>(), 0..64), cut in 0_usize..100) {
        let bytes = batch(1, 0, &body);
        let cut = cut % bytes.len();
        prop_assert!(check(&bytes[..cut]).is_err());
    }

    #[test]
    fn changed_byte_is_detected_except_in_the_brokers_own_fields(
        body in proptest::collection::vec(any::<u8>(), 0..64),
        at: prop::sample::Index,
        flip in 1_u8..=255,
    ) {
        let mut bytes = batch(1, 0, &body);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let outside_the_checksum = at < 8 || (12..16).contains(&at);
        prop_assert_eq!(check(&bytes).is_ok(), outside_the_checksum);
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        let _outcome = check(&bytes);
    }
}
