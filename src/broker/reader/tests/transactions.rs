//! Control batches and aborted transactions.

use proptest::prelude::*;

use crate::broker::reader::tests::*;

fn committed_only(log: Vec<u8>, aborted: &[(i64, i64)], position: i64) -> Read {
    let transactions = aborted.iter();
    let transactions = transactions.map(|(producer_id, first_offset)| AbortedTransaction {
        producer_id: *producer_id,
        first_offset: *first_offset,
    });
    let aborted = Aborted::new(transactions.collect());
    read(Undecoded::new(Bytes::from(log), aborted, position, END))
}

#[test]
fn control_batches_are_passed_and_counted() {
    let mut log = Draft::new(&records(0..3)).of_transaction(7).bytes();
    log.extend(Draft::marker(3, 7, true).bytes());
    log.extend(Draft::new(&records(4..5)).bytes());
    log.extend(Draft::marker(5, 8, false).bytes());
    let read = committed_only(log, &[], 0);
    assert_eq!((offsets(&read), read.next_offset), (vec![0, 1, 2, 4], 6));
    assert_eq!((read.passed.control_batches, read.passed.gaps), (2, 0));
}

#[test]
fn control_batch_alone_moves_the_position() {
    let read = committed_only(Draft::marker(9, 7, true).bytes(), &[], 9);
    assert_eq!((read.next_offset, read.passed.control_batches), (10, 1));
}

#[test]
fn control_batch_with_unknown_content_is_passed() {
    let mut draft = Draft::marker(0, 7, true);
    draft.body = b"of a later version".to_vec();
    let read = committed_only(draft.bytes(), &[], 0);
    assert_eq!((read.next_offset, read.broken.len()), (1, 0));
}

#[test]
fn records_of_aborted_transactions_are_left_out() {
    let mut log = Draft::new(&records(0..2)).of_transaction(7).bytes();
    log.extend(Draft::new(&records(2..4)).of_transaction(8).bytes());
    log.extend(Draft::new(&records(4..5)).bytes());
    log.extend(Draft::marker(5, 7, false).bytes());
    log.extend(Draft::new(&records(6..7)).of_transaction(7).bytes());
    log.extend(Draft::marker(7, 8, true).bytes());
    log.extend(Draft::marker(8, 7, true).bytes());
    let read = committed_only(log.clone(), &[(7, 0)], 0);
    assert_eq!(offsets(&read), [2, 3, 4, 6]);
    assert_eq!((read.passed.aborted_records, read.passed.gaps), (2, 0));
    assert_eq!((read.next_offset, read.passed.control_batches), (9, 3));
    let all = committed_only(log, &[], 0);
    assert_eq!(offsets(&all), [0, 1, 2, 3, 4, 6]);
}

#[test]
fn transaction_that_began_before_the_position_is_left_out() {
    let mut log = Draft::new(&records(10..12)).of_transaction(7).bytes();
    log.extend(Draft::marker(12, 7, false).bytes());
    let read = committed_only(log, &[(7, 3)], 11);
    assert_eq!((offsets(&read), read.next_offset), (vec![], 13));
}

#[test]
fn aborted_records_need_not_be_valid() {
    let mut draft = Draft::new(&records(0..2)).of_transaction(7);
    draft.body = b"not records".to_vec();
    let read = committed_only(draft.bytes(), &[(7, 0)], 0);
    assert_eq!((read.broken.len(), read.passed.aborted_records), (0, 2));
}

/// A producer, the number of records of its transaction, and whether it commits.
type Transaction = (i64, i64, bool);

proptest! {
    #[test]
    fn interleaved_transactions_are_read_if_committed(
        transactions in prop::collection::vec((0_i64..3, 1_i64..4, any::<bool>()), 1..12),
        from in 0_i64..20,
    ) {
        let (mut log, mut aborted, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        let mut open: Vec<(Transaction, i64)> = Vec::new();
        let mut next = 0;
        let mut end = |log: &mut Vec<u8>, open: &mut Vec<(Transaction, i64)>, producer, next: &mut i64| {
            let at = open.iter().position(|((it, _, _), _)| *it == producer)?;
            let ((producer, count, commits), first) = open.remove(at);
            if commits {
                expected.extend(first..first + count);
            } else {
                aborted.push((producer, first));
            }
            log.extend(Draft::marker(*next, producer, commits).bytes());
            *next += 1;
            Some(())
        };
        for transaction in transactions {
            let (producer, count, _) = transaction;
            let _ended = end(&mut log, &mut open, producer, &mut next);
            log.extend(Draft::new(&records(next..next + count)).of_transaction(producer).bytes());
            open.push((transaction, next));
            next += count;
        }
        for producer in 0..3 {
            let _ended = end(&mut log, &mut open, producer, &mut next);
        }
        expected.retain(|offset| *offset >= from);
        expected.sort_unstable();
        let read = committed_only(log, &aborted, from);
        prop_assert_eq!(offsets(&read), expected);
        prop_assert_eq!(read.passed.gaps, 0);
        prop_assert_eq!(read.next_offset, if from < next { next } else { 0 });
    }
}
