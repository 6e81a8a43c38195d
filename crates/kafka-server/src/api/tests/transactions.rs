//! The rules of transactions, in raw requests.

use crate::api::tests::*;
use crate::batch::tests::transactional_batch;
use crate::records::tests::record;

mod isolation;
mod offsets;
mod restarts;

const ID: &str = "orders";

/// A transactional producer as a client keeps it.
#[derive(Debug, Clone)]
struct Client {
    id: String,
    producer: i64,
    epoch: i16,
    /// Next sequence number by partition.
    sequences: BTreeMap<i32, i32>,
}

impl Client {
    /// Asks for a producer id and an epoch.
    fn init(fixture: &Fixture, id: &str) -> Self {
        let answer = init(fixture, id, 60_000, 5);
        assert_eq!(answer.error_code, 0);
        Self {
            id: id.to_owned(),
            producer: answer.producer_id.0,
            epoch: answer.producer_epoch,
            sequences: BTreeMap::new(),
        }
    }

    /// Adds partitions of the known topic to the transaction.
    fn add(&self, fixture: &Fixture, partitions: &[i32]) -> i16 {
        self.add_to(fixture, "known", partitions, 3)[0]
    }

    fn add_to(&self, fixture: &Fixture, topic: &str, partitions: &[i32], version: i16) -> Vec<i16> {
        let topic = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(partitions.to_vec());
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(TransactionalId(text(&self.id)))
            .with_v3_and_below_producer_id(ProducerId(self.producer))
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let mut response = fixture.call(&request, version);
        let topic = response.results_by_topic_v3_and_below.remove(0);
        let results = topic.results_by_partition.into_iter();
        results.map(|result| result.partition_error_code).collect()
    }

    /// Sends one record with this value; returns error code and offset.
    fn send(&mut self, fixture: &Fixture, partition: i32, value: &str) -> (i16, i64) {
        let sequence = self.sequences.get(&partition).copied().unwrap_or(0);
        let sent = self.send_as(fixture, partition, sequence, value);
        if sent.0 == 0 {
            self.sequences.insert(partition, sequence + 1);
        }
        sent
    }

    fn send_as(&self, fixture: &Fixture, partition: i32, sequence: i32, value: &str) -> (i16, i64) {
        let body = record(0, 0, Some(b"k"), Some(value.as_bytes()));
        let producer = Producer(self.producer, self.epoch, sequence);
        let bytes = transactional_batch(1, 5, &body, &producer);
        produce_as(fixture, Some(&self.id), partition, bytes)
    }

    fn end(&self, fixture: &Fixture, commits: bool) -> i16 {
        self.end_in(fixture, commits, 4)
    }

    fn end_in(&self, fixture: &Fixture, commits: bool, version: i16) -> i16 {
        let request = EndTxnRequest::default()
            .with_transactional_id(TransactionalId(text(&self.id)))
            .with_producer_id(ProducerId(self.producer))
            .with_producer_epoch(self.epoch)
            .with_committed(commits);
        fixture.call(&request, version).error_code
    }

    fn add_group(&self, fixture: &Fixture, group: &str, version: i16) -> i16 {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(TransactionalId(text(&self.id)))
            .with_producer_id(ProducerId(self.producer))
            .with_producer_epoch(self.epoch)
            .with_group_id(GroupId(text(group)));
        fixture.call(&request, version).error_code
    }

    /// The same producer with another epoch.
    fn with_epoch(&self, epoch: i16) -> Self {
        Self {
            epoch,
            ..self.clone()
        }
    }
}

fn init(fixture: &Fixture, id: &str, timeout: i32, version: i16) -> InitProducerIdResponse {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text(id))))
        .with_transaction_timeout_ms(timeout);
    let request = if version >= 3 {
        request
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1)
    } else {
        request
    };
    fixture.call(&request, version)
}

