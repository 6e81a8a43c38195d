//! The halves without processes around them: strangers' records, an owner that was overruled, parts
//! of a fleet before the audit.

use bson::{Document, RawDocumentBuf, doc};

use super::*;
use crate::audit::{Ledger, Scope};
use crate::broker::client::Batch;
use crate::fleet::Shard;
use crate::pipeline::audit::{Case, Emission, verdict};
use crate::pipeline::group::{Length, Timing};
use crate::record::RunKey;
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
        let Endpoints { broker, store, .. } = self.endpoints();
        let end = CancellationToken::new();
        let (context, observer) = (Arc::clone(context), Arc::new(Deaf));
        let (ends, consumer) = (Ends { broker, store }, Handle::current());
        consume(context, ends, (TIMING, length), consumer, observer, end)
            .await
            .unwrap()
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
    connector.create_topic("readings", 1, 1).await.unwrap();
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
        let key = doc! { "_id": "group/readings/0", "owner": "old" };
        let newer = doc! { "$set": { "epoch": 9_i64, "owner": "new", "offset": 77_i64 } };
        loop {
            let updated = leases.update(key.clone(), newer.clone(), Upsert::No).await;
            if updated.unwrap() == crate::store::client::Updated::Yes {
                break;
            }
            tokio::time::sleep(TIMING.beat).await;
        }
        let members = place.collection("sensor_members").await;
        let alive = doc! { "$set": { "beat": 1_i64 } };
        let key = doc! { "_id": "group/new" };
        members.update(key, alive, Upsert::Yes).await.unwrap();
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
            run: RunKey::of("run-51"),
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
    let found = verdict(&case, &documents, &letters, hashes).await.unwrap();
    assert!(found.clean(), "{found:?}");

    let lost = doc! { "vehicle": 3, "sequence": 1_i64 };
    documents.remove(lost).await.unwrap();
    let found = verdict(&case, &documents, &letters, hashes).await.unwrap();
    assert_eq!((found.missing, found.stored), (1, RECORDS - 1), "{found:?}");
    assert_eq!((found.corrupt, found.duplicated), (0, 0), "{found:?}");
    let found = verdict(&case, &documents, &letters, || Ok(None)).await;
    assert_eq!(found.unwrap().missing, 1, "also without the rows");
    place.close().await;
}
