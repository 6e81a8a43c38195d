//! `produce` and `consume` without processes around them: records without envelope, a superseded
//! owner, shards of a fleet and their audit.

use std::collections::BTreeSet;

use bson::{Document, RawDocumentBuf, doc};
use convoy_registry_server as embedded_registry;
use convoy_registry_server::RegistryServer;
use convoy_registry_server::Schema;

use crate::audit::{Ledger, Scope};
use crate::broker::{Batch, GroupMember, MemberSettings, NewRecord, Offsets, Partitions};
use crate::fleet::Shard;
use crate::pipeline::Interrupt;
use crate::pipeline::group::{self, Claims, reset_checkpoints};
use crate::pipeline::ingest::Checkpoints;
use crate::pipeline::tests::*;
use crate::pipeline::topic_partition::TopicPartition;
use crate::record::RunKey;
use crate::registry::{self, Client};
use crate::store::{Connection, Documents};

/// Short intervals.
pub const TIMING: Timing = Timing {
    heartbeat: Duration::from_millis(50),
    session_timeout: Duration::from_secs(6),
    rebalance_timeout: Duration::from_secs(20),
};

/// A member of a group.
pub struct Member {
    pub context: Arc<Context>,
    pub storage: Arc<StorageSettings>,
}

impl std::ops::Deref for Member {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

pub fn member(name: &str, group: &str) -> Member {
    member_with(name, group, |_parts| ())
}

fn member_with(name: &str, group: &str, change: impl FnOnce(&mut Parts)) -> Member {
    let mut parts = Parts::new(1);
    parts.settings.run_id = name.to_owned();
    parts.storage.group = Some(group.to_owned());
    change(&mut parts);
    let clock = RunClock::reaching_back(Duration::from_secs(24 * 60 * 60));
    Member {
        context: Arc::new(Context::new(parts.settings, clock)),
        storage: Arc::new(parts.storage),
    }
}

impl Place {
    pub async fn collection(&self, name: &str) -> Documents {
        let uri = self.endpoints().store;
        let connection = Connection::open(&uri, "convoy", 1).await.unwrap();
        connection.documents(name)
    }

    pub async fn documents(&self, filter: Document) -> Vec<Document> {
        let mut documents = Vec::new();
        let visit = |document: &bson::RawDocument| {
            let document = RawDocumentBuf::from_bytes(document.as_bytes().to_vec()).unwrap();
            documents.push(Document::try_from(document).unwrap());
        };
        let collection = self.collection("sensor").await;
        collection.scan(filter, visit).await.unwrap();
        documents
    }

    /// Consumes until nothing has arrived for a while.
    pub async fn consume(&self, member: &Member) -> Consumed {
        let length = Length {
            idle: Some(Duration::from_millis(600)),
            ..Length::default()
        };
        self.consume_for(member, length).await
    }

    async fn consume_for(&self, member: &Member, length: Length) -> Consumed {
        let consumed = self.participate(member, Start::Checkpoint, length, None);
        consumed.await.unwrap()
    }

    /// Consumes with a registry of the schemas that records name.
    async fn participate(
        &self,
        member: &Member,
        start: Start,
        length: Length,
        registry: Option<Client>,
    ) -> Result<Consumed, Error> {
        let Endpoints { broker, store, .. } = self.endpoints();
        let settings = ConsumerSettings {
            storage: Arc::clone(&member.storage),
            participation: Participation {
                start,
                isolation: Isolation::ReadCommitted,
                timing: TIMING,
                instance: None,
                length,
                replay_dead_letters: false,
            },
            broker,
            store,
            registry,
        };
        let (consumer, observer) = (Handle::current(), Arc::new(NoObserver));
        let (context, interrupt) = (Arc::clone(&member.context), Interrupt::default());
        let consuming = consume(context, settings, consumer, observer, interrupt);
        Box::pin(consuming).await
    }

