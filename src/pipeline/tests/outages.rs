//! Servers that restart, hang or respond slowly for a while.

use std::sync::atomic::{AtomicU64, Ordering};

use convoy_kafka_server::{Fault, FaultHook, Moment};
use convoy_mongodb_server::{ErrorReply, Interruption};

use crate::measure::Stage;
use crate::pipeline::ingest::Checkpoints;
use crate::pipeline::tests::*;
use crate::store::{Connection, Error as StoreError};

/// Hangs the first produce requests: they are not appended and get no response.
#[derive(Debug, Default)]
struct Hang {
    hung: AtomicU64,
}

impl FaultHook<Moment<'_>, Fault> for Hang {
    fn fault_for(&self, moment: &Moment<'_>) -> Option<Fault> {
        const REQUESTS: u64 = 2;
        let here = matches!(moment, Moment::BeforeAppend { .. });
        let hangs = here && self.hung.fetch_add(1, Ordering::Relaxed) < REQUESTS;
        hangs.then_some(Fault::Delay(Duration::from_secs(3_600)))
    }
}

/// Injects faults into inserts of documents.
#[derive(Debug)]
struct Inserts {
    disturb: fn(u64) -> embedded_store::Fault,
    asked: AtomicU64,
}

impl Inserts {
    /// `disturb` gets the number of the insert, from 0.
    fn new(disturb: fn(u64) -> embedded_store::Fault) -> Arc<Self> {
        let asked = AtomicU64::new(0);
        Arc::new(Self { disturb, asked })
    }
}

impl FaultHook<embedded_store::Moment<'_>, embedded_store::Fault> for Inserts {
    fn fault_for(&self, moment: &embedded_store::Moment<'_>) -> Option<embedded_store::Fault> {
        if moment.command != "insert" || moment.collection != "sensor" {
            return None;
        }
        Some((self.disturb)(self.asked.fetch_add(1, Ordering::Relaxed)))
    }
}

/// Row 1 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broker_restart_loses_and_duplicates_no_record() {
    let mut place = Place::open(None).await;
    let context = small_run(21);
    let running = run_on(place.endpoints(), &context);
    let restart = async {
        for acked in [100, 300] {
            until("an ack", || context.counters.acked.get() >= acked).await;
            place.broker.restart().await.unwrap();
        }
    };
    let (outcome, ()) = tokio::join!(running, restart);
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    let verdict = outcome.verdict.as_ref().unwrap();
    assert_eq!((verdict.emitted, verdict.stored), (RECORDS, RECORDS));
    assert!(verdict.clean(), "{verdict:?}");
    // The outage is part of the latencies: the schedule continued.
    assert_eq!(outcome.recording.stages.end_to_end_latency.count(), RECORDS);
    place.close().await;
}

/// Row 4 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hanging_request_times_out_and_is_retried_once() {
    let faults = Arc::new(Hang::default());
    let place = Place::open(Some(Arc::<Hang>::clone(&faults))).await;
    let context = small_run_with(22, |parts| {
        parts.settings.timeouts.request = Duration::from_millis(500);
    });
    let outcome = place.run(&context).await;
    assert_all_stored(&outcome);
    // One retry for each request that hung.
    assert_eq!(context.counters.produce_unknown.get(), 2);
    place.close().await;
}

/// Row 9a of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_cut_before_insert_loses_and_duplicates_no_document() {
    let plan = Inserts::new(|number| embedded_store::Fault {
        before: (number % 3 == 1).then_some(Interruption::Cut),
        ..embedded_store::Fault::default()
    });
    let place = Place::open_with(None, Some(plan)).await;
    let context = small_run(23);
    let outcome = place.run(&context).await;
    assert_all_stored(&outcome);
    assert!(context.counters.inserts_unknown.get() > 0);
    assert_eq!(context.counters.replayed.get(), 0);
    place.close().await;
}

/// Row 9b of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_cut_after_insert_is_counted_as_replay() {
    let plan = Inserts::new(|number| embedded_store::Fault {
        after: (number % 3 == 1).then_some(Interruption::Cut),
        ..embedded_store::Fault::default()
    });
    let place = Place::open_with(None, Some(plan)).await;
    let context = small_run(24);
    let outcome = place.run(&context).await;
    assert_all_stored(&outcome);
    assert!(context.counters.inserts_unknown.get() > 0);
    assert!(context.counters.replayed.get() > 0);
    place.close().await;
}

/// Row 10 of the fault matrix: the errors of a primary that steps down or shuts down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inserts_are_retried_while_the_primary_steps_down() {
    let plan = Inserts::new(|number| embedded_store::Fault {
        rejection: match number % 4 {
            1 => Some(ErrorReply::new(10_107, "not primary")),
            2 => Some(ErrorReply::new(189, "primary stepped down")),
            3 => Some(ErrorReply::new(11_600, "interrupted at shutdown")),
            _ => None,
        },
        ..embedded_store::Fault::default()
    });
    let place = Place::open_with(None, Some(plan)).await;
    let context = small_run(27);
    assert_all_stored(&place.run(&context).await);
    assert!(context.counters.inserts_unknown.get() > 0);
    place.close().await;
}

