//! Logs that other programs wrote: transactions, compaction, batches that cannot be decoded, topics
//! that were created again.

use bson::{Bson, Document, RawDocumentBuf, doc};
use uuid::Uuid;

use crate::broker::reader_tests::{Draft, Log, StandIn, record};
use crate::broker::{Isolation, RecordBuf};
use crate::pipeline::tests::processes::{Member, TIMING, member};
use crate::pipeline::tests::*;
use crate::record::Headers;
use crate::store::Connection;

/// A broker that holds any log, and a store.
pub struct Site {
    pub broker: StandIn,
    store: embedded_store::MongoServer,
}

impl Site {
    pub async fn open(log: Log) -> Self {
        let store = embedded_store::MongoServer::start(embedded_store::Settings::default());
        Self {
            broker: StandIn::start(log).await,
            store: store.await.unwrap(),
        }
    }

    async fn consume(&self, member: &Member, isolation: Isolation, length: Length) -> Consumed {
        let consumed = self.consumed(member, isolation, length).await;
        assert!(consumed.session.failure.is_none(), "{:?}", consumed.session);
        consumed
    }

    /// Consumes, and may fail.
    pub async fn consumed(
        &self,
        member: &Member,
        isolation: Isolation,
        length: Length,
    ) -> Consumed {
        let settings = ConsumerSettings {
            storage: Arc::clone(&member.storage),
            participation: Participation {
                start: Start::Checkpoint,
                isolation,
                timing: TIMING,
                instance: None,
                length,
                replay_dead_letters: false,
            },
            broker: Endpoint::plain(self.broker.address().to_string()),
            store: SecretUri::new(self.store.uri()),
            registry: None,
        };
        let (consumer, observer) = (Handle::current(), Arc::new(NoObserver));
        let (context, interrupt) = (Arc::clone(&member.context), Interrupt::default());
        let consuming = consume(context, settings, consumer, observer, interrupt);
        Box::pin(consuming).await.unwrap()
    }

    /// Consumes committed records until nothing is left.
    pub async fn consume_all(&self, member: &Member) {
        let idle = Length {
            idle: Some(Duration::from_millis(300)),
            ..Length::default()
        };
        let consumed = self.consume(member, Isolation::ReadCommitted, idle).await;
        assert_eq!(consumed.session.ending, Ending::Idle);
        let lag: Vec<_> = consumed
            .session
            .lag
            .iter()
            .map(PartitionLag::records)
            .collect();
        assert_eq!(lag, [Some(0)]);
    }

    async fn documents(&self, collection: &str) -> Vec<Document> {
        let uri = SecretUri::new(self.store.uri());
        let connection = Connection::open(&uri, "convoy", 1).await.unwrap();
        let mut documents = Vec::new();
        let visit = |document: &bson::RawDocument| {
            let document = RawDocumentBuf::from_bytes(document.as_bytes().to_vec()).unwrap();
            documents.push(Document::try_from(document).unwrap());
        };
        let collection = connection.documents(collection);
        collection.scan(doc! {}, visit).await.unwrap();
        documents
    }

    /// Returns the field `n` of every document in order.
    pub async fn stored(&self) -> Vec<i64> {
        let documents = self.documents("sensor").await;
        let number = |it: &Document| i64::from(it.get_i32("n").unwrap());
        let mut numbers: Vec<i64> = documents.iter().map(number).collect();
        numbers.sort_unstable();
        numbers
    }
}

fn numbered(offset: i64, number: i64) -> RecordBuf {
    RecordBuf {
        value: Some(format!("{{\"n\":{number}}}").into_bytes()),
        ..record(offset)
    }
}

/// Returns records whose numbers are their offsets.
pub fn numbers(offsets: std::ops::Range<i64>) -> Vec<RecordBuf> {
    offsets.map(|offset| numbered(offset, offset)).collect()
}

pub fn log_of(records: &[RecordBuf]) -> Log {
    let (first, last) = (records[0].offset, records.last().unwrap().offset);
    let mut log = Log::default();
    log.append(first, last, Draft::new(records).bytes());
    log
}