    /// Emits one shard of a fleet. Returns its account and its schedule.
    async fn produce(&self, shard: Shard) -> (Ledger, EmittedSchedule) {
        let whole = small_run_with(51, |parts| parts.emission.fleet.shard = Some(shard));
        let fleet = whole.simulation.emission.fleet;
        let settings = ProducerSettings {
            emission: Arc::clone(&whole.simulation.emission),
            broker: self.endpoints().broker,
            registry: None,
        };
        let (producer, observer) = (Handle::current(), Arc::new(NoObserver));
        let (context, interrupt) = (Arc::clone(&whole.context), Interrupt::default());
        let produced = produce(context, settings, producer, observer, interrupt).await;
        let produced = produced.unwrap();
        assert!(produced.failure.is_none(), "{:?}", produced.failure);
        let schedule = EmittedSchedule {
            fleet,
            emitted: produced.ledger.emitted,
            epoch_unix_ms: whole.clock.epoch_unix_ms(),
            start: produced.start,
        };
        (produced.ledger, schedule)
    }
}

/// Sends values that convoy did not write.
async fn send_without_envelope(place: &Place, values: &[&str]) {
    let connector = Connector::new(place.endpoints().broker);
    // The topic may exist.
    drop(connector.create_topic("readings", 1, 1).await);
    let mut batch = Batch::default();
    for value in values {
        batch.push(&NewRecord {
            key: None,
            value: Some(value.as_bytes().into()),
            headers: &[],
            timestamp_ms: 1_000,
        });
    }
    let mut producer = connector.producer("readings", 0);
    producer.produce(&mut batch, Compression::None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_without_envelope_are_stored_once_by_coordinates() {
    let place = Place::open(None).await;
    let values = [
        r#"{"a": 1, "b": {"c": [true, null]}}"#,
        "\0\0\0\0\u{7}{\"a\": 2.5}",
        "not json",
        "[1]",
    ];
    send_without_envelope(&place, &values).await;
    let first = member("one", "first");
    let consumed = place.consume(&first).await;
    assert!(consumed.session.failure.is_none(), "{:?}", consumed.session);
    let counters = &first.counters;
    assert_eq!(counters.without_envelope.get(), 2);
    assert_eq!(counters.dead_lettered.get(), 2);

    // Another group reads all of it again, and changes nothing.
    let second = member("two", "second");
    place.consume(&second).await;
    assert_eq!(
        (
            second.counters.fetched.get(),
            second.counters.replayed.get()
        ),
        (4, 2)
    );
    let documents = place.documents(doc! {}).await;
    let found: Vec<Document> = documents
        .into_iter()
        .map(|mut document| {
            assert!(document.remove("_id").is_some(), "{document}");
            let own = document.get_document_mut("_convoy").unwrap();
            assert!(!own.contains_key("run") && !own.contains_key("vehicle"));
            for field in ["emitted_at", "payload_hash"] {
                assert!(own.remove(field).is_some(), "{field} in {own}");
            }
            document
        })
        .collect();
    let own = |offset: i64| {
        doc! { "kafka": { "topic": "readings", "partition": 0, "offset": offset, "timestamp": bson::DateTime::from_millis(1_000), "key": bson::Bson::Null } }
    };
    let expected = [
        doc! { "_convoy": own(0), "a": 1, "b": { "c": [true, bson::Bson::Null] } },
        doc! { "_convoy": own(1), "a": 2.5 },
    ];
    assert_eq!(found, expected);
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tombstones_are_passed_over_and_counted() {
    let place = Place::open(None).await;
    send_without_envelope(&place, &[r#"{"a": 1}"#]).await;
    let connector = Connector::new(place.endpoints().broker);
    let mut producer = connector.producer("readings", 0);
    // A batch of tombstones alone, and others around a record.
    for values in [vec![None, None], vec![None, Some(r#"{"a": 2}"#), None]] {
        let mut batch = Batch::default();
        for value in values {
            batch.push(&NewRecord {
                key: Some(b"truck-17"),
                value: value.map(|text: &str| text.as_bytes().into()),
                headers: &[],
                timestamp_ms: 1_000,
            });
        }
        producer.produce(&mut batch, Compression::None).await;
    }
    let member = member("one", "first");
    let consumed = place.consume(&member).await;
    let counts = member.counters.snapshot();
    assert_eq!(
        (counts.stored, counts.tombstones, counts.dead_lettered),
        (2, 4, 0)
    );
    let lag = &consumed.session.lag;
    assert!(lag.iter().all(|left| left.records() == Some(0)), "{lag:?}");
}

/// A registry with a schema of numbers under id 1, and a client of it.
async fn registry() -> (RegistryServer, Client) {
    let registry = RegistryServer::start(embedded_registry::Settings::default());
    let registry = registry.await.unwrap();
    let client = registry_at(registry.url());
    let numbers = r#"{"type": "object", "properties": {"a": {"type": "number"}}}"#;
    let schema = Schema::json(numbers.to_owned());
    let id = client.register("readings-value", &schema).await.unwrap();
    assert_eq!(id, 1);
    (registry, client)
}

fn registry_at(url: String) -> Client {
    // A second test finds it installed.
    drop(rustls::crypto::ring::default_provider().install_default());
    let settings = registry::Settings {
        url,
        user: None,
        ca_pem: None,
        timeout: Duration::from_secs(1),
    };
    Client::new(&settings).unwrap()
}

/// Records in Confluent's wire form, and one without.
const FRAMED: [&str; 5] = [
    "\0\0\0\0\u{1}{\"a\": 1}",
    "\0\0\0\0\u{1}{\"a\": \"1\"}",
    "\0\0\0\0\u{7}{\"a\": 1}",
    "\0\0\0\0\u{2}{\"a\": 1}",
    r#"{"a": "1"}"#,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_with_schema_id_are_validated_with_the_registered_schema() {
    let place = Place::open(None).await;
    let (registry, client) = registry().await;
    let avro = Schema::avro(r#"{"type": "record", "name": "a", "fields": []}"#);
    assert_eq!(client.register("others-value", &avro).await.unwrap(), 2);
    send_without_envelope(&place, &FRAMED).await;
    let context = member("one", "first");
    let length = Length {
        records: Some(2),
        idle: Some(Duration::from_millis(600)),
        ..Length::default()
    };
    let consumed = place
        .participate(&context, Start::Checkpoint, length, Some(client))
        .await
        .unwrap();
    assert!(consumed.session.failure.is_none(), "{:?}", consumed.session);
    let offsets: Vec<i64> = place
        .documents(doc! {})
        .await
        .iter()
        .map(|document| {
            document
                .get_document("_convoy")
                .unwrap()
                .get_document("kafka")
        })
        .map(|kafka| kafka.unwrap().get_i64("offset"))
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        offsets,
        [0, 4],
        "the valid record, and the one without schema id"
    );
    let mut reasons = Vec::new();
    let letters = place.collection("sensor_dead_letters").await;
    letters
        .scan(doc! {}, |letter| {
            reasons.push(letter.get_str("reason").unwrap().to_owned());
        })
        .await
        .unwrap();
    insta::assert_snapshot!(reasons.join("\n"), @r#"
    payload does not match its schema at `/a`: value is not of type "number"
    schema 7 is not in the registry
    schema 2 cannot validate JSON: its type is AVRO
    "#);
    registry.stop().await.unwrap();
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unchecked_schemas_are_counted_without_a_registry() {
    let place = Place::open(None).await;
    send_without_envelope(&place, &FRAMED).await;
    let context = member("one", "first");
    place.consume(&context).await;
    assert_eq!(place.documents(doc! {}).await.len(), FRAMED.len());
    assert_eq!(context.counters.schema_unchecked.get(), 4);
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreachable_registry_stops_the_consumer_before_the_record() {
    let place = Place::open(None).await;
    let (registry, client) = registry().await;
    let unreachable = registry_at(registry.url());
    registry.stop().await.unwrap();
    send_without_envelope(&place, &FRAMED[..1]).await;
    let context = member_with("one", "group", |parts| {
        parts.settings.timeouts.broker = Duration::from_millis(200);
    });
    let (start, length) = (Start::Checkpoint, Length::default());
    let consumed = place
        .participate(&context, start, length, Some(unreachable))
        .await;
    let failure = consumed.unwrap().session.failure.unwrap();
    assert!(matches!(failure, Error::Registry(_)), "{failure:?}");
    assert!(place.documents(doc! {}).await.is_empty());
    drop(client);

    // The next consumer starts at the record before which this one has stopped.
    place.consume(&member("two", "group")).await;
    assert_eq!(place.documents(doc! {}).await.len(), 1);
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_restarts_or_skips_records_and_stores_no_duplicate() {
    let place = Place::open(None).await;
    let idle = Length {
        idle: Some(Duration::from_millis(600)),
        ..Length::default()
    };
    let values = [r#"{"a": 1}"#, r#"{"a": 2}"#];
    send_without_envelope(&place, &values).await;
    let consume = async |name, start| {
        let context = member(name, "group");
        let consumed = place.participate(&context, start, idle, None).await;
        let failure = consumed.unwrap().session.failure;
        assert!(failure.is_none(), "{failure:?}");
        let counters = &context.counters;
        (counters.stored.get(), counters.replayed.get())
    };
    assert_eq!(consume("first", Start::Latest).await, (0, 0));
    send_without_envelope(&place, &values[..1]).await;
    assert_eq!(consume("second", Start::Checkpoint).await, (1, 0));
    assert_eq!(consume("third", Start::Earliest).await, (2, 1));
    assert_eq!(consume("fourth", Start::Checkpoint).await, (0, 0));
    assert_eq!(place.documents(doc! {}).await.len(), 3);
    place.close().await;
}

/// Returns a member that has not joined the group yet.
fn group_member(connector: &Connector, client_id: &str) -> GroupMember {
    connector.group_member(MemberSettings {
        group: "group".to_owned(),
        client_id: client_id.to_owned(),
        topics: BTreeSet::from(["readings".to_owned()]),
        instance: None,
        session_timeout: TIMING.session_timeout,
        rebalance_timeout: TIMING.rebalance_timeout,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_are_reset_only_without_running_members() {
    let place = Place::open(None).await;
    let context = member("mover", "group");
    let connector = Connector::new(place.endpoints().broker);
    connector.create_topic("readings", 1, 1).await.unwrap();
    context.set_partitions(vec![1]);
    let uri = place.endpoints().store;
    let store = Connection::open(&uri, "convoy", 1).await.unwrap();
    let storage = &context.storage;
    let claims = Claims::new(&context, storage, &store, "mover".to_owned());
    let participation = Participation {
        start: Start::Earliest,
        isolation: Isolation::ReadCommitted,
        timing: Timing {
            // How long a member is waited for that may have been killed.
            session_timeout: TIMING.heartbeat,
            ..TIMING
        },
        instance: None,
        length: Length::default(),
        replay_dead_letters: false,
    };
    let reset = || reset_checkpoints(&participation, &context, storage, &connector, &claims);
    let mut worker = group_member(&connector, "worker");
    let joined = worker.join(&Partitions::new()).await.unwrap();
    assert!(joined.alone);
    assert_eq!(joined.assigned["readings"], BTreeSet::from([0]));
    assert_eq!(
        reset().await.unwrap_err().to_string(),
        "group `group` has running members: worker at 127.0.0.1"
    );
    worker.leave().await.unwrap();
    reset().await.unwrap();
    let wanted = Partitions::from([("readings".to_owned(), BTreeSet::from([0]))]);
    let committed = worker.committed(&wanted).await.unwrap();
    let committed = &committed[&("readings".to_owned(), 0)];
    assert_eq!((committed.offset, committed.by_convoy), (0, true));
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_of_a_group_are_those_of_its_checkpoints() {
    let place = Place::open(None).await;
    send_without_envelope(&place, &[r#"{"a": 1}"#, r#"{"a": 2}"#]).await;
    place.consume(&member("one", "group")).await;
    let connector = Connector::new(place.endpoints().broker);
    let mut group = connector.coordinator("group", "reader");
    let wanted = Partitions::from([("readings".to_owned(), BTreeSet::from([0]))]);
    let committed = group.committed(&wanted).await.unwrap();
    let committed = &committed[&("readings".to_owned(), 0)];
    assert_eq!((committed.offset, committed.by_convoy), (2, true));
    assert_eq!(group.members().await.unwrap(), [], "the member has left");
    place.close().await;
}

/// Commits an offset of the group as another program does it: without convoy's metadata.
async fn commit_as_another_program(place: &Place, offset: i64) {
    let connector = Connector::new(place.endpoints().broker);
    let mut group = connector.coordinator("group", "tool");
    let offsets = Offsets::from([(("readings".to_owned(), 0), offset)]);
    group.commit_with_metadata(&offsets, "").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offset_that_another_program_committed_moves_the_group() {
    let place = Place::open(None).await;
    let values = [r#"{"a": 1}"#, r#"{"a": 2}"#, r#"{"a": 3}"#];
    send_without_envelope(&place, &values).await;
    commit_as_another_program(&place, 1).await;
    let counts = async |name| {
        let member = member(name, "group");
        place.consume(&member).await;
        let counters = &member.counters;
        (counters.fetched.get(), counters.replayed.get())
    };
    assert_eq!(counts("one").await, (2, 0), "it starts at the offset");
    assert_eq!(counts("two").await, (0, 0), "its own offset is a copy");
    commit_as_another_program(&place, 0).await;
    assert_eq!(counts("three").await, (3, 2), "it goes back");
    send_without_envelope(&place, &values[..2]).await;
    commit_as_another_program(&place, 4).await;
    assert_eq!(
        counts("four").await,
        (1, 0),
        "it passes what another consumer read"
    );
    assert_eq!(place.documents(doc! {}).await.len(), 4);
    place.close().await;
}

/// Row 13 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn superseded_owner_moves_no_checkpoint() {
    let place = Place::open(None).await;
    let context = member("old", "group");
    let uri = place.endpoints().store;
    let store = Connection::open(&uri, "convoy", 1).await.unwrap();
    let claims = |name: &str| Claims::new(&context, &context.storage, &store, name.to_owned());
    let (old, new) = (claims("old"), claims("new"));
    let partition = TopicPartition {
        topic: 0,
        number: 0,
    };
    let at = group::Place::at;
    let checkpoint = async || new.read(&context, partition).await.unwrap();
    let claim = async |claims: &Claims, seen, offset| {
        let claimed = claims.claim(&context, partition, seen, at(offset), 1);
        claimed.await.unwrap()
    };
    assert_eq!(claim(&old, None, 0).await, Some(1));
    assert_eq!(claim(&new, None, 0).await, None, "it has an owner by now");
    let writer = |epoch| {
        let owner = "group".to_owned();
        Checkpoints::new(claims("any").checkpoints(), owner, epoch)
    };
    let seen = checkpoint().await;
    writer(1).write(&context, partition, 7, None).await.unwrap();
    assert_eq!(claim(&new, seen, 0).await, None, "it was moved meanwhile");
    assert_eq!(claim(&new, checkpoint().await, 7).await, Some(2));
    let refused = writer(1).write(&context, partition, 9, None).await;
    assert!(matches!(refused, Err(crate::store::Error::Fenced { .. })));
    assert_eq!(
        claim(&old, seen, 0).await,
        None,
        "it saw an older checkpoint"
    );
    assert_eq!(checkpoint().await.unwrap().place.offset, 7);
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audit_of_all_shards_finds_the_missing_document() {
    let place = Place::open(None).await;
    let (one, other) = tokio::join!(
        place.produce(Shard { index: 0, count: 2 }),
        place.produce(Shard { index: 1, count: 2 })
    );
    let consumer = member("one", "group");
    let consumed = place.consume(&consumer).await;
    assert_eq!(consumed.session.runs.iter().collect::<Vec<_>>(), ["run-51"]);
    let mut ledger = one.0;
    ledger.merge(other.0);
    assert_eq!(ledger.emitted, RECORDS);
    let case = Case {
        run_id: "run-51".to_owned(),
        scope: Scope {
            run: RunKey::new("run-51"),
            vehicles: one.1.fleet.vehicles,
            topics: vec![("readings".to_owned(), PARTITIONS)],
        },
        label_column: Some("class".to_owned()),
        ledger,
        schedules: vec![one.1, other.1],
        after_checkpoints: 0,
        acknowledged: None,
        visited: Arc::default(),
    };
    let documents = place.collection("sensor").await;
    let letters = place.collection("sensor_dead_letters").await;
    let workload = Parts::new(51).emission.workload;
    let hashes = || workload.payload_hashes().map(Some);
    let found = verdict(&case, &documents, &letters, hashes, None, None)
        .await
        .unwrap();
    assert!(found.clean(), "{found:?}");

    let lost = doc! { "_convoy.vehicle": 3, "_convoy.sequence": 1_i64 };
    documents.remove(lost).await.unwrap();
    let found = verdict(&case, &documents, &letters, hashes, None, None)
        .await
        .unwrap();
    assert_eq!((found.missing, found.stored), (1, RECORDS - 1), "{found:?}");
    assert_eq!((found.corrupt, found.duplicated), (0, 0), "{found:?}");
    let found = verdict(&case, &documents, &letters, || Ok(None), None, None).await;
    assert_eq!(found.unwrap().missing, 1, "also without the rows");
    place.close().await;
}
