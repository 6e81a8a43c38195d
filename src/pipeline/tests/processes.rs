//! `produce` and `consume` without processes around them: records without envelope, a superseded
//! owner, shards of a fleet and their audit.

use bson::{Document, RawDocumentBuf, doc};
use convoy_registry_server as embedded_registry;
use convoy_registry_server::RegistryServer;
use convoy_registry_server::Schema;

use crate::audit::{Ledger, Scope};
use crate::broker::{Batch, NewRecord};
use crate::fleet::Shard;
use crate::pipeline::Interrupt;
use crate::pipeline::group::{Leases, reset_checkpoints};
use crate::pipeline::tests::*;
use crate::record::RunKey;
use crate::registry::{self, Client};
use crate::store::{Connection, Documents, Upsert};

/// Short intervals.
pub const TIMING: Timing = Timing {
    heartbeat: Duration::from_millis(50),
    dead_after: Duration::from_secs(5),
    give_up_timeout: Duration::from_secs(20),
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
    async fn collection(&self, name: &str) -> Documents {
        let uri = self.endpoints().store;
        let connection = Connection::open(&uri, "convoy", 1).await.unwrap();
        connection.documents(name)
    }

    async fn documents(&self, filter: Document) -> Vec<Document> {
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
    async fn consume(&self, member: &Member) -> Consumed {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_are_reset_only_without_running_members() {
    let place = Place::open(None).await;
    let context = member("mover", "group");
    let connector = Connector::new(place.endpoints().broker);
    connector.create_topic("readings", 1, 1).await.unwrap();
    context.set_partitions(vec![1]);
    let uri = place.endpoints().store;
    let store = Connection::open(&uri, "convoy", 1).await.unwrap();
    let timing = Timing {
        dead_after: TIMING.heartbeat * 6,
        ..TIMING
    };
    let storage = &context.storage;
    let leases = |name: &str| Leases::new(&context, storage, &store, name.to_owned());
    let (worker, mover) = (leases("worker"), leases("mover"));
    let participation = Participation {
        start: Start::Earliest,
        isolation: Isolation::ReadCommitted,
        timing,
        length: Length::default(),
        replay_dead_letters: false,
    };
    let reset = || reset_checkpoints(&participation, &context, storage, &connector, &mover);
    let mut beats = tokio::time::interval(TIMING.heartbeat);
    let mut number = 0;
    worker.heartbeat(number).await.unwrap();
    let working = async {
        loop {
            beats.tick().await;
            number += 1;
            worker.heartbeat(number).await.unwrap();
        }
    };
    let refused = tokio::select! {
        reset = reset() => reset.unwrap_err(),
        () = working => unreachable!(),
    };
    assert_eq!(
        refused.to_string(),
        "group `group` has running members: worker"
    );
    reset().await.unwrap();
    place.close().await;
}

/// Row 13 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn superseded_owner_stops_reading_and_moves_no_checkpoint() {
    let place = Place::open(None).await;
    let context = member("old", "group");
    // Shorter than `dead_after`, because the new owner sends no further heartbeat.
    let length = Length {
        duration: Some(TIMING.dead_after / 2),
        ..Length::default()
    };
    let consuming = place.consume_for(&context, length);
    let overruling = async {
        let leases = place.collection("sensor_checkpoints").await;
        let owned = doc! { "_id": "group/readings/0", "owner": "old" };
        while leases.find_one(owned.clone()).await.unwrap().is_none() {
            tokio::time::sleep(TIMING.heartbeat).await;
        }
        // The new owner sends a heartbeat first, so that no member claims its partition as a dead one's.
        let members = place.collection("sensor_members").await;
        let alive = doc! { "$set": { "beat": 1_i64 } };
        let key = doc! { "_id": "group/new" };
        members.update(key, alive, Upsert::Yes).await.unwrap();
        let key = doc! { "_id": "group/readings/0" };
        let newer = doc! { "$set": { "epoch": 9_i64, "owner": "new", "offset": 77_i64 } };
        let updated = leases.update(key, newer, Upsert::No).await.unwrap();
        assert_eq!(updated, crate::store::Updated::Yes);
    };
    let (consumed, ()) = tokio::join!(consuming, overruling);
    let ownerships = &consumed.session.ownerships;
    assert!(consumed.session.failure.is_none(), "{:?}", consumed.session);
    assert!(!ownerships.is_empty(), "{ownerships:?}");
    let leases = place.collection("sensor_checkpoints").await;
    let lease = leases.find_one(doc! { "_id": "group/readings/0" }).await;
    let lease = lease.unwrap().unwrap();
    assert_eq!(lease.get_i64("epoch").unwrap(), 9);
    assert_eq!(lease.get_i64("offset").unwrap(), 77);
    assert_eq!(lease.get_str("owner").unwrap(), "new");
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
        visited: Arc::default(),
    };
    let documents = place.collection("sensor").await;
    let letters = place.collection("sensor_dead_letters").await;
    let workload = Parts::new(51).emission.workload;
    let hashes = || workload.payload_hashes().map(Some);
    let found = verdict(&case, &documents, &letters, hashes, None)
        .await
        .unwrap();
    assert!(found.clean(), "{found:?}");

    let lost = doc! { "_convoy.vehicle": 3, "_convoy.sequence": 1_i64 };
    documents.remove(lost).await.unwrap();
    let found = verdict(&case, &documents, &letters, hashes, None)
        .await
        .unwrap();
    assert_eq!((found.missing, found.stored), (1, RECORDS - 1), "{found:?}");
    assert_eq!((found.corrupt, found.duplicated), (0, 0), "{found:?}");
    let found = verdict(&case, &documents, &letters, || Ok(None), None).await;
    assert_eq!(found.unwrap().missing, 1, "also without the rows");
    place.close().await;
}
