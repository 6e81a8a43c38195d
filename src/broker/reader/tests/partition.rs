//! The reader against a broker.

use std::time::Duration;

use kafka_protocol::error::ResponseError;
use uuid::Uuid;

use crate::broker::reader::tests::*;
use crate::broker::{Connector, Endpoint, Error};

const MAX_BYTES: i32 = 1 << 20;
const WAIT: Duration = Duration::from_millis(10);

fn reader(broker: &StandIn, isolation: Isolation) -> PartitionReader {
    let connector = Connector::new(Endpoint::plain(broker.address().to_string()));
    connector.reader("readings", 0, isolation)
}

async fn read_from(reader: &mut PartitionReader, offset: i64) -> Read {
    let fetched = reader.fetch(offset, MAX_BYTES, WAIT).await.unwrap();
    read(fetched.records)
}

/// Returns a log with a committed, an aborted and an unfinished transaction.
fn log_of_transactions() -> Log {
    let mut log = Log::default();
    let of = |producer, offsets| Draft::new(&records(offsets)).of_transaction(producer);
    log.append(0, 1, of(7, 0..2).bytes());
    log.append(2, 2, Draft::marker(2, 7, true).bytes());
    log.append(3, 4, of(8, 3..5).bytes());
    log.append(5, 5, Draft::marker(5, 8, false).bytes());
    log.append(6, 6, Draft::new(&records(6..7)).bytes());
    log.append(7, 8, of(7, 7..9).bytes());
    log.aborted = vec![(8, 3)];
    log.last_stable = Some(7);
    log
}

#[tokio::test]
async fn isolation_decides_what_is_read_and_where_the_log_ends() {
    let broker = StandIn::start(log_of_transactions()).await;
    for (isolation, expected, end) in [
        (Isolation::ReadCommitted, vec![0, 1, 6], 7),
        (Isolation::ReadUncommitted, vec![0, 1, 3, 4, 6, 7, 8], 9),
    ] {
        let mut reader = reader(&broker, isolation);
        assert_eq!(reader.offsets().await.unwrap(), (0, end));
        let fetched = reader.fetch(0, MAX_BYTES, WAIT).await.unwrap();
        assert_eq!(fetched.end, end);
        assert_eq!(offsets(&read(fetched.records)), expected);
    }
}

#[tokio::test]
async fn old_brokers_are_read_by_the_name_of_the_topic() {
    for (topic_id, oldest) in [
        (None, false),
        (None, true),
        (Some(Uuid::from_u128(1)), true),
    ] {
        let mut log = Log {
            topic_id,
            oldest,
            ..Log::default()
        };
        log.append(0, 2, Draft::new(&records(0..3)).bytes());
        let broker = StandIn::start(log).await;
        let mut reader = reader(&broker, Isolation::ReadCommitted);
        assert_eq!(offsets(&read_from(&mut reader, 0).await), [0, 1, 2]);
        assert_eq!(
            reader.topic_id().await.unwrap(),
            topic_id.map(TopicId::from)
        );
    }
}

#[tokio::test]
async fn topic_that_is_created_again_is_not_read_as_the_same() {
    let mut log = Log {
        topic_id: Some(Uuid::from_u128(1)),
        ..Log::default()
    };
    log.append(0, 2, Draft::new(&records(0..3)).bytes());
    let broker = StandIn::start(log).await;
    let mut reader = reader(&broker, Isolation::ReadCommitted);
    assert_eq!(offsets(&read_from(&mut reader, 0).await), [0, 1, 2]);
    broker.log().topic_id = Some(Uuid::from_u128(2));
    let refused = reader.fetch(0, MAX_BYTES, WAIT).await.unwrap_err();
    assert!(matches!(refused, Error::Fetch { .. }), "{refused:?}");
    let recreated = reader.fetch(0, MAX_BYTES, WAIT).await.unwrap_err();
    assert!(
        matches!(recreated, Error::TopicRecreated { .. }),
        "{recreated:?}"
    );
}

/// Reads to offset 3 in epoch 1, and then from a leader of epoch 2.
async fn read_from_new_leader(end_of_old_epoch: Option<i64>) -> Result<Fetched, Error> {
    let mut log = Log {
        leader_epoch: 1,
        ..Log::default()
    };
    let mut draft = Draft::new(&records(0..3));
    draft.leader_epoch = 1;
    log.append(0, 2, draft.bytes());
    let broker = StandIn::start(log).await;
    let mut reader = reader(&broker, Isolation::ReadCommitted);
    let read = read_from(&mut reader, 0).await;
    assert_eq!(read.leader_epoch, Some(1));
    reader.set_leader_epoch(read.leader_epoch);
    {
        let mut log = broker.log();
        log.leader_epoch = 2;
        log.epoch_ends.extend(end_of_old_epoch.map(|end| (1, end)));
        log.append(3, 9, Draft::new(&records(3..10)).bytes());
        log.refuse = Some(ResponseError::NotLeaderOrFollower);
    }
    let refused = reader.fetch(3, MAX_BYTES, WAIT).await.unwrap_err();
    assert!(matches!(refused, Error::Fetch { .. }), "{refused:?}");
    reader.fetch(3, MAX_BYTES, WAIT).await
}

#[tokio::test]
async fn log_that_was_cut_and_has_grown_again_is_noticed() {
    let error = read_from_new_leader(Some(1)).await.unwrap_err();
    let Error::LogTruncated { offset, end, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!((offset, end), (3, 1));
}

#[tokio::test]
async fn log_that_a_new_leader_has_whole_is_read_on() {
    for end in [Some(3), Some(5), None] {
        let fetched = read_from_new_leader(end).await.unwrap();
        assert_eq!(offsets(&read(fetched.records)), [3, 4, 5, 6, 7, 8, 9]);
    }
}

#[tokio::test]
async fn offset_that_the_log_does_not_have_is_out_of_range() {
    let mut log = Log::default();
    log.append(5, 6, Draft::new(&records(5..7)).bytes());
    log.start = 5;
    let broker = StandIn::start(log).await;
    let mut reader = reader(&broker, Isolation::ReadCommitted);
    for offset in [4, 8] {
        let error = reader.fetch(offset, MAX_BYTES, WAIT).await.unwrap_err();
        assert!(matches!(error, Error::OffsetOutOfRange { .. }), "{error:?}");
    }
    assert_eq!(offsets(&read_from(&mut reader, 5).await), [5, 6]);
}
