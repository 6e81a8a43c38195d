//! Goal: what the pipeline promises holds while servers misbehave.
//! Method: whole runs on embedded servers with fault plans that strike every n-th time, so that
//! each run can be repeated, and the verdict of each.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::progress::Totals;
use super::*;
use crate::broker::embedded::{self as embedded_broker, Fault, Faults, Moment};
use crate::broker::{Compression, Connector, Endpoint};
use crate::dataset::Dataset;
use crate::fleet::{self, Key};
use crate::load::{Arrival, Bound, Rate};
use crate::measure::{Histogram, Interval, RunClock, Stages};
use crate::net::SecretUri;
use crate::record::{Envelope, envelope};
use crate::store::embedded as embedded_store;

const PARTITIONS: u32 = 3;
const RECORDS: u64 = 600;

/// Does to every n-th produce request what it is told, and counts.
#[derive(Debug)]
struct EveryNth {
    n: u64,
    /// Whether it strikes before the append, or after it.
    after: bool,
    fault: Fault,
    asked: AtomicU64,
    struck: AtomicU64,
}

impl EveryNth {
    fn new(n: u64, after: bool, fault: Fault) -> Arc<Self> {
        let (asked, struck) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self {
            n,
            after,
            fault,
            asked,
            struck,
        })
    }

    fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }
}

impl Faults for EveryNth {
    fn strike(&self, moment: Moment<'_>) -> Option<Fault> {
        let here = match moment {
            Moment::BeforeAppend { .. } => !self.after,
            Moment::AfterAppend { .. } => self.after,
            Moment::BeforeResponse { .. } | Moment::OnFetch { .. } => false,
        };
        let strikes = here && self.asked.fetch_add(1, Ordering::Relaxed) % self.n == self.n - 1;
        strikes.then(|| {
            self.struck.fetch_add(1, Ordering::Relaxed);
            self.fault
        })
    }
}

#[derive(Debug)]
struct Deaf;

impl Observer for Deaf {
    fn phase(&self, _: Phase) {}
    fn interval(&self, _: &Interval, _: &Stages<Histogram>, _: &Totals) {}
}

/// Embedded servers, and everything to run a fleet on them.
struct Place {
    broker: embedded_broker::Broker,
    store: embedded_store::Store,
}

impl Place {
    async fn open(faults: Option<Arc<dyn Faults>>) -> Self {
        let settings = embedded_broker::Settings {
            faults,
            ..Default::default()
        };
        let broker = embedded_broker::Broker::start(settings).await.unwrap();
        let settings = embedded_store::Settings::default();
        let store = embedded_store::Store::start(settings).await.unwrap();
        Self { broker, store }
    }

    fn context(&self, seed: u64) -> Arc<Context> {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data");
        let workload = Workload::new(Dataset::open(&sample).unwrap());
        let fleet = fleet::Settings {
            vehicles: 20,
            rate: Rate::per_second(100.0).unwrap(),
            total_rate: None,
            arrival: Arrival::Uniform,
            seed,
            warm_up: Duration::ZERO,
            bound: Bound::Records(RECORDS),
            rows: workload.rows(),
            shard: None,
        };
        let settings = Settings {
            run_id: format!("run-{seed}"),
            fleet,
            key: Key::Vehicle,
            topics: vec!["readings".to_owned()],
            partitions: PARTITIONS,
            replication_factor: 1,
            compression: Compression::None,
            linger: Duration::from_millis(2),
            consumers: 2,
            batch_records: 100,
            batch_wait: Duration::from_millis(5),
            database: "convoy".to_owned(),
            collection: "sensor".to_owned(),
            drain_timeout: Duration::from_secs(30),
        };
        Arc::new(Context::new(settings, RunClock::start(), workload))
    }

    async fn run(&self, context: &Arc<Context>) -> Outcome {
        let endpoints = Endpoints {
            broker: Endpoint::plain(self.broker.address().to_string()),
            store: SecretUri::new(format!("mongodb://{}", self.store.address())),
        };
        let roles = Roles {
            producer: Handle::current(),
            consumer: Handle::current(),
        };
        let (context, interrupt) = (Arc::clone(context), CancellationToken::new());
        run(context, endpoints, roles, Arc::new(Deaf), interrupt)
            .await
            .unwrap()
    }

    /// Returns vehicle, sequence and payload of each record of each partition, in order.
    async fn log(&self) -> Vec<Vec<(u32, u64, Vec<u8>)>> {
        let connector = Connector::new(Endpoint::plain(self.broker.address().to_string()));
        let mut log = Vec::new();
        for number in 0..PARTITIONS.cast_signed() {
            let mut partition = connector.partition("readings", number);
            let (_earliest, end) = partition.offsets().await.unwrap();
            let mut records = Vec::new();
            while i64::try_from(records.len()).unwrap() < end {
                let at = i64::try_from(records.len()).unwrap();
                let fetched = partition
                    .fetch(at, 1 << 20, Duration::from_secs(1))
                    .await
                    .unwrap();
                for record in fetched.records {
                    let envelope = Envelope::decode(&record.headers[envelope::HEADER]).unwrap();
                    records.push((envelope.vehicle, envelope.sequence, record.value.unwrap()));
                }
            }
            log.push(records);
        }
        log
    }