/// Row 11 of the fault matrix: an unmet write concern requires a retry, which
/// [`crate::pipeline::tests::chaos`] mixes with rejected documents.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn insert_with_unmet_write_concern_is_retried() {
    let plan = Inserts::new(|number| embedded_store::Fault {
        write_concern_error: (number % 3 == 1)
            .then(|| ErrorReply::new(64, "waiting for replication timed out")),
        ..embedded_store::Fault::default()
    });
    let place = Place::open_with(None, Some(plan)).await;
    let context = small_run(25);
    assert_all_stored(&place.run(&context).await);
    assert!(context.counters.inserts_unknown.get() > 0);
    place.close().await;
}

/// Row 22 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_store_does_not_delay_the_schedule() {
    let plan = Inserts::new(|_every| embedded_store::Fault {
        before: Some(Interruption::Delay(Duration::from_millis(500))),
        ..embedded_store::Fault::default()
    });
    let place = Place::open_with(None, Some(plan)).await;
    let context = small_run(26);
    let outcome = place.run(&context).await;
    assert_all_stored(&outcome);
    let stages = &outcome.recording.stages;
    let p50 = |stage| stages.get(stage).summary().p50_us.unwrap();
    let (delay, store) = (p50(Stage::PublishDelay), p50(Stage::StoreLatency));
    assert!(store > 500_000 && delay < 500_000, "{delay}, {store}");
    place.close().await;
}

/// Row 20 of the fault matrix: the watcher reports a terminated container while requests fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminated_server_ends_retries() {
    let plan = Inserts::new(|_every| embedded_store::Fault {
        before: Some(Interruption::Cut),
        ..embedded_store::Fault::default()
    });
    let place = Place::open_with(None, Some(plan)).await;
    let context = small_run(29);
    let watching = async {
        let terminated = &context.terminated_servers;
        terminated.request_failed().await;
        terminated.report(Error::ServerEnded(
            crate::containers::container::Error::EndedInUse {
                image: "mongo".to_owned(),
                log: "killed".to_owned(),
            },
        ));
    };
    let started = context.clock.now();
    let (outcome, ()) = tokio::join!(place.run(&context), watching);
    let took = Duration::from_nanos(context.clock.now() - started);
    assert!(
        took < context.simulation.storage.store_timeout / 2,
        "{took:?}"
    );
    let failure = outcome.failure.unwrap();
    assert!(matches!(failure, Error::ServerEnded(_)), "{failure:?}");
    let verdict = outcome.verdict.unwrap();
    assert_eq!((verdict.stored, verdict.missing), (0, 0), "{verdict:?}");
    assert_eq!(verdict.undelivered, verdict.emitted, "{verdict:?}");
    place.close().await;
}

/// Row 13 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn superseded_owner_cannot_move_the_checkpoint() {
    let place = Place::open(None).await;
    let context = small_run(28);
    let uri = SecretUri::new(format!("mongodb://{}", place.store.address()));
    let connection = Connection::open(&uri, "convoy", 1).await.unwrap();
    let owner = |epoch| {
        let collection = connection.documents("checkpoints");
        Checkpoints::new(collection, context.settings.run_id.clone(), epoch)
    };
    let (stale, current) = (owner(1), owner(2));
    let partition = TopicPartition {
        topic: 0,
        number: 0,
    };
    stale.claim(&context, partition, 0).await.unwrap();
    stale.write(&context, partition, 5, None).await.unwrap();
    current.claim(&context, partition, 5).await.unwrap();
    for refused in [
        stale.write(&context, partition, 9, None).await,
        stale.claim(&context, partition, 9).await,
    ] {
        let error = refused.unwrap_err();
        assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    }
    let position = current.read(&context, partition).await.unwrap();
    assert_eq!(position, Some(5));
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pool_is_saturated_by_more_inserts_than_connections() {
    let plan = Inserts::new(|_every| embedded_store::Fault {
        before: Some(Interruption::Delay(Duration::from_millis(50))),
        ..embedded_store::Fault::default()
    });
    let place = Place::open_with(None, Some(plan)).await;
    let connection = Connection::open(&place.endpoints().store, "convoy", 1).await;
    let connection = connection.unwrap();
    let insert = |number: i32| {
        let documents = connection.documents("sensor");
        let document = bson::RawDocumentBuf::try_from(&bson::doc! { "_id": number }).unwrap();
        async move { documents.insert(&[document]).await }
    };
    for number in 0..5 {
        insert(number).await;
    }
    let checkouts = connection.checkouts();
    assert!(
        checkouts.all >= 5 && !checkouts.saturated(),
        "{checkouts:?}"
    );

    futures_util::future::join_all((5..45).map(insert)).await;
    let checkouts = connection.checkouts();
    assert!(checkouts.saturated(), "{checkouts:?}");
    assert!(checkouts.wait > Duration::from_millis(50), "{checkouts:?}");
    place.close().await;
}