fn identified(id: u128, log: Log) -> Log {
    Log {
        topic_id: Some(Uuid::from_u128(id)),
        ..log
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_log_has_besides_records_is_passed_and_counted() {
    let of = |producer, offsets| Draft::new(&numbers(offsets)).of_transaction(producer);
    let mut log = log_of(&numbers(0..2));
    log.append(2, 4, of(7, 2..5).bytes());
    log.append(5, 5, Draft::marker(5, 7, false).bytes());
    log.append(6, 7, of(8, 6..8).bytes());
    log.append(8, 8, Draft::marker(8, 8, true).bytes());
    // The cleaner has removed what was between.
    log.append(20, 21, Draft::new(&numbers(20..22)).bytes());
    log.append(22, 22, Draft::marker(22, 7, true).bytes());
    log.aborted = vec![(7, 2)];
    let site = Site::open(log).await;
    let first = member("one", "committed");
    site.consume_all(&first).await;
    assert_eq!(site.stored().await, [0, 1, 6, 7, 20, 21]);
    let counts = first.context.counters.snapshot();
    assert_eq!(counts.aborted_records, 3);
    assert_eq!(counts.skipped_control_batches, 3);
    assert_eq!((counts.offset_gaps, counts.absent_offsets), (1, 11));
    assert_eq!((counts.stored, counts.dead_lettered), (6, 0));

    let second = member("two", "uncommitted");
    let length = Length {
        records: Some(3),
        ..Length::default()
    };
    let consuming = site.consume(&second, Isolation::ReadUncommitted, length);
    consuming.await;
    let expected = [0, 1, 2, 3, 4, 6, 7, 20, 21];
    assert_eq!(site.stored().await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_transaction_is_the_end_of_the_log() {
    let mut log = log_of(&numbers(0..2));
    log.append(2, 4, Draft::new(&numbers(2..5)).of_transaction(7).bytes());
    log.last_stable = Some(2);
    let site = Site::open(log).await;
    let member = member("one", "group");
    site.consume_all(&member).await;
    assert_eq!(site.stored().await, [0, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_that_ends_with_removed_records_is_read_to_its_end() {
    let mut log = log_of(&numbers(0..2));
    log.end = 9;
    let site = Site::open(log).await;
    let member = member("one", "group");
    site.consume_all(&member).await;
    assert_eq!(site.stored().await, [0, 1]);
    let counts = member.context.counters.snapshot();
    assert_eq!((counts.offset_gaps, counts.absent_offsets), (1, 7));
    assert_eq!(counts.fetches_failed, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetches_that_find_nothing_for_a_moment_skip_no_record() {
    let mut log = log_of(&numbers(0..5));
    log.empty_fetches = 6;
    let site = Site::open(log).await;
    let member = member("one", "group");
    site.consume_all(&member).await;
    assert_eq!(site.stored().await, [0, 1, 2, 3, 4]);
    assert_eq!(member.context.counters.offset_gaps.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batch_that_cannot_be_decoded_is_one_dead_letter_with_its_bytes() {
    let mut log = log_of(&numbers(0..2));
    let mut broken = Draft::new(&numbers(2..6)).bytes();
    *broken.last_mut().unwrap() ^= 1;
    log.append(2, 5, broken.clone());
    log.append(6, 7, Draft::new(&numbers(6..8)).bytes());
    let site = Site::open(log).await;
    let first = member("one", "group");
    site.consume_all(&first).await;
    assert_eq!(site.stored().await, [0, 1, 6, 7]);
    assert_eq!(first.context.counters.dead_lettered.get(), 1);
    let letters = site.documents("sensor_dead_letters").await;
    let [letter] = letters.as_slice() else {
        panic!("{letters:?}");
    };
    let place = doc! { "topic": "readings", "partition": 0, "offset": 2_i64, "last_offset": 5_i64 };
    assert_eq!(letter.get_document("kafka").unwrap(), &place);
    assert_eq!(letter.get_binary_generic("value").unwrap(), &broken);
    assert_eq!(letter.get("timestamp"), Some(&Bson::Null));
    let reason = letter.get_str("reason").unwrap();
    assert!(reason.contains("the batch of offsets 2 to 5"), "{reason}");
    assert!(reason.contains("checksum mismatch"), "{reason}");
    assert_eq!(site.broker.log().produced.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_and_timestamps_are_stored_as_they_are() {
    const YEAR_60000: i64 = 1_831_413_600_000_000;
    let mut headers = Headers::default();
    for (name, value) in [
        ("trace", Some(&b"b"[..])),
        ("parent", None),
        ("trace", Some(b"a")),
        ("", Some(b"\xff")),
    ] {
        headers.push(name, value.map(<[u8]>::to_vec));
    }
    let mut all = Vec::new();
    for timestamp_ms in [
        YEAR_60000,
        1_764_410_000_000_000_000,
        -5,
        i64::MAX,
        i64::MIN,
    ] {
        let offset = i64::try_from(all.len()).unwrap();
        all.push(RecordBuf {
            timestamp_ms,
            headers: headers.clone(),
            ..numbered(offset, offset)
        });
    }
    let site = Site::open(log_of(&all)).await;
    site.consume_all(&member("one", "group")).await;
    let documents = site.documents("sensor").await;
    assert_eq!(documents.len(), 5);
    let binary = bson::Binary {
        subtype: bson::spec::BinarySubtype::Generic,
        bytes: vec![0xff],
    };
    let expected = [
        Bson::from(doc! { "name": "trace", "value": "b" }),
        Bson::from(doc! { "name": "parent", "value": Bson::Null }),
        Bson::from(doc! { "name": "trace", "value": "a" }),
        Bson::from(doc! { "name": "", "value": binary }),
    ];
    for document in documents {
        let own = document.get_document("_convoy").unwrap();
        let kafka = own.get_document("kafka").unwrap();
        assert_eq!(kafka.get_array("headers").unwrap(), &expected);
        let number = usize::try_from(document.get_i32("n").unwrap()).unwrap();
        let stored = kafka.get_datetime("timestamp").unwrap();
        assert_eq!(stored.timestamp_millis(), all[number].timestamp_ms);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topic_that_was_created_again_is_read_from_its_first_record() {
    let site = Site::open(identified(1, log_of(&numbers(0..5)))).await;
    let first = member("one", "group");
    site.consume_all(&first).await;
    assert_eq!(site.stored().await.len(), 5);
    // Also at offsets that the old topic had.
    let again: Vec<_> = (0..7)
        .map(|offset| numbered(offset, offset + 100))
        .collect();
    *site.broker.log() = identified(2, log_of(&again));
    let second = member("two", "group");
    site.consume_all(&second).await;
    let counts = second.context.counters.snapshot();
    assert_eq!((counts.stored, counts.recreated_partitions), (7, 1));
    assert_eq!((counts.replayed, counts.conflicting), (0, 0));
    assert_eq!(site.stored().await.len(), 12);
    let third = member("three", "group");
    site.consume_all(&third).await;
    let counts = third.context.counters.snapshot();
    assert_eq!((counts.fetched, counts.recreated_partitions), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topic_that_is_created_again_while_it_is_read_is_read_on() {
    let site = Site::open(identified(1, log_of(&numbers(0..5)))).await;
    let member = member("one", "group");
    let length = Length {
        records: Some(8),
        ..Length::default()
    };
    let recreating = async {
        until("the old records", || {
            member.context.counters.stored.get() == 5
        })
        .await;
        let again: Vec<_> = (0..3)
            .map(|offset| numbered(offset, offset + 100))
            .collect();
        *site.broker.log() = identified(2, log_of(&again));
    };
    let consuming = site.consume(&member, Isolation::ReadCommitted, length);
    let (consumed, ()) = tokio::join!(consuming, recreating);
    assert_eq!(consumed.session.ending, Ending::Records);
    assert_eq!(site.stored().await, [0, 1, 2, 3, 4, 100, 101, 102]);
    assert_eq!(member.context.counters.recreated_partitions.get(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoint_without_topic_id_stays_valid() {
    let site = Site::open(log_of(&numbers(0..5))).await;
    site.consume_all(&member("one", "group")).await;
    site.broker.log().topic_id = Some(Uuid::from_u128(1));
    let second = member("two", "group");
    site.consume_all(&second).await;
    let counts = second.context.counters.snapshot();
    assert_eq!((counts.fetched, counts.recreated_partitions), (0, 0));
    *site.broker.log() = identified(2, log_of(&numbers(0..3)));
    let third = member("three", "group");
    site.consume_all(&third).await;
    assert_eq!(third.context.counters.recreated_partitions.get(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_that_was_cut_and_has_grown_again_is_read_from_the_cut() {
    let site = Site::open(log_of(&numbers(0..5))).await;
    site.consume_all(&member("one", "group")).await;
    let mut regrown = log_of(&numbers(0..3));
    let others: Vec<_> = (3..8)
        .map(|offset| numbered(offset, offset + 100))
        .collect();
    let mut draft = Draft::new(&others);
    draft.leader_epoch = 1;
    regrown.append(3, 7, draft.bytes());
    regrown.leader_epoch = 1;
    regrown.epoch_ends.insert(0, 3);
    *site.broker.log() = regrown;
    let second = member("two", "group");
    site.consume_all(&second).await;
    let counts = second.context.counters.snapshot();
    assert_eq!((counts.log_truncations, counts.fetched), (1, 5));
    // Offsets 3 and 4 had other records, which are lost in the broker and stored here.
    assert_eq!((counts.stored, counts.conflicting), (3, 2));
}