    async fn close(self) {
        self.broker.stop().await.unwrap();
        self.store.stop().await.unwrap();
    }
}

fn assert_all_stored(outcome: &Outcome) {
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    let verdict = outcome.verdict.as_ref().unwrap();
    assert_eq!(
        (verdict.emitted, verdict.stored),
        (RECORDS, RECORDS),
        "{verdict:?}"
    );
    assert!(verdict.clean(), "{verdict:?}");
    assert_eq!(outcome.recording.stored, RECORDS);
    assert_eq!(outcome.recording.stages.end_to_end_latency.count(), RECORDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_emitted_is_stored_once_and_every_stage_is_measured() {
    let place = Place::open(None).await;
    let outcome = place.run(&place.context(1)).await;
    assert_all_stored(&outcome);
    assert_eq!(outcome.verdict.as_ref().unwrap().reordered, 0);
    for stage in crate::measure::Stage::ALL {
        assert_eq!(
            outcome.recording.stages.get(stage).count(),
            RECORDS,
            "{stage:?}"
        );
    }
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_seed_sends_the_same_readings_in_the_same_order_to_the_same_partitions() {
    let mut logs = Vec::new();
    for seed in [7, 7, 8] {
        let place = Place::open(None).await;
        assert_all_stored(&place.run(&place.context(seed)).await);
        logs.push(place.log().await);
        place.close().await;
    }
    assert_eq!(logs[0], logs[1]);
    assert_ne!(logs[0], logs[2]);
}

/// Row 3a of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_before_the_append_loses_and_doubles_nothing() {
    let faults = EveryNth::new(5, false, Fault::Cut);
    let place = Place::open(Some(faults.clone())).await;
    let context = place.context(3);
    let outcome = place.run(&context).await;
    assert_all_stored(&outcome);
    assert!(faults.struck() > 0);
    assert_eq!(context.counters.produce_unknown.get(), faults.struck());
    assert_eq!(outcome.verdict.unwrap().producer_duplicated, 0);
    place.close().await;
}

/// Row 3b of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_ack_doubles_records_in_the_broker_and_not_in_the_store() {
    let faults = EveryNth::new(5, true, Fault::Cut);
    let place = Place::open(Some(faults.clone())).await;
    let context = place.context(4);
    let outcome = place.run(&context).await;
    assert_all_stored(&outcome);
    assert!(faults.struck() > 0);
    assert_eq!(context.counters.produce_unknown.get(), faults.struck());
    let in_broker: usize = place.log().await.iter().map(Vec::len).sum();
    let doubled = in_broker as u64 - RECORDS;
    assert!(doubled > 0);
    assert_eq!(outcome.verdict.unwrap().producer_duplicated, doubled);
    place.close().await;
}

/// Row 5 of the fault matrix: codes after which nothing was appended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_not_ready_is_asked_again() {
    const NOT_LEADER: i16 = 6;
    let faults = EveryNth::new(4, false, Fault::Refuse(NOT_LEADER));
    let place = Place::open(Some(faults.clone())).await;
    let context = place.context(5);
    let outcome = place.run(&context).await;
    assert_all_stored(&outcome);
    assert_eq!(context.counters.produce_rejected.get(), faults.struck());
    place.close().await;
}

/// Row 6 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_with_a_full_disk_is_waited_for() {
    let faults = EveryNth::new(4, false, Fault::FailWrite);
    let place = Place::open(Some(faults.clone())).await;
    let outcome = place.run(&place.context(6)).await;
    assert_all_stored(&outcome);
    assert!(faults.struck() > 0);
    place.close().await;
}

/// Row 14 of the fault matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_do_not_fit_are_set_aside_and_the_others_unaffected() {
    let place = Place::open(None).await;
    let context = place.context(9);
    let address = place.broker.address().to_string();
    let poisoning = tokio::spawn(async move {
        let connector = Connector::new(Endpoint::plain(address));
        let reachable = async {
            while !connector.topics().await.unwrap().contains_key("readings") {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reachable)
            .await
            .unwrap();
        connector.partition("readings", 0)
    });
    let running = place.run(&context);
    let poison = async {
        let mut partition = poisoning.await.unwrap();
        // Only what comes after the run has taken its positions is its own to judge.
        let begun = async {
            while context.counters.acked.get() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), begun)
            .await
            .unwrap();
        let mut batch = crate::broker::client::Batch::default();
        let envelope = Envelope {
            run: context.run,
            vehicle: 1_000,
            sequence: 0,
            warm_up: false,
            intended: 0,
            sent: 0,
            payload_hash: crate::record::payload_hash(b"{\"class\":7}"),
        };
        batch.push(None, envelope.encode(), b"{\"class\":7}".to_vec(), 0);
        batch.push(None, [0; envelope::LENGTH], b"not json".to_vec(), 0);
        partition.produce(batch, Compression::None).await
    };
    let (outcome, _sent) = tokio::join!(running, poison);
    let verdict = outcome.verdict.unwrap();
    assert_eq!(
        (verdict.emitted, verdict.stored),
        (RECORDS, RECORDS),
        "{verdict:?}"
    );
    assert_eq!(
        (verdict.dead_lettered, verdict.missing),
        (2, 0),
        "{verdict:?}"
    );
    assert!(!verdict.clean());
    place.close().await;
}