/// Asks for a new epoch as the producer with this id and epoch.
fn raise(fixture: &Fixture, id: &str, producer: i64, epoch: i16) -> (i16, i64, i16) {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text(id))))
        .with_transaction_timeout_ms(60_000)
        .with_producer_id(ProducerId(producer))
        .with_producer_epoch(epoch);
    let answer = fixture.call(&request, 4);
    (
        answer.error_code,
        answer.producer_id.0,
        answer.producer_epoch,
    )
}

fn produce_as(fixture: &Fixture, id: Option<&str>, partition: i32, bytes: Vec<u8>) -> (i16, i64) {
    let partition = produce_request::PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(Bytes::from(bytes)));
    let topic = produce_request::TopicProduceData::default()
        .with_name(topic_name("known"))
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_transactional_id(id.map(|id| TransactionalId(text(id))))
        .with_topic_data(vec![topic]);
    let response = fixture.call(&request, 11);
    let partition = &response.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

/// Sends one record outside transactions.
fn send_plain(fixture: &Fixture, partition: i32, value: &str) {
    let body = record(0, 0, Some(b"k"), Some(value.as_bytes()));
    assert_eq!(
        produce_as(fixture, None, partition, batch(1, 5, &body)).0,
        0
    );
}

fn now() -> i64 {
    i64::try_from(convoy_server_kit::unix_ms()).unwrap()
}

/// Aborts what is open after twice the timeout of the clients here.
fn expire(fixture: &Fixture) {
    let transactions = fixture.cluster.transactions();
    transactions.expire(&fixture.cluster, now() + 120_000);
}

#[test]
fn new_id_starts_at_epoch_zero_and_each_init_raises_it() {
    let fixture = Fixture::new();
    for (expected, version) in (0..).zip(versions::<InitProducerIdRequest>()) {
        let first = init(&fixture, ID, 60_000, version);
        let other = init(&fixture, &format!("other-{version}"), 60_000, version);
        assert_eq!((first.error_code, first.producer_epoch), (0, expected));
        assert_eq!((other.error_code, other.producer_epoch), (0, 0));
        assert_ne!(first.producer_id, other.producer_id);
    }
}

#[test]
fn timeouts_and_ids_out_of_bounds_are_refused() {
    let fixture = Fixture::new();
    for timeout in [i32::MIN, -1, 0, 900_001, i32::MAX] {
        assert_eq!(
            init(&fixture, ID, timeout, 4).error_code,
            50,
            "{timeout} ms"
        );
    }
    for timeout in [1, 900_000] {
        assert_eq!(init(&fixture, ID, timeout, 4).error_code, 0, "{timeout} ms");
    }
    assert_eq!(init(&fixture, "", 60_000, 4).error_code, 42);
}

#[test]
fn producer_raises_its_own_epoch_and_may_repeat_the_request() {
    let fixture = Fixture::new();
    let Client { producer, .. } = Client::init(&fixture, ID);
    assert_eq!(raise(&fixture, ID, producer, 0), (0, producer, 1));
    assert_eq!(raise(&fixture, ID, producer, 0), (0, producer, 1));
    assert_eq!(raise(&fixture, ID, producer, 1), (0, producer, 2));
    assert_eq!(raise(&fixture, ID, producer, 0).0, 90);
    assert_eq!(raise(&fixture, ID, producer + 500, 2).0, 90);
    Client::init(&fixture, ID);
    assert_eq!(raise(&fixture, ID, producer, 2).0, 90);
}

#[test]
fn last_epoch_is_followed_by_another_producer_id() {
    let fixture = Fixture::new();
    let producer = Client::init(&fixture, ID).producer;
    for epoch in 0..i16::MAX - 1 {
        assert_eq!(raise(&fixture, ID, producer, epoch).2, epoch + 1);
    }
    let (code, fresh, epoch) = raise(&fixture, ID, producer, i16::MAX - 1);
    assert_eq!((code, epoch), (0, 0));
    assert_ne!(fresh, producer);
    let again = raise(&fixture, ID, producer, i16::MAX - 1);
    assert_eq!(again, (0, fresh, 0));
}

