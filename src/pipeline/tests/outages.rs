//! Servers that are away, slow or silent for a while, and come back.

use std::sync::atomic::{AtomicU64, Ordering};

use convoy_kafka_server::{Fault, FaultHook, Moment};
use convoy_mongodb_server::{ErrorReply, Interruption};

use crate::measure::Stage;
use crate::pipeline::context::TopicPartition;
use crate::pipeline::ingest::checkpoint::Checkpoints;
use crate::pipeline::tests::*;
use crate::store::{Connection, Error as StoreError};

/// Hangs the first produce requests: they are neither appended nor answered.
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

/// Does something to inserts into the documents' collection.
#[derive(Debug)]
struct Inserts {
    disturb: fn(u64) -> embedded_store::Fault,
    asked: AtomicU64,
}

impl Inserts {
    /// `disturb` is told which insert it is, from 0 on.
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
async fn a_broker_that_restarts_loses_and_doubles_nothing() {
    let mut place = Place::open(None).await;
    let context = context(21);
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
    // The pause is in the latencies: the schedule went on meanwhile.
    assert_eq!(outcome.recording.stages.end_to_end_latency.count(), RECORDS);
    place.close().await;
}

/// Row 4 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_hangs_is_timed_out_and_asked_once_more() {
    let faults = Arc::new(Hang::default());
    let place = Place::open(Some(Arc::<Hang>::clone(&faults))).await;
    let context = context_with(22, |settings| {
        settings.request_timeout = Duration::from_millis(500);
    });
    let outcome = place.run(&context).await;
    assert_all_stored(&outcome);
    // No storm: one request more for each that hung.
    assert_eq!(context.counters.produce_unknown.get(), 2);
    place.close().await;
}

/// Row 9a of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_cut_before_the_insert_loses_and_doubles_nothing() {
    let plan = Inserts::new(|number| embedded_store::Fault {
        before: (number % 3 == 1).then_some(Interruption::Cut),
        ..embedded_store::Fault::default()
    });
    let place = Place::open_with(None, Some(plan)).await;
    let context = context(23);
    let outcome = place.run(&context).await;
    assert_all_stored(&outcome);
    assert!(context.counters.inserts_unknown.get() > 0);
    assert_eq!(context.counters.replayed.get(), 0);
    place.close().await;
}

/// Row 9b of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_cut_after_the_insert_has_all_of_it_and_the_replay_is_counted() {
    let plan = Inserts::new(|number| embedded_store::Fault {
        after: (number % 3 == 1).then_some(Interruption::Cut),
        ..embedded_store::Fault::default()
    });
    let place = Place::open_with(None, Some(plan)).await;
    let context = context(24);
    let outcome = place.run(&context).await;
    assert_all_stored(&outcome);
    assert!(context.counters.inserts_unknown.get() > 0);
    assert!(context.counters.replayed.get() > 0);
    place.close().await;
}

/// Row 10 of the fault matrix: what a primary says that steps down, or shuts down for another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_steps_down_is_asked_again() {
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
    let context = context(27);
    assert_all_stored(&place.run(&context).await);
    assert!(context.counters.inserts_unknown.get() > 0);
    place.close().await;
}

/// Row 11 of the fault matrix: the store asks for a resend by an unmet write concern, which
/// [`crate::pipeline::tests::chaos`] mixes with refused documents.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unmet_write_concern_is_sent_again() {
    let plan = Inserts::new(|number| embedded_store::Fault {
        write_concern_error: (number % 3 == 1)
            .then(|| ErrorReply::new(64, "waiting for replication timed out")),
        ..embedded_store::Fault::default()
    });
    let place = Place::open_with(None, Some(plan)).await;
    let context = context(25);
    assert_all_stored(&place.run(&context).await);
    assert!(context.counters.inserts_unknown.get() > 0);
    place.close().await;
}

/// Row 22 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_store_does_not_slow_the_schedule() {
    let plan = Inserts::new(|_every| embedded_store::Fault {
        before: Some(Interruption::Delay(Duration::from_millis(500))),
        ..embedded_store::Fault::default()
    });
    let place = Place::open_with(None, Some(plan)).await;
    let context = context(26);
    let outcome = place.run(&context).await;
    assert_all_stored(&outcome);
    let stages = &outcome.recording.stages;
    let p50 = |stage| stages.get(stage).summary().p50_us;
    let (delay, store) = (p50(Stage::PublishDelay), p50(Stage::StoreLatency));
    assert!(store > 500_000 && delay < 500_000, "{delay}, {store}");
    place.close().await;
}

/// Row 20 of the fault matrix: what `command` sees of a container is told while requests fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_ended_is_not_waited_for() {
    let plan = Inserts::new(|_every| embedded_store::Fault {
        before: Some(Interruption::Cut),
        ..embedded_store::Fault::default()
    });
    let place = Place::open_with(None, Some(plan)).await;
    let context = context(29);
    let watching = async {
        context.lost.trouble().await;
        context
            .lost
            .tell(crate::containers::container::Error::EndedInUse {
                image: "mongo".to_owned(),
                log: "killed".to_owned(),
            });
    };
    let started = context.clock.now();
    let (outcome, ()) = tokio::join!(place.run(&context), watching);
    let took = Duration::from_nanos(context.clock.now() - started);
    assert!(took < context.settings.store_timeout / 2, "{took:?}");
    let failure = outcome.failure.unwrap();
    assert!(matches!(failure, Error::ServerEnded(_)), "{failure:?}");
    let verdict = outcome.verdict.unwrap();
    assert_eq!((verdict.stored, verdict.missing), (0, 0), "{verdict:?}");
    assert_eq!(verdict.undelivered, verdict.emitted, "{verdict:?}");
    place.close().await;
}

/// Row 13 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_superseded_owner_cannot_move_the_checkpoint() {
    let place = Place::open(None).await;
    let context = context(28);
    let uri = SecretUri::new(format!("mongodb://{}", place.store.address()));
    let connection = Connection::open(&uri, "convoy", 1).await.unwrap();
    let owner = |epoch| Checkpoints::new(connection.documents("checkpoints"), epoch);
    let (stale, current) = (owner(1), owner(2));
    let partition = TopicPartition {
        topic: 0,
        number: 0,
    };
    stale.claim(&context, partition, 0).await.unwrap();
    stale.write(&context, partition, 5).await.unwrap();
    current.claim(&context, partition, 5).await.unwrap();
    for refused in [
        stale.write(&context, partition, 9).await,
        stale.claim(&context, partition, 9).await,
    ] {
        let error = refused.unwrap_err();
        assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    }
    let position = current.read(&context, partition).await.unwrap();
    assert_eq!(position, Some(5));
    place.close().await;
}
