//! The halves without processes around them: strangers' records, an owner that was overruled, parts
//! of a fleet before the audit.

use bson::{Document, RawDocumentBuf, doc};
use convoy_registry_server as embedded_registry;
use convoy_registry_server::Registry;
use convoy_registry_server::{Schema, SchemaType};

use crate::audit::{Ledger, Scope};
use crate::broker::client::Batch;
use crate::fleet::Shard;
use crate::pipeline::audit::scan::{Case, Emission, verdict};
use crate::pipeline::group::leases::Leases;
use crate::pipeline::group::{Length, Participation, Start, Timing, start};
use crate::pipeline::tests::*;
use crate::record::RunKey;
use crate::registry::{Client, client};
use crate::store::client::Upsert;
use crate::store::{Connection, Documents};

/// Members that are noticed quickly.
const TIMING: Timing = Timing {
    beat: Duration::from_millis(50),
    dead_after: Duration::from_secs(5),
    patience: Duration::from_secs(20),
};

/// Settings of one member of a group.
fn member(name: &str, group: &str) -> Arc<Context> {
    let settings = Settings {
        run_id: name.to_owned(),
        group: Some(group.to_owned()),
        fleet: fleet::Settings::idle(),
        ..context(1).settings.clone()
    };
    let clock = RunClock::reaching_back(Duration::from_secs(24 * 60 * 60));
    Arc::new(Context::new(settings, clock, Workload::new(Vec::new())))
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

    /// Consumes until nothing has come for a while.
    async fn consume(&self, context: &Arc<Context>) -> Consumed {
        let length = Length {
            idle: Some(Duration::from_millis(600)),
            ..Length::default()
        };
        self.consume_for(context, length).await
    }

    async fn consume_for(&self, context: &Arc<Context>, length: Length) -> Consumed {
        let consumed = self.participate(context, (Start::Checkpoint, length), None);
        consumed.await.unwrap()
    }

    /// Consumes with a registry to ask for the schemas that records name.
    async fn participate(
        &self,
        context: &Arc<Context>,
        (start, length): (Start, Length),
        registry: Option<Client>,
    ) -> Result<Consumed, Error> {
        let Endpoints { broker, store, .. } = self.endpoints();
        let ends = Ends {
            broker,
            store,
            registry,
        };
        let participation = Participation {
            start,
            timing: TIMING,
            length,
        };
        let (consumer, observer) = (Handle::current(), Arc::new(Deaf));
        let (context, interrupt) = (Arc::clone(context), CancellationToken::new());
        let consuming = consume(context, ends, participation, consumer, observer, interrupt);
        Box::pin(consuming).await
    }

    /// Emits one part of a fleet; returns its account and its schedule.
    async fn produce(&self, shard: Shard) -> (Ledger, Emission) {
        let whole = context(51);
        let fleet = fleet::Settings {
            shard: Some(shard),
            ..whole.settings.fleet
        };
        let settings = Settings {
            fleet,
            ..whole.settings.clone()
        };
        let rows = Dataset::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data"));
        let workload = Workload::new(rows.unwrap());
        let context = Arc::new(Context::new(settings, RunClock::start(), workload));
        let roles = Roles {
            producer: Handle::current(),
            consumer: Handle::current(),
        };
        let (broker, observer) = (self.endpoints().broker, Arc::new(Deaf));
        let (clock, interrupt) = (context.clock, CancellationToken::new());
        let produced = produce(context, broker, None, roles, observer, interrupt).await;
        let produced = produced.unwrap();
        assert!(produced.failure.is_none(), "{:?}", produced.failure);
        let emission = Emission {
            fleet,
            emitted: produced.ledger.emitted,
            epoch_unix_ms: clock.epoch_unix_ms(),
            start: produced.start,
        };
        (produced.ledger, emission)
    }
}