#[test]
fn coordinator_of_transactions_is_the_broker() {
    let fixture = Fixture::new();
    for version in 1..=find(FindCoordinatorRequest::KEY).unwrap().max {
        let request = FindCoordinatorRequest::default().with_key_type(1);
        let request = if version >= 4 {
            request.with_coordinator_keys(vec![text(ID)])
        } else {
            request.with_key(text(ID))
        };
        let response = fixture.call(&request, version);
        let port = response
            .coordinators
            .first()
            .map_or(response.port, |it| it.port);
        assert_eq!(port, 9092);
    }
}

#[test]
fn requests_of_a_transaction_work_in_every_version() {
    let fixture = Fixture::new();
    let mut client = Client::init(&fixture, ID);
    for version in versions::<AddPartitionsToTxnRequest>() {
        assert_eq!(client.add_to(&fixture, "known", &[0, 1], version), [0, 0]);
        assert_eq!(client.send(&fixture, 0, "value").0, 0);
        assert_eq!(client.end(&fixture, true), 0);
    }
    for version in versions::<EndTxnRequest>() {
        assert_eq!(client.add(&fixture, &[0]), 0);
        assert_eq!(client.end_in(&fixture, version % 2 == 0, version), 0);
    }
    for version in versions::<AddOffsetsToTxnRequest>() {
        assert_eq!(client.add_group(&fixture, "readers", version), 0);
    }
}

#[test]
fn fenced_producers_get_the_code_that_their_version_knows() {
    let fixture = Fixture::new();
    let old = Client::init(&fixture, ID);
    Client::init(&fixture, ID);
    for (version, code) in [(0, 47), (1, 47), (2, 90), (3, 90)] {
        assert_eq!(old.add_to(&fixture, "known", &[0], version), [code]);
        assert_eq!(old.end_in(&fixture, true, version), code);
        assert_eq!(old.add_group(&fixture, "readers", version), code);
    }
}

#[test]
fn producers_that_the_coordinator_does_not_know_are_refused() {
    let fixture = Fixture::new();
    let known = Client::init(&fixture, ID);
    let cases = [
        (
            "another id",
            Client {
                id: "none".to_owned(),
                ..known.clone()
            },
            49,
        ),
        (
            "another producer",
            Client {
                producer: 999,
                ..known.clone()
            },
            49,
        ),
        ("a later epoch", known.with_epoch(5), 90),
        (
            "no id",
            Client {
                id: String::new(),
                ..known.clone()
            },
            42,
        ),
    ];
    for (name, client, code) in cases {
        assert_eq!(client.add(&fixture, &[0]), code, "{name}");
        assert_eq!(client.end(&fixture, true), code, "{name}");
        assert_eq!(client.add_group(&fixture, "readers", 4), code, "{name}");
    }
}

#[test]
fn unknown_partitions_are_named_and_nothing_is_added() {
    let fixture = Fixture::new();
    let client = Client::init(&fixture, ID);
    assert_eq!(client.add_to(&fixture, "known", &[0, 7], 3), [55, 3]);
    assert_eq!(client.add_to(&fixture, "none", &[0], 3), [3]);
    assert_eq!(client.end(&fixture, true), 48, "no transaction has begun");
}

#[test]
fn ends_that_contradict_the_state_are_refused() {
    let fixture = Fixture::new();
    let client = Client::init(&fixture, ID);
    assert_eq!(client.end(&fixture, true), 48);
    assert_eq!(client.end(&fixture, false), 48);
    assert_eq!(client.add(&fixture, &[0]), 0);
    assert_eq!(client.end(&fixture, true), 0);
    assert_eq!(client.end(&fixture, true), 0, "a repeated request");
    assert_eq!(client.end(&fixture, false), 48);
    assert_eq!(client.add(&fixture, &[0]), 0);
    assert_eq!(client.end(&fixture, false), 0);
    assert_eq!(client.end(&fixture, false), 0, "a repeated request");
    assert_eq!(client.end(&fixture, true), 48);
}

#[test]
fn batches_outside_an_open_transaction_are_refused() {
    let fixture = Fixture::new();
    let mut client = Client::init(&fixture, ID);
    assert_eq!(client.send(&fixture, 0, "no transaction").0, 48);
    client.add(&fixture, &[0]);
    assert_eq!(client.send(&fixture, 1, "another partition").0, 48);
    assert_eq!(client.send(&fixture, 0, "within").0, 0);
    let next = client.with_epoch(1);
    assert_eq!(next.send_as(&fixture, 0, 0, "a later epoch").0, 48);
    client.end(&fixture, true);
    assert_eq!(client.send(&fixture, 0, "after the end").0, 48);
}

#[test]
fn repeated_batch_is_recognised_also_after_the_transaction() {
    let fixture = Fixture::new();
    let mut client = Client::init(&fixture, ID);
    client.add(&fixture, &[0]);
    let sent = client.send(&fixture, 0, "value");
    assert_eq!(client.send_as(&fixture, 0, 0, "value"), sent);
    client.end(&fixture, true);
    assert_eq!(client.send_as(&fixture, 0, 0, "value"), sent);
}

#[test]
fn transactional_batches_need_a_transactional_id_and_plain_ones_no_transaction() {
    let fixture = Fixture::new();
    let mut client = Client::init(&fixture, ID);
    client.add(&fixture, &[0]);
    let producer = Producer(client.producer, client.epoch, 0);
    let body = record(0, 0, Some(b"k"), Some(b"value"));
    let bytes = transactional_batch(1, 5, &body, &producer);
    assert_eq!(produce_as(&fixture, None, 0, bytes).0, 53);
    assert_eq!(client.send(&fixture, 0, "within").0, 0);
    let next = Producer(client.producer, client.epoch, 1);
    let plain = batch_of_producer(1, 5, &body, &next);
    assert_eq!(produce_as(&fixture, Some(ID), 0, plain).0, 48);
    let unnumbered = batch_of_producer(1, 5, &body, &Producer(77, 0, -1));
    assert_eq!(produce_as(&fixture, None, 0, unnumbered).0, 87);
}

#[test]
fn new_instance_aborts_the_open_transaction_and_fences_the_old_one() {
    let fixture = Fixture::new();
    let mut old = Client::init(&fixture, ID);
    old.add(&fixture, &[0, 1]);
    old.send(&fixture, 0, "lost");
    let mut new = Client::init(&fixture, ID);
    assert_eq!((new.producer, new.epoch), (old.producer, 2));
    assert_eq!(old.send(&fixture, 0, "zombie").0, 47);
    assert_eq!(old.end(&fixture, true), 90);
    new.add(&fixture, &[0]);
    assert_eq!(new.send(&fixture, 0, "kept").0, 0);
    assert_eq!(old.send(&fixture, 0, "zombie").0, 47);
    assert_eq!(new.end(&fixture, true), 0);
    assert_eq!(isolation::committed(&fixture, 0, 0), ["kept"]);
}

#[test]
fn timed_out_transaction_is_aborted_and_its_producer_fenced() {
    let fixture = Fixture::new();
    let mut client = Client::init(&fixture, ID);
    client.add(&fixture, &[0]);
    client.send(&fixture, 0, "late");
    let transactions = fixture.cluster.transactions();
    transactions.expire(&fixture.cluster, 0);
    assert_eq!(client.send(&fixture, 0, "in time").0, 0);
    expire(&fixture);
    assert_eq!(client.send(&fixture, 0, "too late").0, 47);
    assert_eq!(client.add(&fixture, &[0]), 90);
    assert_eq!(client.end(&fixture, true), 90);
    assert!(isolation::committed(&fixture, 0, 0).is_empty());
    assert_eq!(isolation::offsets(&fixture, 0).stable, 3);
}