/// Sends values that convoy did not write.
async fn send_strange(place: &Place, values: &[&str]) {
    let connector = Connector::new(place.endpoints().broker);
    // The topic may be there by now.
    drop(connector.create_topic("readings", 1, 1).await);
    let mut batch = Batch::default();
    for value in values {
        let value = value.as_bytes().to_vec();
        batch.push_message(None, Some(value), std::collections::BTreeMap::new(), 1_000);
    }
    let mut partition = connector.partition("readings", 0);
    partition.produce(batch, Compression::None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_strangers_are_stored_under_their_coordinates_once_per_record() {
    let place = Place::open(None).await;
    let values = [
        r#"{"a": 1, "b": {"c": [true, null]}}"#,
        "\0\0\0\0\u{7}{\"a\": 2.5}",
        "not json",
        r#"{"_id": 7}"#,
    ];
    send_strange(&place, &values).await;
    let first = member("one", "first");
    let consumed = place.consume(&first).await;
    assert!(consumed.done.failure.is_none(), "{:?}", consumed.done);
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
    let told: Vec<Document> = documents
        .into_iter()
        .map(|mut document| {
            assert!(!document.contains_key("run") && !document.contains_key("vehicle"));
            for field in ["_id", "emitted_at", "payload_hash"] {
                assert!(document.remove(field).is_some(), "{field} in {document}");
            }
            document
        })
        .collect();
    let kafka = |offset: i64| doc! { "topic": "readings", "partition": 0, "offset": offset };
    let expected = [
        doc! { "a": 1, "b": { "c": [true, bson::Bson::Null] }, "kafka": kafka(0) },
        doc! { "a": 2.5, "kafka": kafka(1) },
    ];
    assert_eq!(told, expected);
    place.close().await;
}

/// A registry with a schema of numbers under id 1, and a client of it.
async fn registry() -> (Registry, Client) {
    let registry = Registry::start(embedded_registry::Settings::default());
    let registry = registry.await.unwrap();
    let client = registry_at(format!("http://{}", registry.address()));
    let numbers = r#"{"type": "object", "properties": {"a": {"type": "number"}}}"#;
    let schema = Schema::json(numbers.to_owned());
    let id = client.register("readings-value", &schema).await.unwrap();
    assert_eq!(id, 1);
    (registry, client)
}

fn registry_at(url: String) -> Client {
    // A second test finds it installed.
    drop(rustls::crypto::ring::default_provider().install_default());
    let settings = client::Settings {
        url,
        credentials: None,
        ca_pem: None,
        deadline: Duration::from_secs(1),
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
async fn records_that_name_a_schema_are_checked_against_what_is_registered() {
    let place = Place::open(None).await;
    let (registry, client) = registry().await;
    let avro = Schema {
        text: r#"{"type": "record", "name": "a", "fields": []}"#.to_owned(),
        kind: SchemaType::Avro,
        references: Vec::new(),
    };
    assert_eq!(client.register("others-value", &avro).await.unwrap(), 2);
    send_strange(&place, &FRAMED).await;
    let context = member("one", "first");
    let length = Length {
        records: Some(2),
        idle: Some(Duration::from_millis(600)),
        ..Length::default()
    };
    let whole = (Start::Checkpoint, length);
    let consumed = place
        .participate(&context, whole, Some(client))
        .await
        .unwrap();
    assert!(consumed.done.failure.is_none(), "{:?}", consumed.done);
    let offsets: Vec<i64> = place
        .documents(doc! {})
        .await
        .iter()
        .map(|document| document.get_document("kafka").unwrap().get_i64("offset"))
        .map(Result::unwrap)
        .collect();
    assert_eq!(offsets, [0, 4], "what fits, and what names no schema");
    let mut reasons = Vec::new();
    let letters = place.collection("sensor_dead_letters").await;
    letters
        .scan(doc! {}, |letter| {
            reasons.push(letter.get_str("reason").unwrap().to_owned());
        })
        .await
        .unwrap();
    insta::assert_snapshot!(reasons.join("\n"), @r#"
    payload does not fit its schema at `/a`: value is not of type "number"
    schema 7 is not in the registry
    schema 2 is of no use here: it is of type AVRO, and payloads are JSON
    "#);
    assert!(registry.stop().await);
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_registry_the_schemas_are_not_checked_and_that_is_counted() {
    let place = Place::open(None).await;
    send_strange(&place, &FRAMED).await;
    let context = member("one", "first");
    place.consume(&context).await;
    assert_eq!(place.documents(doc! {}).await.len(), FRAMED.len());
    assert_eq!(context.counters.schema_unchecked.get(), 4);
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_does_not_answer_stops_the_consumer_before_the_records_and_loses_none() {
    let place = Place::open(None).await;
    let (registry, client) = registry().await;
    let nobody = registry_at(format!("http://{}", registry.address()));
    assert!(registry.stop().await);
    send_strange(&place, &FRAMED[..1]).await;
    let impatient = Settings {
        broker_timeout: Duration::from_millis(200),
        ..member("one", "group").settings.clone()
    };
    let clock = RunClock::reaching_back(Duration::from_secs(24 * 60 * 60));
    let context = Arc::new(Context::new(impatient, clock, Workload::new(Vec::new())));
    let consumed = place
        .participate(
            &context,
            (Start::Checkpoint, Length::default()),
            Some(nobody),
        )
        .await;
    let failure = consumed.unwrap().done.failure.unwrap();
    assert!(matches!(failure, Error::Registry(_)), "{failure:?}");
    assert!(place.documents(doc! {}).await.is_empty());
    drop(client);

    // The next one begins where this one could not go on.
    place.consume(&member("two", "group")).await;
    assert_eq!(place.documents(doc! {}).await.len(), 1);
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_begins_anew_or_skips_what_is_there_and_stores_nothing_twice() {
    let place = Place::open(None).await;
    let idle = Length {
        idle: Some(Duration::from_millis(600)),
        ..Length::default()
    };
    let values = [r#"{"a": 1}"#, r#"{"a": 2}"#];
    send_strange(&place, &values).await;
    let consume = async |name, start| {
        let context = member(name, "group");
        let consumed = place.participate(&context, (start, idle), None).await;
        let failure = consumed.unwrap().done.failure;
        assert!(failure.is_none(), "{failure:?}");
        let counters = &context.counters;
        (counters.stored.get(), counters.replayed.get())
    };
    assert_eq!(consume("first", Start::Latest).await, (0, 0));
    send_strange(&place, &values[..1]).await;
    assert_eq!(consume("second", Start::Checkpoint).await, (1, 0));
    assert_eq!(consume("third", Start::Earliest).await, (2, 1));
    assert_eq!(consume("fourth", Start::Checkpoint).await, (0, 0));
    assert_eq!(place.documents(doc! {}).await.len(), 3);
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_at_work_is_not_moved_and_a_dead_one_is() {
    let place = Place::open(None).await;
    let context = member("mover", "group");
    let connector = Connector::new(place.endpoints().broker);
    connector.create_topic("readings", 1, 1).await.unwrap();
    context.set_partitions(vec![1]);
    let uri = place.endpoints().store;
    let store = Connection::open(&uri, "convoy", 1).await.unwrap();
    let timing = Timing {
        dead_after: TIMING.beat * 6,
        ..TIMING
    };
    let leases = |name: &str| Leases::new(&context, &store, name.to_owned());
    let (worker, mover) = (leases("worker"), leases("mover"));
    let participation = Participation {
        start: Start::Earliest,
        timing,
        length: Length::default(),
    };
    let moved = || start::move_to(participation, &context, &connector, &mover);
    let mut beats = tokio::time::interval(TIMING.beat);
    let mut number = 0;
    worker.beat(number).await.unwrap();
    let working = async {
        loop {
            beats.tick().await;
            number += 1;
            worker.beat(number).await.unwrap();
        }
    };
    let refused = tokio::select! {
        moved = moved() => moved.unwrap_err(),
        () = working => unreachable!(),
    };
    assert_eq!(
        refused.to_string(),
        "group `group` is at work: worker shows signs of life"
    );
    moved().await.unwrap();
    place.close().await;
}

/// Row 13 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_was_overruled_drops_the_partition_and_moves_no_checkpoint() {
    let place = Place::open(None).await;
    let context = member("old", "group");
    // Shorter than it takes to think the new owner dead, which never beats again.
    let length = Length {
        duration: Some(TIMING.dead_after / 2),
        ..Length::default()
    };
    let consuming = place.consume_for(&context, length);
    let overruling = async {
        let leases = place.collection("sensor_checkpoints").await;
        let owned = doc! { "_id": "group/readings/0", "owner": "old" };
        while leases.find_one(owned.clone()).await.unwrap().is_none() {
            tokio::time::sleep(TIMING.beat).await;
        }
        // The new owner lives before it owns: nobody may take its partition for that of a dead one.
        let members = place.collection("sensor_members").await;
        let alive = doc! { "$set": { "beat": 1_i64 } };
        let key = doc! { "_id": "group/new" };
        members.update(key, alive, Upsert::Yes).await.unwrap();
        let key = doc! { "_id": "group/readings/0" };
        let newer = doc! { "$set": { "epoch": 9_i64, "owner": "new", "offset": 77_i64 } };
        let updated = leases.update(key, newer, Upsert::No).await.unwrap();
        assert_eq!(updated, crate::store::client::Updated::Yes);
    };
    let (consumed, ()) = tokio::join!(consuming, overruling);
    let stints = &consumed.done.stints;
    assert!(consumed.done.failure.is_none(), "{:?}", consumed.done);
    assert!(!stints.is_empty(), "{stints:?}");
    let leases = place.collection("sensor_checkpoints").await;
    let lease = leases.find_one(doc! { "_id": "group/readings/0" }).await;
    let lease = lease.unwrap().unwrap();
    assert_eq!(lease.get_i64("epoch").unwrap(), 9);
    assert_eq!(lease.get_i64("offset").unwrap(), 77);
    assert_eq!(lease.get_str("owner").unwrap(), "new");
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_of_all_parts_finds_the_one_document_that_is_missing() {
    let place = Place::open(None).await;
    let (one, other) = tokio::join!(
        place.produce(Shard { index: 0, count: 2 }),
        place.produce(Shard { index: 1, count: 2 })
    );
    let consumer = member("one", "group");
    let consumed = place.consume(&consumer).await;
    assert_eq!(consumed.done.runs.iter().collect::<Vec<_>>(), ["run-51"]);
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
        emissions: vec![one.1, other.1],
        behind_checkpoints: 0,
    };
    let documents = place.collection("sensor").await;
    let letters = place.collection("sensor_dead_letters").await;
    let hashes = || context(51).workload.payload_hashes().map(Some);
    let found = verdict(&case, &documents, &letters, hashes, None)
        .await
        .unwrap();
    assert!(found.clean(), "{found:?}");

    let lost = doc! { "vehicle": 3, "sequence": 1_i64 };
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