#[test]
fn unused_ids_are_forgotten_after_a_week() {
    let fixture = Fixture::new();
    let client = Client::init(&fixture, ID);
    let transactions = fixture.cluster.transactions();
    let now = now();
    transactions.expire(&fixture.cluster, now + 6 * 86_400_000);
    assert_eq!(transactions.list().len(), 1);
    transactions.expire(&fixture.cluster, now + 7 * 86_400_000);
    assert!(transactions.list().is_empty());
    assert_eq!(client.add(&fixture, &[0]), 49);
}

#[test]
fn transactions_are_described_and_listed() {
    let fixture = Fixture::new();
    let mut client = Client::init(&fixture, ID);
    Client::init(&fixture, "idle");
    client.add(&fixture, &[1]);
    client.send(&fixture, 1, "value");
    let ids = [ID, "none"].map(|id| TransactionalId(text(id)));
    let request = DescribeTransactionsRequest::default().with_transactional_ids(ids.to_vec());
    let described = fixture.call(&request, 0).transaction_states;
    assert_eq!(described[0].transaction_state.as_str(), "Ongoing");
    assert_eq!(described[0].producer_id.0, client.producer);
    assert_eq!(described[0].topics[0].partitions, [1]);
    assert!(described[0].transaction_start_time_ms > 0);
    assert_eq!(described[1].error_code, 105);
    for version in versions::<ListTransactionsRequest>() {
        let list = |states: &[&str]| {
            let states = states.iter().map(|state| text(state)).collect();
            let request = ListTransactionsRequest::default().with_state_filters(states);
            fixture.call(&request, version)
        };
        assert_eq!(list(&[]).transaction_states.len(), 2);
        let ongoing = list(&["Ongoing", "Running"]);
        assert_eq!(ongoing.transaction_states[0].transactional_id.as_str(), ID);
        assert_eq!(ongoing.transaction_states.len(), 1);
        assert_eq!(ongoing.unknown_state_filters, [text("Running")]);
    }
    let long = ListTransactionsRequest::default().with_duration_filter(60_000);
    let listed = fixture.call(&long, 1).transaction_states;
    assert!(
        listed
            .iter()
            .all(|state| state.transactional_id.as_str() != ID)
    );
}

#[test]
fn producers_of_a_partition_are_described() {
    let fixture = Fixture::new();
    let mut client = Client::init(&fixture, ID);
    client.add(&fixture, &[0]);
    send_plain(&fixture, 0, "before");
    client.send(&fixture, 0, "value");
    let topic = describe_producers_request::TopicRequest::default()
        .with_name(topic_name("known"))
        .with_partition_indexes(vec![0, 9]);
    let request = DescribeProducersRequest::default().with_topics(vec![topic]);
    let describe = || fixture.call(&request, 0).topics.remove(0).partitions;
    let partitions = describe();
    let producer = &partitions[0].active_producers[0];
    assert_eq!(producer.producer_id.0, client.producer);
    assert_eq!((producer.last_sequence, producer.last_timestamp), (0, 5));
    assert_eq!(producer.current_txn_start_offset, 1);
    assert_eq!(partitions[1].error_code, 3);
    client.end(&fixture, true);
    let producer = &describe()[0].active_producers[0];
    assert_eq!(producer.current_txn_start_offset, -1);
}

#[test]
fn markers_of_other_brokers_are_refused() {
    let fixture = Fixture::new();
    let topic = write_txn_markers_request::WritableTxnMarkerTopic::default()
        .with_name(topic_name("known"))
        .with_partition_indexes(vec![0]);
    let marker = write_txn_markers_request::WritableTxnMarker::default().with_topics(vec![topic]);
    let request = WriteTxnMarkersRequest::default().with_markers(vec![marker]);
    let response = fixture.call(&request, 1);
    let partition = &response.markers[0].topics[0].partitions[0];
    assert_eq!(partition.error_code, 31);
    assert_eq!(isolation::offsets(&fixture, 0).next, 0);
}
